import BackendKit
import CBackend
import COpenCL
import Synchronization

/// Devices of all installed OpenCL platforms, GPUs and CPUs alike.
final class OpenCLBackend: Backend {
    static let name = "opencl"
    static let version = "1.0"

    private struct Started {
        var services: Services
        var found: [FoundDevice]
        var opened: [Int: OpenCLDevice] = [:]
    }
    private let state = Mutex<Started?>(nil)

    init() {}

    func start(_ services: Services) throws {
        var reason: UnsafePointer<CChar>?
        guard let loaded = copencl_load(&reason) else {
            let why = reason.map { String(cString: $0) } ?? "unknown"
            throw BackendError(
                .unsupported,
                "the OpenCL loader is missing (\(why)); install it with: "
                    + "apt-get install ocl-icd-libopencl1 pocl-opencl-icd")
        }
        let cl = OpenCL(loaded)
        let found = try cl.findDevices()
        guard !found.isEmpty else {
            throw BackendError(
                .unsupported,
                "the OpenCL loader found no device: no driver is installed; for one that runs on the processor: "
                    + "apt-get install pocl-opencl-icd; for a GPU, its vendor's driver")
        }
        state.withLock { $0 = Started(services: services, found: found) }
    }

    func devices() throws -> [DeviceDescription] {
        state.withLock { $0?.found.map(\.description) ?? [] }
    }

    func open(_ index: Int) throws -> any BackendDevice {
        try state.withLock { state in
            guard let started = state, started.found.indices.contains(index) else {
                throw BackendError(.invalid, "there is no OpenCL device \(index)")
            }
            if let device = started.opened[index] { return device }
            let device = try OpenCLDevice(started.found[index], services: started.services)
            state?.opened[index] = device
            return device
        }
    }
}

/// The one symbol of this library.
@_cdecl("cresset_backend_query")
public func query(_ oldest: UInt32, _ newest: UInt32) -> UnsafePointer<CressetBackend>? {
    BackendTable.make(OpenCLBackend.self, oldest: oldest, newest: newest)
}
