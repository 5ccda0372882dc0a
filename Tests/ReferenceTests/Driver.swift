import BackendKit
import CBackend
import ReferenceBackend

/// An opened device of any backend, driven through its C table as the host does it.
final class Driver {
    let table: CressetBackend
    let device: OpaquePointer
    let queue: OpaquePointer
    let kernels: [CressetKernel]

    /// Device 0 computes; device 1 is the oracle.
    static func reference() throws -> Driver { try Driver(query: cressetReferenceQuery, index: 0) }
    static func oracle() throws -> Driver { try Driver(query: cressetReferenceQuery, index: 1) }

    init(query: (UInt32, UInt32) -> UnsafePointer<CressetBackend>?, index: Int) throws {
        guard let table = query(1, 1)?.pointee else { throw BackendError(.other, "no table") }
        self.table = table
        var services = CressetServices()
        services.struct_size = UInt32(MemoryLayout<CressetServices>.size)
        services.abi_version = 1
        // Lives as long as the process, as the ABI promises.
        let kept = UnsafeMutablePointer<CressetServices>.allocate(capacity: 1)
        kept.initialize(to: services)
        try check(table.start(table.context, kept))
        var device: OpaquePointer?
        try check(table.open_device(table.context, UInt32(index), &device))
        var count: UInt32 = 0
        try check(table.kernels(device, &count, nil))
        var kernels = [CressetKernel](repeating: CressetKernel(), count: Int(count))
        for i in kernels.indices { kernels[i].struct_size = UInt32(MemoryLayout<CressetKernel>.size) }
        try check(table.kernels(device, &count, &kernels))
        self.kernels = kernels
        var queue: OpaquePointer?
        try check(table.create_queue(device, &queue))
        guard let device, let queue else { throw BackendError(.other, "no device or no queue") }
        self.device = device
        self.queue = queue
    }

    deinit { table.destroy_queue(queue) }

    func allocate(_ bytes: Int) throws -> Memory {
        var buffer: OpaquePointer?
        try check(table.allocate(device, UInt64(bytes), &buffer))
        guard let buffer else { throw BackendError(.other, "no buffer") }
        return Memory(self, buffer, bytes)
    }

    /// A contiguous tensor of these elements.
    func tensor<T: BitwiseCopyable>(_ values: [T], _ dtype: DType, _ shape: [Int]? = nil) throws -> HostTensor {
        let memory = try allocate(values.count * dtype.size)
        precondition(MemoryLayout<T>.stride == dtype.size, "elements of another size than \(dtype)")
        try memory.copyIn(values)
        return HostTensor(memory, dtype, shape ?? [values.count])
    }

    /// A contiguous tensor whose elements are not written yet.
    func empty(_ dtype: DType, _ shape: [Int]) throws -> HostTensor {
        HostTensor(try allocate(shape.reduce(1, *) * dtype.size), dtype, shape)
    }

    func synchronize() throws { try check(table.synchronize(queue)) }

    func launch(
        _ family: Family, op: String? = nil, _ inputs: [HostTensor], _ outputs: [HostTensor],
        program: Program? = nil, epilogue: Program? = nil, params: [CressetScalar] = [],
        attributes: UnsafeRawPointer? = nil, dtype: DType? = nil, site: UInt64 = 0
    ) throws {
        let key = dtype ?? (family == .scatter ? inputs[0].dtype : outputs[0].dtype)
        let kernel = kernels.first {
            $0.family == family.rawValue && $0.dtype == UInt32(key.rawValue)
                && $0.op.map { String(cString: $0) } == (family == .override ? op : nil)
        }
        guard let kernel else { throw BackendError(.unsupported, "no \(family) for \(key)") }
        var dims: [UnsafeMutablePointer<Int64>] = []
        defer { for dim in dims { dim.deallocate() } }
        func pointer(_ values: [Int]) -> UnsafePointer<Int64> {
            let copy = UnsafeMutablePointer<Int64>.allocate(capacity: max(values.count, 1))
            for (i, value) in values.enumerated() { (copy + i).initialize(to: Int64(value)) }
            dims.append(copy)
            return UnsafePointer(copy)
        }
        func raw(_ t: HostTensor) -> CressetTensor {
            var raw = CressetTensor()
            raw.struct_size = UInt32(MemoryLayout<CressetTensor>.size)
            raw.dtype = UInt32(t.dtype.rawValue)
            raw.dl.ndim = Int32(t.shape.count)
            raw.dl.dtype = t.dtype.dlpack
            raw.dl.shape = pointer(t.shape)
            raw.dl.strides = pointer(t.strides)
            raw.dl.byte_offset = UInt64(t.offset * t.dtype.size)
            raw.buffer = t.memory.buffer
            raw.buffer_bytes = UInt64(t.memory.bytes)
            return raw
        }
        let rawInputs = inputs.map(raw)
        let rawOutputs = outputs.map(raw)
        try rawInputs.withUnsafeBufferPointer { rawInputs in
            try rawOutputs.withUnsafeBufferPointer { rawOutputs in
                try params.withUnsafeBufferPointer { params in
                    try (op ?? "test::op").withCString { op in
                        var call = CressetCall()
                        call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                        call.family = family.rawValue
                        call.input_count = UInt32(inputs.count)
                        call.output_count = UInt32(outputs.count)
                        call.inputs = rawInputs.baseAddress
                        call.outputs = rawOutputs.baseAddress
                        call.program = program?.raw
                        call.epilogue = epilogue?.raw
                        call.params = params.baseAddress
                        call.param_count = UInt32(params.count)
                        call.attributes = attributes
                        call.op = op
                        call.site = site
                        try check(kernel.launch(kernel.context, queue, &call))
                    }
                }
            }
        }
    }
}

/// Throws what a status says.
func check(_ status: UnsafeMutablePointer<CressetStatus>?) throws {
    if let error = BackendError(consuming: status) { throw error }
}

/// A buffer of a driver's device.
final class Memory {
    let driver: Driver
    let buffer: OpaquePointer
    let bytes: Int

    init(_ driver: Driver, _ buffer: OpaquePointer, _ bytes: Int) {
        self.driver = driver
        self.buffer = buffer
        self.bytes = bytes
    }

    deinit { driver.table.deallocate(driver.device, buffer) }

    func copyIn<T: BitwiseCopyable>(_ values: [T], at offset: Int = 0) throws {
        try values.withUnsafeBytes {
            try check(
                driver.table.copy_in(driver.queue, $0.baseAddress, buffer, UInt64(offset), UInt64($0.count)))
        }
    }

    func copyOut<T: BitwiseCopyable>(_: T.Type) throws -> [T] {
        let count = bytes / MemoryLayout<T>.stride
        return try [T](unsafeUninitializedCapacity: count) { target, initialized in
            try check(
                driver.table.copy_out(
                    driver.queue, buffer, 0, target.baseAddress, UInt64(count * MemoryLayout<T>.stride)))
            initialized = count
        }
    }
}

/// A strided view of a buffer.
struct HostTensor {
    var memory: Memory
    var dtype: DType
    var shape: [Int]
    var strides: [Int]
    /// In elements.
    var offset = 0

    init(_ memory: Memory, _ dtype: DType, _ shape: [Int]) {
        self.memory = memory
        self.dtype = dtype
        self.shape = shape
        strides = [Int](repeating: 1, count: shape.count)
        for d in shape.indices.dropLast().reversed() { strides[d] = strides[d + 1] * shape[d + 1] }
    }

    func view(_ shape: [Int], strides: [Int], offset: Int = 0) -> HostTensor {
        var view = self
        (view.shape, view.strides, view.offset) = (shape, strides, offset)
        return view
    }

    /// The whole buffer, in memory order.
    func read<T: BitwiseCopyable>(_: T.Type = T.self) throws -> [T] { try memory.copyOut(T.self) }
}

extension CressetScalar {
    init(_ value: Float) {
        self.init(i: 0)
        f = value
    }
    init(_ value: Double) {
        self.init(i: 0)
        d = value
    }
}

extension CressetReduceAttributes {
    init(dims: [Int], _ kinds: [Reduction]) {
        self.init()
        struct_size = UInt32(MemoryLayout<CressetReduceAttributes>.size)
        reduced_dims = dims.reduce(0) { $0 | 1 << UInt32($1) }
        accumulator_count = UInt32(kinds.count)
        withUnsafeMutableBytes(of: &self.kinds) { bytes in
            for (k, kind) in kinds.enumerated() {
                bytes.storeBytes(of: kind.rawValue, toByteOffset: 4 * k, as: UInt32.self)
            }
        }
    }
}

extension CressetIndexAttributes {
    init(_ dims: [(size: Int, stride: Int)], _ reduce: ScatterReduction = .set) {
        self.init()
        struct_size = UInt32(MemoryLayout<CressetIndexAttributes>.size)
        index_count = UInt32(dims.count)
        self.reduce = reduce.rawValue
        withUnsafeMutableBytes(of: &index_sizes) { bytes in
            for (j, dim) in dims.enumerated() {
                bytes.storeBytes(of: Int64(dim.size), toByteOffset: 8 * j, as: Int64.self)
            }
        }
        withUnsafeMutableBytes(of: &index_strides) { bytes in
            for (j, dim) in dims.enumerated() {
                bytes.storeBytes(of: Int64(dim.stride), toByteOffset: 8 * j, as: Int64.self)
            }
        }
    }
}
