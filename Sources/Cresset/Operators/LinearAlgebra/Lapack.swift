import BackendKit
import CLapack

/// The factor family's default: LAPACK on the host, for tensors of every device.
///
/// The operands are copied to the host, factored there, and the results copied to the operands' device.
/// It is declared so: the operations are made of "factor", and `cresset ops` calls them "host".
enum Lapack {
    /// What keeps LAPACK from being used; nil if it was found. Found once, when the first factorisation asks.
    private static let problem: String? = problem(with: Environment["CRESSET_LAPACK"])

    private static func problem(with choice: String?) -> String? {
        let text = choice.map { $0.withCString(clapack_load) } ?? clapack_load(nil)
        return text.map { String(cString: $0) }
    }

    /// The library in use, or why there is none.
    package static var description: String { problem ?? String(cString: clapack_name()) }

    /// LAPACK's name of a dtype's arithmetic; an error where the library or the dtype is missing.
    static func type(of dtype: DType, op: String) throws(CressetError) -> clapack_type {
        if let problem { throw CressetError(.unsupported, op: op, problem) }
        switch dtype {
        case .float32: return CLAPACK_F32
        case .float64: return CLAPACK_F64
        case .complex64: return CLAPACK_C64
        case .complex128: return CLAPACK_C128
        default: throw CressetError(.dtype, op: op, "LAPACK does not compute in \(dtype)")
        }
    }

    /// A size as LAPACK takes it.
    static func int(_ size: Int, op: String) throws(CressetError) -> Int32 {
        guard let size = Int32(exactly: size) else {
            throw CressetError(.unsupported, op: op, "a matrix with a side of \(size) is too large for LAPACK")
        }
        return size
    }

    /// LAPACK's answer, where no positive number is an answer: a failed allocation or a broken rule of ours.
    static func check(_ info: Int32, op: String) throws(CressetError) {
        guard info < 0 else { return }
        throw info == CLAPACK_NO_MEMORY
            ? CressetError(.memory, op: op, "there is no memory for LAPACK's workspace")
            : CressetError(.internal, op: op, "LAPACK refused its argument \(-info)")
    }
}

/// A batch of matrices, or of vectors, on the host: each lies column by column, as LAPACK has them.
final class HostMatrices {
    let dtype: DType
    let batch: Shape
    let rows: Int
    let columns: Int
    private let isVectors: Bool
    /// False for a copy of a tensor on the meta device: nothing is computed of it.
    private var hasData = true
    /// All matrices, one after another; owned, and freed with this object. Every use is by a method of it or
    /// within `withExtendedLifetime`, which `each` sees to.
    private let memory: UnsafeMutableRawBufferPointer

    /// Zeros.
    init(_ dtype: DType, _ batch: Shape, rows: Int, columns: Int) {
        (self.dtype, self.batch, self.rows, self.columns, isVectors) = (dtype, batch, rows, columns, false)
        memory = Self.allocate(batch.elementCount * rows * columns * dtype.size)
    }

    /// Vectors of zeros.
    init(_ dtype: DType, _ batch: Shape, count: Int) {
        (self.dtype, self.batch, rows, columns, isVectors) = (dtype, batch, count, 1, true)
        memory = Self.allocate(batch.elementCount * count * dtype.size)
    }

    /// A copy of a tensor's last two dims as matrices, or with `vectors` of its last dim.
    init(_ x: Tensor, vectors: Bool = false, op: String) throws(CressetError) {
        dtype = x.dtype
        isVectors = vectors
        batch = Shape(x.shape.dropLast(vectors ? 1 : 2))
        rows = x.size(vectors ? -1 : -2)
        columns = vectors ? 1 : x.size(-1)
        memory = Self.allocate(x.numel * x.dtype.size)
        let source = try noGrad { () throws(CressetError) in
            try (vectors ? x.detach() : x.detach().mT).contiguousCopyIfNeeded()
        }
        if x.isMeta {
            hasData = false
            return
        }
        try source.runtime.copyOut(
            source.impl.storage, at: source.impl.offset * dtype.size, to: memory, op: op)
    }

    /// Aligned for every element and for vector instructions; zeros.
    private static func allocate(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        return memory
    }

    deinit { memory.deallocate() }

    var count: Int { batch.elementCount }

    /// The first element of matrix `i`: `rows` · `columns` elements of `dtype` are valid while this object lives.
    subscript(i: Int) -> UnsafeMutableRawPointer {
        // (An empty allocation has an address too.)
        memory.baseAddress.unsafelyUnwrapped + i * rows * columns * dtype.size
    }

    /// The elements of a batch of integers.
    subscript(integers i: Int) -> UnsafeMutablePointer<Int32> {
        self[i].assumingMemoryBound(to: Int32.self)
    }

    /// Calls `body` for each matrix of the batch; the others live as long.
    func each(
        with others: [HostMatrices] = [], _ body: (Int) throws(CressetError) -> Void
    ) throws(CressetError) {
        if hasData && others.allSatisfy(\.hasData) {
            for i in 0..<count { try body(i) }
        }
        withExtendedLifetime((self, others)) {}
    }

    /// True if no element of matrix `i` is infinite or NaN.
    func isFinite(_ type: clapack_type, _ i: Int) -> Bool { clapack_all_finite(type, rows * columns, self[i]) }

    /// Makes every element of matrix `i`, of floats, NaN.
    func fillWithNaN(_ i: Int) {
        // (All bits set are a NaN in every format.)
        self[i].initializeMemory(as: UInt8.self, repeating: 0xFF, count: rows * columns * dtype.size)
    }

    /// Copies columns of matrix `i` from another matrix of as many rows.
    func copy(_ count: Int, columnsOf source: HostMatrices, _ i: Int) {
        self[i].copyMemory(from: source[i], byteCount: rows * count * dtype.size)
    }

    /// The matrices as a tensor of a device, whose strides are those of columns.
    ///
    /// To the oracle what comes from the host is uncertain, as it is a factorisation among several that are right.
    func tensor(on runtime: DeviceRuntime, op: String) throws(CressetError) -> Tensor {
        let rank = batch.count
        var shape = batch.inserting(isVectors ? rows : columns, at: rank)
        if !isVectors { shape.append(rows) }
        var made = try Tensor.empty(shape, dtype, on: runtime, op: op)
        try runtime.copyIn(
            UnsafeRawBufferPointer(memory), to: made.impl.storage, at: made.impl.offset * dtype.size, op: op)
        if runtime.kernels.chain(.override(Self.forgetting), dtype) != nil {
            made = try Override.call(Self.forgetting.text, made, output: dtype)
        } else if dtype.isComplex, runtime.kernels.chain(.override(Self.forgetting), dtype.toReal) != nil {
            let parts = try Override.call(Self.forgetting.text, Operand(made).pairs.tensor, output: dtype.toReal)
            made = try ComplexNumbers.asComplex(parts).detach()
        }
        guard !isVectors else { return made }
        var strides = made.strides
        shape.swapAt(rank, rank + 1)
        strides.swapAt(rank, rank + 1)
        return Tensor(
            storage: made.impl.storage, shape: shape, strides: strides, offset: made.impl.offset, dtype: dtype)
    }

    /// Registered by the oracle alone.
    private static let forgetting = OperatorName("cresset::uncertain")
}
