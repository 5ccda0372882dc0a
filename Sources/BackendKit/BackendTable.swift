import CBackend

/// The C table of a Swift backend.
///
/// Every handle that crosses the boundary is a retained Swift object: the table's context holds the
/// backend, a device handle a `DeviceHandle`, and so on. The host gives each back exactly once.
public enum BackendTable {
    /// The table for `B`, or nil if the host speaks no version this kit does. Made once per call;
    /// lives as long as the process. A plugin's entry point is
    ///
    ///     @_cdecl("cresset_backend_query")
    ///     public func query(_ oldest: UInt32, _ newest: UInt32) -> UnsafePointer<CressetBackend>? {
    ///         BackendTable.make(MyBackend.self, oldest: oldest, newest: newest)
    ///     }
    public static func make<B: Backend>(
        _ type: B.Type, oldest: UInt32, newest: UInt32
    ) -> UnsafePointer<CressetBackend>? {
        let version = UInt32(CRESSET_ABI_VERSION)
        guard oldest <= version && version <= newest else { return nil }
        let table = UnsafeMutablePointer<CressetBackend>.allocate(capacity: 1)
        table.initialize(
            to: CressetBackend(
                struct_size: UInt32(MemoryLayout<CressetBackend>.size), abi_version: version,
                name: UnsafePointer(B.name.allocatedCString), version: UnsafePointer(B.version.allocatedCString),
                context: Handle.pass(BackendHandle(B())),
                start: start, devices: devices, open_device: openDevice, kernels: kernels, allocate: allocate,
                deallocate: deallocate, map: map, create_queue: createQueue, destroy_queue: destroyQueue,
                copy_in: copyIn, copy_out: copyOut, copy_within: copyWithin, synchronize: synchronize,
                record: record, queue_wait: queueWait, event_wait: eventWait, event_release: eventRelease,
                prepare: prepare, compile_count: compileCount, set_thread_count: setThreadCount))
        return UnsafePointer(table)
    }
}

// MARK: Handles

/// Retained Swift objects as C pointers and back.
private enum Handle {
    static func pass(_ object: AnyObject) -> UnsafeMutableRawPointer {
        Unmanaged.passRetained(object).toOpaque()
    }
    /// The object behind a handle. The host only hands back what it was given, still retained.
    @inline(__always)
    static func get<T: AnyObject>(_ handle: OpaquePointer, _: T.Type) -> T {
        Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
    @inline(__always)
    static func get<T: AnyObject>(_ handle: OpaquePointer?, _: T.Type) throws -> T {
        guard let handle else { throw BackendError(.invalid, "a handle is NULL") }
        return Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
    static func release<T: AnyObject>(_ handle: OpaquePointer?, _: T.Type) {
        guard let handle else { return }
        Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).release()
    }
}

private final class BackendHandle: @unchecked Sendable {
    let backend: any Backend
    init(_ backend: any Backend) { self.backend = backend }
}

private final class DeviceHandle {
    let device: any BackendDevice
    /// Made once: `kernels` is called twice by count-then-fill and the contexts must last.
    let kernels: [CressetKernel]
    init(_ device: any BackendDevice) {
        self.device = device
        self.kernels = device.kernels.flatMap(Self.entries)
    }

    private static func entries(_ kernel: Kernel) -> [CressetKernel] {
        // Kernel contexts live as long as the process, like the registry entries that name them.
        let context = Handle.pass(KernelHandle(kernel))
        let op = kernel.op.map { UnsafePointer($0.allocatedCString) }
        return kernel.dtypes.sorted { $0.rawValue < $1.rawValue }.map { dtype in
            CressetKernel(
                struct_size: UInt32(MemoryLayout<CressetKernel>.size), family: kernel.family.rawValue, op: op,
                dtype: UInt32(dtype.rawValue), priority: Int32(kernel.priority), context: context,
                supports: kernel.supports == nil ? nil : supports,
                launch: {
                    if case .c(let function) = kernel.body { return function }
                    return launch
                }())
        }
    }
}

private final class KernelHandle {
    let kernel: Kernel
    let launch: Kernel.Launch
    init(_ kernel: Kernel) {
        self.kernel = kernel
        if case .swift(let launch) = kernel.body {
            self.launch = launch
        } else {
            self.launch = { _, _ in }
        }
    }
}

private final class QueueHandle {
    let queue: any BackendQueue
    init(_ queue: any BackendQueue) { self.queue = queue }
}

/// A buffer as the ABI's handle: what `TensorView.buffer` points to.
public final class BufferHandle {
    public let buffer: any BackendBuffer
    init(_ buffer: any BackendBuffer) { self.buffer = buffer }

    /// The buffer behind a tensor's handle.
    @inline(__always)
    public static func buffer(_ handle: OpaquePointer) -> any BackendBuffer {
        Handle.get(handle, BufferHandle.self).buffer
    }
}

private final class EventHandle {
    let event: any BackendEvent
    init(_ event: any BackendEvent) { self.event = event }
}

// MARK: The functions of the table

private typealias Status = UnsafeMutablePointer<CressetStatus>

private func start(_ context: UnsafeMutableRawPointer?, _ services: UnsafePointer<CressetServices>?) -> Status? {
    BackendError.status {
        guard let services else { throw BackendError(.invalid, "no services") }
        try backend(context).start(Services(raw: services))
    }
}

private func backend(_ context: UnsafeMutableRawPointer?) throws -> any Backend {
    try Handle.get(context.map { OpaquePointer($0) }, BackendHandle.self).backend
}

private func devices(
    _ context: UnsafeMutableRawPointer?, _ count: UnsafeMutablePointer<UInt32>?,
    _ items: UnsafeMutablePointer<CressetDeviceInfo>?
) -> Status? {
    BackendError.status {
        guard let count else { throw BackendError(.invalid, "no count") }
        let found = try backend(context).devices()
        if let items {
            let step = Int(items.pointee.struct_size)
            for (i, device) in found.prefix(Int(count.pointee)).enumerated() {
                fill(UnsafeMutableRawPointer(items) + i * step, step, device.raw)
            }
            count.pointee = UInt32(min(found.count, Int(count.pointee)))
        } else {
            count.pointee = UInt32(found.count)
        }
    }
}

private func openDevice(
    _ context: UnsafeMutableRawPointer?, _ index: UInt32, _ device: UnsafeMutablePointer<OpaquePointer?>?
) -> Status? {
    BackendError.status {
        let opened = try backend(context).open(Int(index))
        device?.pointee = OpaquePointer(Handle.pass(DeviceHandle(opened)))
    }
}

private func kernels(
    _ device: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?, _ items: UnsafeMutablePointer<CressetKernel>?
) -> Status? {
    BackendError.status {
        let entries = try Handle.get(device, DeviceHandle.self).kernels
        guard let count else { throw BackendError(.invalid, "no count") }
        if let items {
            let n = min(entries.count, Int(count.pointee))
            let step = Int(items.pointee.struct_size)
            for i in 0..<n { fill(UnsafeMutableRawPointer(items) + i * step, step, entries[i]) }
            count.pointee = UInt32(n)
        } else {
            count.pointee = UInt32(entries.count)
        }
    }
}

/// Writes as much of `value` as the host's struct of `size` bytes has room for, keeping its size.
private func fill<Item: BitwiseCopyable>(_ target: UnsafeMutableRawPointer, _ size: Int, _ value: Item) {
    withUnsafeBytes(of: value) { bytes in
        let count = min(size, bytes.count)
        guard count > 4 else { return }
        // The first field is struct_size, which the host has set.
        (target + 4).copyMemory(from: bytes.baseAddress.unsafelyUnwrapped + 4, byteCount: count - 4)
    }
}

private func supports(
    _ context: UnsafeMutableRawPointer?, _ device: OpaquePointer?, _ call: UnsafePointer<CressetCall>?
) -> UnsafePointer<CChar>? {
    guard let context, let call else { return nil }
    let kernel: KernelHandle = Handle.get(OpaquePointer(context), KernelHandle.self)
    guard let reason = kernel.kernel.supports?(Call(raw: call)) else { return nil }
    // A StaticString's text lives as long as the process and ends with a NUL.
    return UnsafeRawPointer(reason.utf8Start).assumingMemoryBound(to: CChar.self)
}

private func launch(
    _ context: UnsafeMutableRawPointer?, _ queue: OpaquePointer?, _ call: UnsafePointer<CressetCall>?
) -> Status? {
    BackendError.status {
        guard let context, let call else { throw BackendError(.invalid, "no call") }
        let kernel: KernelHandle = Handle.get(OpaquePointer(context), KernelHandle.self)
        try kernel.launch(Handle.get(queue, QueueHandle.self).queue, Call(raw: call))
    }
}

private func allocate(
    _ device: OpaquePointer?, _ bytes: UInt64, _ buffer: UnsafeMutablePointer<OpaquePointer?>?
) -> Status? {
    BackendError.status {
        let made = try Handle.get(device, DeviceHandle.self).device.allocate(Int(clamping: bytes))
        buffer?.pointee = OpaquePointer(Handle.pass(BufferHandle(made)))
    }
}

private func deallocate(_ device: OpaquePointer?, _ buffer: OpaquePointer?) {
    Handle.release(buffer, BufferHandle.self)
}

private func map(
    _ device: OpaquePointer?, _ buffer: OpaquePointer?, _ pointer: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Status? {
    BackendError.status {
        guard let address = try Handle.get(buffer, BufferHandle.self).buffer.hostAddress else {
            throw BackendError(.unsupported, "this buffer is not host-visible")
        }
        pointer?.pointee = address
    }
}

private func createQueue(_ device: OpaquePointer?, _ queue: UnsafeMutablePointer<OpaquePointer?>?) -> Status? {
    BackendError.status {
        let made = try Handle.get(device, DeviceHandle.self).device.makeQueue()
        let handle = OpaquePointer(Handle.pass(QueueHandle(made)))
        made.adopt(handle: handle)
        queue?.pointee = handle
    }
}

private func destroyQueue(_ queue: OpaquePointer?) {
    if let queue { try? Handle.get(queue, QueueHandle.self).queue.synchronize() }
    Handle.release(queue, QueueHandle.self)
}

private func copyIn(
    _ queue: OpaquePointer?, _ source: UnsafeRawPointer?, _ buffer: OpaquePointer?, _ offset: UInt64, _ bytes: UInt64
) -> Status? {
    BackendError.status {
        guard source != nil || bytes == 0 else { throw BackendError(.invalid, "copy_in from NULL") }
        try Handle.get(queue, QueueHandle.self).queue.copyIn(
            UnsafeRawBufferPointer(start: source, count: Int(clamping: bytes)),
            to: Handle.get(buffer, BufferHandle.self).buffer, at: Int(clamping: offset))
    }
}

private func copyOut(
    _ queue: OpaquePointer?, _ buffer: OpaquePointer?, _ offset: UInt64, _ target: UnsafeMutableRawPointer?,
    _ bytes: UInt64
) -> Status? {
    BackendError.status {
        guard target != nil || bytes == 0 else { throw BackendError(.invalid, "copy_out to NULL") }
        try Handle.get(queue, QueueHandle.self).queue.copyOut(
            Handle.get(buffer, BufferHandle.self).buffer, at: Int(clamping: offset),
            to: UnsafeMutableRawBufferPointer(start: target, count: Int(clamping: bytes)))
    }
}

private func copyWithin(
    _ queue: OpaquePointer?, _ source: OpaquePointer?, _ sourceOffset: UInt64, _ target: OpaquePointer?,
    _ targetOffset: UInt64, _ bytes: UInt64
) -> Status? {
    BackendError.status {
        try Handle.get(queue, QueueHandle.self).queue.copyWithin(
            from: Handle.get(source, BufferHandle.self).buffer, at: Int(clamping: sourceOffset),
            to: Handle.get(target, BufferHandle.self).buffer, at: Int(clamping: targetOffset),
            count: Int(clamping: bytes))
    }
}

private func synchronize(_ queue: OpaquePointer?) -> Status? {
    BackendError.status { try Handle.get(queue, QueueHandle.self).queue.synchronize() }
}

private func record(_ queue: OpaquePointer?, _ event: UnsafeMutablePointer<OpaquePointer?>?) -> Status? {
    BackendError.status {
        let made = try Handle.get(queue, QueueHandle.self).queue.record()
        event?.pointee = OpaquePointer(Handle.pass(EventHandle(made)))
    }
}

private func queueWait(_ queue: OpaquePointer?, _ event: OpaquePointer?) -> Status? {
    BackendError.status {
        try Handle.get(queue, QueueHandle.self).queue.wait(for: Handle.get(event, EventHandle.self).event)
    }
}

private func eventWait(_ event: OpaquePointer?) -> Status? {
    BackendError.status { try Handle.get(event, EventHandle.self).event.wait() }
}

private func eventRelease(_ event: OpaquePointer?) { Handle.release(event, EventHandle.self) }

private func prepare(_ device: OpaquePointer?, _ count: UInt32, _ calls: UnsafePointer<CressetCall>?) -> Status? {
    BackendError.status {
        guard let calls else { return }
        try Handle.get(device, DeviceHandle.self).device.prepare((0..<Int(count)).map { Call(raw: calls + $0) })
    }
}

private func compileCount(_ device: OpaquePointer?) -> UInt64 {
    guard let device else { return 0 }
    let handle: DeviceHandle = Handle.get(device, DeviceHandle.self)
    return UInt64(handle.device.compileCount)
}

private func setThreadCount(_ context: UnsafeMutableRawPointer?, _ count: UInt32) {
    guard let context else { return }
    Unmanaged<BackendHandle>.fromOpaque(context).takeUnretainedValue().backend.setThreadCount(Int(count))
}

// MARK: Device descriptions

extension DeviceDescription {
    fileprivate var raw: CressetDeviceInfo {
        var raw = CressetDeviceInfo()
        raw.struct_size = UInt32(MemoryLayout<CressetDeviceInfo>.size)
        raw.flags = flags.rawValue
        withUnsafeMutableBytes(of: &raw.name) { Self.fill($0, name) }
        withUnsafeMutableBytes(of: &raw.driver) { Self.fill($0, driver) }
        withUnsafeMutableBytes(of: &raw.uuid) { bytes in
            for (i, byte) in uuid.prefix(16).enumerated() { bytes[i] = byte }
        }
        raw.memory_bytes = memoryBytes
        raw.max_allocation_bytes = maxAllocationBytes
        raw.dtypes = dtypes.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
        if !unsupportedInstructions.isEmpty {
            // Lives as long as the process; one small table per description read.
            let table = UnsafeMutablePointer<UInt8>.allocate(capacity: Opcode.allCases.count)
            for opcode in Opcode.allCases {
                var mask: UInt8 = 0
                for type in ArithmeticType.allCases
                where dtypes.contains(where: { $0.arithmetic == type })
                    && unsupportedInstructions[opcode]?.contains(type) != true
                {
                    mask |= 1 << type.rawValue
                }
                table[Int(opcode.rawValue)] = mask
            }
            raw.instruction_types = UnsafePointer(table)
            raw.instruction_count = UInt32(Opcode.allCases.count)
        }
        return raw
    }

    /// Writes as much of `text` as fits, and a NUL.
    private static func fill(_ bytes: UnsafeMutableRawBufferPointer, _ text: String) {
        let utf8 = Array(text.utf8.prefix(bytes.count - 1))
        bytes.copyBytes(from: utf8)
        bytes[utf8.count] = 0
    }
}
