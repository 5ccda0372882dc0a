import BackendKit
import CVulkan

/// A device as the driver describes it, before it is opened.
struct PhysicalDevice: @unchecked Sendable {
    // A handle that lives as long as the instance, which is never destroyed.
    let handle: VkPhysicalDevice
    let raw: CvkDescription

    init(_ handle: VkPhysicalDevice, _ instance: UnsafePointer<CvkInstance>) {
        self.handle = handle
        var raw = CvkDescription()
        cvk_describe(instance, handle, &raw)
        self.raw = raw
    }

    var name: String { text(raw.name) }
    var driver: String { text(raw.driver) }

    /// Why kernels of this backend cannot run there.
    var unusable: String? {
        if raw.api_version < 1 << 22 | 2 << 12 { return "its driver is older than Vulkan 1.2" }
        if !raw.has_queue { return "it has no queue for compute" }
        if !raw.address { return "it has no bufferDeviceAddress" }
        if !raw.timeline { return "it has no timelineSemaphore" }
        if !raw.scalar_layout { return "it has no scalarBlockLayout" }
        if !raw.int64 { return "it has no shaderInt64" }
        if raw.max_group_size < 256 { return "its work groups hold \(raw.max_group_size) invocations, fewer than 256" }
        return nil
    }

    /// What it can hold and compute: narrow types need both their arithmetic and their storage.
    var dtypes: Set<DType> {
        var found: Set<DType> = [.int32, .int64, .float32]
        if raw.int8 && raw.storage8 { found.formUnion([.bool, .uint8, .int8]) }
        if raw.int16 && raw.storage16 { found.formUnion([.int16, .float16, .bfloat16]) }
        if raw.float64 { found.insert(.float64) }
        return found
    }

    var description: DeviceDescription {
        var flags: DeviceDescription.Flags = []
        if raw.software { flags.insert(.software) }
        if raw.unified { flags.insert(.unifiedMemory) }
        return DeviceDescription(
            name: name, driver: driver, uuid: withUnsafeBytes(of: raw.uuid) { Array($0) }, flags: flags,
            memoryBytes: raw.heap_bytes, maxAllocationBytes: maxAllocation, dtypes: dtypes,
            // An exact float32 fma is made of float64 operations.
            unsupportedInstructions: raw.float64 ? [:] : [.fma: [.f32]])
    }

    var maxAllocation: UInt64 { min(raw.max_allocation, raw.max_buffer, raw.heap_bytes) }

    /// What compiled code depends on: the name of files in the cache.
    var cacheKey: String {
        let uuid = withUnsafeBytes(of: raw.pipeline_cache_uuid) { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        return "\(String(raw.vendor, radix: 16))-\(String(raw.device, radix: 16))-\(raw.driver_version)-\(uuid)"
    }

    /// The string in a fixed-size array of C.
    private func text<T>(_ array: T) -> String {
        withUnsafeBytes(of: array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
