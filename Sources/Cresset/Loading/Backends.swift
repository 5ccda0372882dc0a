/// What was searched for backends, and what came of it.
public enum Backends {
    /// One path that was looked at.
    public struct Attempt: Sendable {
        public enum Outcome: String, Sendable {
            case loaded, skipped, failed
        }
        public var path: String
        /// Why it was looked at: "the executable's folder".
        public var reason: String
        public var outcome: Outcome
        /// What was loaded, or why not.
        public var detail: String
    }

    /// One loaded backend.
    public struct Loaded: Sendable {
        public var name: String
        public var version: String
        /// The plugin's path, or "linked in".
        public var origin: String
        public var devices: [Device]
        /// Why it did not start, if it did not.
        public var failure: String?
    }

    /// Every path in the order in which they were tried.
    public static var attempts: [Attempt] {
        PluginLoader.shared.attempts.map { attempt in
            switch attempt.outcome {
            case .loaded(let what): Attempt(path: attempt.path, reason: attempt.reason, outcome: .loaded, detail: what)
            case .skipped(let why): Attempt(path: attempt.path, reason: attempt.reason, outcome: .skipped, detail: why)
            case .failed(let why): Attempt(path: attempt.path, reason: attempt.reason, outcome: .failed, detail: why)
            }
        }
    }

    /// Every backend whose table was accepted; starts them.
    public static var loaded: [Loaded] {
        PluginLoader.shared.backends.map { backend in
            var failure: String?
            do throws(CressetError) {
                _ = try backend.devices()
            } catch {
                failure = error.message
            }
            return Loaded(
                name: backend.name, version: backend.version, origin: backend.origin,
                devices: DeviceTable.shared.all.filter { $0.type == backend.name }, failure: failure)
        }
    }

    /// The backends that belong to Cresset, with the product that brings each and the system
    /// packages it wants.
    public static let known: [(name: String, product: String, install: String)] = [
        ("cpu", "CressetBackendOpenBLAS", "apt-get install libopenblas0-pthread"),
        ("opencl", "CressetBackendOpenCL", "apt-get install ocl-icd-libopencl1 pocl-opencl-icd"),
        ("vulkan", "CressetBackendVulkan", "apt-get install libvulkan1 mesa-vulkan-drivers"),
    ]
}
