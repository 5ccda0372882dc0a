import BackendKit
import CBackend
import CCresset
import Synchronization

/// An opened device: its queue, memory and kernels. Opened once and kept for the process's life.
final class DeviceRuntime: @unchecked Sendable {
    let device: Device
    let backend: LoadedBackend
    let info: CressetDeviceInfo
    let name: String
    let isHostVisible: Bool
    /// Its bit among the devices that a thread used.
    let bit: UInt64
    /// Bit by dtype of `holds`.
    private let held: UInt32
    private let handle: OpaquePointer
    private let queue: OpaquePointer
    /// The ABI lets one thread at a time use a queue.
    private let queueLock = Mutex(())
    let kernels: KernelTable
    let memory = BlockCache()

    /// Launches need no lock, and are done when they return.
    private let isConcurrent: Bool

    /// `CRESSET_SYNC=1`: every launch is waited for, so that an error arrives where it was caused.
    private let isSynchronousByWish = Environment["CRESSET_SYNC"].map { $0 != "0" } ?? false

    init(
        device: Device, backend: LoadedBackend, ordinal: Int, info: CressetDeviceInfo
    ) throws(CressetError) {
        let name = "\(device)"
        func check(_ status: UnsafeMutablePointer<CressetStatus>?) throws(CressetError) {
            if let error = BackendError(consuming: status) {
                throw CressetError(error, op: "open \(name)", device: name)
            }
        }
        PluginSteps.note("open_device of \(name)")
        var handle: OpaquePointer?
        try check(backend.table.open_device(backend.table.context, UInt32(ordinal), &handle))
        guard let handle else { throw CressetError(.plugin, op: "open \(name)", "no device handle was given") }
        PluginSteps.note("create_queue of \(name)")
        var queue: OpaquePointer?
        try check(backend.table.create_queue(handle, &queue))
        guard let queue else { throw CressetError(.plugin, op: "open \(name)", "no queue handle was given") }

        self.device = device
        bit = 1 << UInt64(device.id)
        self.backend = backend
        self.info = info
        held = Self.held(info)
        let needed = UInt32(CRESSET_DEVICE_SYNCHRONOUS) | UInt32(CRESSET_DEVICE_CONCURRENT)
        isConcurrent = info.flags & needed == needed
        self.name = name
        self.handle = handle
        self.queue = queue
        self.isHostVisible =
            info.flags & UInt32((CRESSET_DEVICE_HOST_VISIBLE)) != 0 && backend.table.map != nil
        self.kernels = KernelTable(deviceName: name)
        memory.attach(self)
        try kernels.register(readKernels(), from: backend)
    }

    /// The same device by a queue and memory of its own.
    init(besides other: DeviceRuntime, as device: Device) throws(CressetError) {
        var queue: OpaquePointer?
        if let error = BackendError(consuming: other.backend.table.create_queue(other.handle, &queue)) {
            throw CressetError(error, op: "open a queue of \(other.name)", device: other.name)
        }
        guard let queue else { throw CressetError(.plugin, op: "open \(other.name)", "no queue handle was given") }
        self.device = device
        bit = 1 << UInt64(device.id)
        backend = other.backend
        info = other.info
        held = other.held
        isConcurrent = other.isConcurrent
        name = other.name
        handle = other.handle
        self.queue = queue
        isHostVisible = other.isHostVisible
        kernels = other.kernels
        memory.attach(self)
    }

    /// The kernels the backend says it has; entries that break a rule are reported and left out.
    private func readKernels() throws(CressetError) -> [CressetKernel] {
        func check(_ status: UnsafeMutablePointer<CressetStatus>?) throws(CressetError) {
            if let error = BackendError(consuming: status) {
                throw CressetError(error, op: "kernels of \(name)", device: name)
            }
        }
        PluginSteps.note("kernels of \(name)")
        var count: UInt32 = 0
        try check(backend.table.kernels(handle, &count, nil))
        guard count <= 65_536 else {
            throw CressetError(.plugin, op: "kernels of \(name)", "it says it has \(count) kernels; the limit is 65536")
        }
        var items = [CressetKernel](repeating: CressetKernel(), count: Int(count))
        for i in items.indices { items[i].struct_size = UInt32(MemoryLayout<CressetKernel>.size) }
        var filled = count
        try check(items.withUnsafeMutableBufferPointer { backend.table.kernels(handle, &filled, $0.baseAddress) })
        guard filled <= count else {
            throw CressetError(
                .plugin, op: "kernels of \(name)", "it filled \(filled) kernels where there was room for \(count)")
        }
        return Array(items.prefix(Int(filled)))
    }

    var properties: DeviceProperties {
        func has(_ flag: Int) -> Bool { info.flags & UInt32(flag) != 0 }
        return DeviceProperties(
            name: DeviceTable.name(info), driver: DeviceTable.driver(info), uuid: DeviceTable.uuid(info),
            isSoftware: has(CRESSET_DEVICE_SOFTWARE), hasUnifiedMemory: has(CRESSET_DEVICE_UNIFIED_MEMORY),
            isHostVisible: isHostVisible, isSynchronous: has(CRESSET_DEVICE_SYNCHRONOUS),
            memoryBytes: info.memory_bytes, maxAllocationBytes: info.max_allocation_bytes,
            dtypes: DType.allCases.filter(holds), backendVersion: backend.version, origin: backend.origin,
            abiVersion: Int(backend.table.abi_version))
    }

    /// True when tensors of `dtype` can live here.
    ///
    /// A complex tensor is one of pairs: it can live where its parts can, and no backend hears of it.
    @inline(__always)
    func holds(_ dtype: DType) -> Bool { held & (1 << UInt32(dtype.rawValue)) != 0 }

    private static func held(_ info: CressetDeviceInfo) -> UInt32 {
        DType.allCases.reduce(0) { bits, dtype in
            info.dtypes & (1 << UInt32(dtype.toReal.rawValue)) != 0 ? bits | 1 << UInt32(dtype.rawValue) : bits
        }
    }

    var compileCount: Int { Int(backend.table.compile_count?(handle) ?? 0) }

    // MARK: Launching

    /// Launches one kernel.
    @inline(__always)
    func launch(
        _ kernel: KernelRecord, _ call: UnsafePointer<CressetCall>, op: @autoclosure () -> String
    ) throws(CressetError) {
        let status = launch(kernel, call)
        if status != nil { try fail(status, op: op()) }
    }

    /// Launches one kernel; the failure, if any, is for `fail`.
    @inline(__always)
    func launch(_ kernel: KernelRecord, _ call: UnsafePointer<CressetCall>) -> UnsafeMutablePointer<CressetStatus>? {
        launch(kernel.launch, kernel.context, call, threadState)
    }

    @inline(__always)
    func launch(
        _ function: KernelRecord.Launch, _ context: UnsafeMutableRawPointer?, _ call: UnsafePointer<CressetCall>,
        _ state: UnsafeMutablePointer<CressetThreadState>
    ) -> UnsafeMutablePointer<CressetStatus>? {
        state.pointee.used_devices |= bit
        if isConcurrent { return function(context, queue, call) }
        queueLock._unsafeLock()
        var status = function(context, queue, call)
        if isSynchronousByWish && status == nil { status = backend.table.synchronize(queue) }
        queueLock._unsafeUnlock()
        return status
    }

    /// nil if the kernel takes the call, else its reason.
    @inline(__always)
    func refusal(of kernel: KernelRecord, _ call: UnsafePointer<CressetCall>) -> String? {
        guard let supports = kernel.supports else { return nil }
        return supports(kernel.context, handle, call).map { String(cString: $0) }
    }

    @inline(never)
    func fail(_ status: UnsafeMutablePointer<CressetStatus>?, op: String) throws(CressetError) {
        if let error = BackendError(consuming: status) { throw CressetError(error, op: op, device: name) }
    }

    /// Runs `body` with the queue to itself, and throws the error it returns.
    private func withQueue(
        op: String, _ body: (OpaquePointer) -> UnsafeMutablePointer<CressetStatus>?
    ) throws(CressetError) {
        threadState.pointee.used_devices |= bit
        queueLock._unsafeLock()
        let status = body(queue)
        queueLock._unsafeUnlock()
        try fail(status, op: op)
    }

    func synchronize(op: String) throws(CressetError) {
        let table = backend.table
        try withQueue(op: op) { table.synchronize($0) }
    }

    /// Compiles what the calls need, where the backend can do that ahead.
    func prepare(_ calls: UnsafeBufferPointer<CressetCall>, op: String) throws(CressetError) {
        guard let prepare = backend.table.prepare, let base = calls.baseAddress else { return }
        try fail(prepare(handle, UInt32(calls.count), base), op: op)
    }

    // MARK: Memory

    func allocateBlock(_ bytes: Int, _ buffer: inout OpaquePointer?) -> BackendError? {
        BackendError(consuming: backend.table.allocate(handle, UInt64(bytes), &buffer))
    }

    func deallocateBlock(_ buffer: OpaquePointer) { backend.table.deallocate(handle, buffer) }

    func map(_ buffer: OpaquePointer) throws(CressetError) -> UnsafeMutableRawPointer? {
        guard isHostVisible, let map = backend.table.map else { return nil }
        var pointer: UnsafeMutableRawPointer?
        try fail(map(handle, buffer, &pointer), op: "map")
        return pointer
    }

    func copyIn(
        _ source: UnsafeRawBufferPointer, to storage: Storage, at offset: Int, op: String
    ) throws(CressetError) {
        guard source.count > 0 else { return }
        let table = backend.table
        try withQueue(op: op) {
            table.copy_in($0, source.baseAddress, storage.buffer, UInt64(offset), UInt64(source.count))
        }
    }

    func copyOut(
        _ storage: Storage, at offset: Int, to target: UnsafeMutableRawBufferPointer, op: String
    ) throws(CressetError) {
        guard target.count > 0 else { return }
        let table = backend.table
        try withQueue(op: op) {
            table.copy_out($0, storage.buffer, UInt64(offset), target.baseAddress, UInt64(target.count))
        }
    }
}
