import BackendKit
import CVulkan
import Glibc
import Synchronization

/// What a pipeline is made for. Sizes, strides and scalars are no part of it.
struct KernelKey: Hashable, Sendable {
    var family: Family
    /// Program ids, or -1.
    var program: Int = -1
    var epilogue: Int = -1
    /// What else the source depends on, packed by the family.
    var variant: UInt64 = 0
    /// Which strides the pipeline, made from the same SPIR-V, is for.
    var shape: Shape = .any

    /// Processors run both sides of a branch, so there each side gets a pipeline of its own.
    enum Shape: UInt32, Sendable { case any, flat, strided }
}

/// A pipeline and how to make its source when it is not there yet.
struct KernelRequest: Sendable {
    var key: KernelKey
    var op: String
    var source: @Sendable () -> String
}

/// The pipelines of a device, made when first asked for.
///
/// Two caches lie on disk: the kit's holds SPIR-V by source, so that a known kernel needs no compiler,
/// and one file for each driver holds what the driver made of it.
final class PipelineStore: @unchecked Sendable {
    // Handles are only made here and live as long as the process; the rest is behind locks.
    private let vk: UnsafePointer<CvkDevice>
    private let physical: PhysicalDevice
    private let cache: KernelCache
    private let directory: String?
    private let maths: MathsSource
    private let exact: ExactArithmetic
    private let services: Services
    private let entries = Mutex<[KernelKey: Entry]>([:])
    /// SPIR-V of kernels that come in shapes, by key without the shape.
    private let modules = Mutex<[KernelKey: [UInt32]]>([:])
    private let compiled = Atomic<Int>(0)
    private let unsaved = Atomic<Int>(0)
    private let saved = Mutex<Double>(0)

    /// One pipeline; its lock lets one thread make it while others wait for that one only.
    private final class Entry: @unchecked Sendable {
        // Non-dispatchable handles may be used from any thread.
        private let lock = Mutex<Void>(())
        private var pipeline: VkPipeline?

        func get(_ make: () throws -> VkPipeline?) throws -> VkPipeline? {
            try lock.withLock { _ in
                if let pipeline { return Handle(pipeline) }
                let made = try make()
                pipeline = made
                return Handle(made)
            }.value
        }

        private struct Handle: @unchecked Sendable {
            var value: VkPipeline?
            init(_ value: VkPipeline?) { self.value = value }
        }
    }

    init(_ vk: UnsafePointer<CvkDevice>, _ physical: PhysicalDevice, _ services: Services) {
        self.vk = vk
        self.physical = physical
        self.services = services
        directory = services.cacheDirectory
        cache = KernelCache(directory: services.cacheDirectory)
        maths = MathsSource(services.mathsSource, dialect: GLSL.dialect)
        exact = ExactArithmetic(physical.raw)
    }

    var compileCount: Int { compiled.load(ordering: .relaxed) }

    /// The pipeline of that key, made from `request` if it is not there yet.
    func pipeline(_ key: KernelKey, _ request: () throws -> KernelRequest) throws -> VkPipeline? {
        let entry = entries.withLock { entries in
            if let entry = entries[key] { return entry }
            let entry = Entry()
            entries[key] = entry
            return entry
        }
        return try entry.get {
            var plain = key
            plain.shape = .any
            if key.shape != .any, let words = modules.withLock({ $0[plain] }) {
                return try make(words, key.shape, call: try request().op)
            }
            let (pipeline, words) = try make(try request(), key.shape)
            if key.shape != .any { modules.withLock { $0[plain] = words } }
            return pipeline
        }
    }

    private func make(_ words: [UInt32], _ shape: KernelKey.Shape, call op: String) throws -> VkPipeline? {
        var pipeline: VkPipeline?
        let start = Clock.now
        let result = cvk_create_pipeline(vk, words, words.count, shape.rawValue, &pipeline)
        guard result == VK_SUCCESS else {
            throw BackendError(
                result.kind == .other ? .compile : result.kind,
                "\(physical.name) did not take the kernel: \(result.name)", op: op)
        }
        services.log(.debug, "vulkan: made a pipeline in \(Int((Clock.now - start) * 1e6)) µs")
        return pipeline
    }

    private func make(_ request: KernelRequest, _ shape: KernelKey.Shape) throws -> (VkPipeline?, [UInt32]) {
        let source = GLSL.complete(request.source(), maths, physical)
        let key = KernelCache.Key(
            kind: "vulkan", source: source, options: "spirv 1.5", device: physical.name, driver: physical.driver)
        if let words = cache.load(key).flatMap(Self.words) {
            if let pipeline = try? make(words, shape, call: request.op) { return (pipeline, words) }
            cache.remove(key)
        }
        let words = try compile(source, request)
        let pipeline = try make(words, shape, call: request.op)
        cache.save(words.withUnsafeBytes { Array($0) }, for: key)
        unsaved.add(1, ordering: .relaxed)
        return (pipeline, words)
    }

    private func compile(_ source: String, _ request: KernelRequest) throws -> [UInt32] {
        let start = Clock.now
        var count = 0
        var log: UnsafeMutablePointer<CChar>?
        let made = cvk_compile(source, &count, &log)
        defer {
            free(made)
            free(log)
        }
        compiled.add(1, ordering: .relaxed)
        guard let made else {
            let log = log.map { String(cString: $0) } ?? "no message"
            services.log(.debug, "vulkan: this source did not compile:\n\(source)")
            throw BackendError(.compile, "GLSL did not compile: \(log)", op: request.op)
        }
        // `made` holds `count` words.
        guard let words = exact.apply(to: Array(UnsafeBufferPointer(start: made, count: count))) else {
            throw BackendError(.compile, "glslang gave malformed SPIR-V", op: request.op)
        }
        if let folder = services.option("dump") { dump(source, words, request, folder) }
        services.log(
            .debug, "vulkan: compiled \(request.op) in \(Int((Clock.now - start) * 1e6)) µs, \(words.count) words")
        return words
    }

    /// For debugging: writes the source and the SPIR-V of a kernel to a folder.
    private func dump(_ source: String, _ words: [UInt32], _ request: KernelRequest, _ folder: String) {
        let name = [
            "\(folder)/\(request.key.family)", "\(request.key.program)", "\(request.key.epilogue)",
            "\(request.key.variant)",
        ].joined(separator: "-")
        words.withUnsafeBytes { _ = File.replace(name + ".spv", $0) }
        Array(source.utf8).withUnsafeBytes { _ = File.replace(name + ".comp", $0) }
    }

    private static func words(_ bytes: [UInt8]) -> [UInt32]? {
        guard bytes.count % 4 == 0, bytes.count >= 20 else { return nil }
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
    }

    // MARK: The driver's cache

    private static func path(_ physical: PhysicalDevice, _ services: Services) -> String? {
        services.cacheDirectory.map { "\($0)/vulkan-pipelines-\(physical.cacheKey).bin" }
    }

    /// What the driver saved in an earlier process, or nothing.
    static func savedPipelines(_ physical: PhysicalDevice, _ services: Services) -> [UInt8] {
        guard let path = path(physical, services), let file = File.read(path) else { return [] }
        let data = Array(file.dropFirst(8))
        // Drivers check that data is theirs, but not all check that it is whole.
        let sum = file.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return file.count > 8 && sum == File.checksum(data) ? data : []
    }

    /// Saves what the driver made, if there is news and the last time was a while ago.
    func save() {
        guard unsaved.load(ordering: .relaxed) > 0, let path = Self.path(physical, services) else { return }
        let now = Clock.now
        let due = saved.withLock { last in
            if now - last < 0.25 { return false }
            last = now
            return true
        }
        guard due else { return }
        unsaved.store(0, ordering: .relaxed)
        var count = 0
        let raw = vk.pointee
        guard raw.vkGetPipelineCacheData(raw.handle, raw.cache, &count, nil) == VK_SUCCESS, count < 1 << 28 else {
            return
        }
        var data = [UInt8](repeating: 0, count: count)
        guard raw.vkGetPipelineCacheData(raw.handle, raw.cache, &count, &data) == VK_SUCCESS else { return }
        data.removeLast(data.count - count)
        let sum = File.checksum(data)
        let file = (0..<8).map { UInt8(truncatingIfNeeded: sum >> UInt64($0 * 8)) } + data
        _ = file.withUnsafeBytes { File.replace(path, $0) }
    }

    // MARK: Together

    /// Makes several pipelines, on as many threads as are of use.
    func prepare(_ requests: [KernelRequest]) throws {
        let missing = entries.withLock { entries in requests.filter { entries[$0.key] == nil } }
        let workers = min(max(services.threadCount, 1), 4, missing.count)
        if workers > 1 {
            // Failures are found again, and reported, by the loop below.
            Threads.run(workers) { worker in
                for i in stride(from: worker, to: missing.count, by: workers) {
                    _ = try? self.pipeline(missing[i].key) { missing[i] }
                }
            }
        }
        for request in missing { _ = try pipeline(request.key) { request } }
    }
}
