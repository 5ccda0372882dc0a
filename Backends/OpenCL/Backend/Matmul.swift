import BackendKit
import CBackend
import COpenCL
import Synchronization

/// MATMUL: large ones are packed and multiplied in tiles held in registers; small and thin ones are
/// reductions of products.
enum Matmul {
    static func launch(_ call: Call, on queue: OpenCLQueue) throws {
        let problem = try Problem(call)
        if problem.m == 0 || problem.n == 0 { return }
        if problem.isPacked {
            try PackedMatmul.launch(problem, on: queue)
        } else {
            let (key, form) = reduction(problem, queue.layout, queue.device)
            try Reduce.launch(call, form, key, on: queue)
        }
    }

    static func requests(_ call: Call, _ device: OpenCLDevice, _ layout: Layout) throws -> [KernelRequest] {
        let problem = try Problem(call)
        if problem.isPacked { return PackedMatmul.requests(problem, device, layout) }
        let (key, form) = reduction(problem, layout, device)
        return Reduce.requests(form(), key, layout, device)
    }

    /// One call's sizes.
    struct Problem {
        let call: Call
        let rank: Int
        let m: Int
        let n: Int
        let k: Int
        var a: TensorView { call.input(0) }
        var b: TensorView { call.input(1) }
        var c: TensorView { call.output(0) }
        var dtype: DType { c.dtype }
        /// Inputs of the epilogue.
        var extras: Int { call.inputCount - 2 }

        init(_ call: Call) throws {
            guard call.inputCount >= 2, call.outputCount == 1 else {
                throw BackendError(.invalid, "a matmul with \(call.inputCount) inputs, \(call.outputCount) outputs")
            }
            let (a, b, c) = (call.input(0), call.input(1), call.output(0))
            guard c.rank >= 2, a.rank == c.rank, b.rank == c.rank else {
                throw BackendError(.invalid, "a matmul of ranks \(a.rank), \(b.rank) and \(c.rank)")
            }
            self.call = call
            rank = c.rank
            m = c.size(rank - 2)
            n = c.size(rank - 1)
            k = a.size(rank - 1)
        }

        /// Packing pays where every element is used several times.
        var isPacked: Bool { m >= 8 && n >= 8 && k >= 8 && m * n * k >= 1 << 15 && k <= 1 << 22 }
    }

    // MARK: As a reduction

    /// Per dtype, x * y and the store of the sum; ids of this library's own programs are not the host's.
    private struct Products: Sendable {
        let product: [Program]
        let store: [Program]
        init() {
            let dtypes = DType.allCases.filter { !$0.isComplex }
            product = dtypes.map { dtype in
                var b = ProgramBuilder()
                let x = b.load(0, dtype)
                let y = b.load(1, dtype)
                b.store(b.binary(.mul, x, y), to: 0, as: dtype.arithmetic.dtype)
                return b.finish()
            }
            store = dtypes.map { dtype in
                var b = ProgramBuilder()
                b.store(b.load(0, dtype.arithmetic.dtype), to: 0, as: dtype)
                return b.finish()
            }
        }
    }
    private static let products = Products()

    /// The program that only stores the accumulated value.
    static func plainStore(_ dtype: DType) -> Program { products.store[Int(dtype.rawValue)] }

    private static func reduction(
        _ problem: Problem, _ layout: Layout, _ device: OpenCLDevice
    ) -> (KernelKey, () -> ReduceText.Form) {
        let (call, rank) = (problem.call, problem.rank)
        let (a, b, c) = (problem.a, problem.b, problem.c)
        // The dims of the result, then the one summed over.
        layout.begin(rank: rank + 1, second: 1 << UInt32(rank)) { $0 < rank ? c.size($0) : problem.k }
        layout.add(offset: a.byteOffset / a.dtype.size) { d in
            d == rank ? a.stride(rank - 1) : d == rank - 1 ? 0 : a.stride(d)
        }
        layout.add(offset: b.byteOffset / b.dtype.size) { d in
            d == rank ? b.stride(rank - 2) : d == rank - 2 ? 0 : b.stride(d)
        }
        for i in 2..<call.inputCount {
            let extra = call.input(i)
            layout.add(offset: extra.byteOffset / extra.dtype.size) { $0 < rank ? extra.stride($0) : 0 }
        }
        let output = layout.add(offset: c.byteOffset / c.dtype.size) { $0 < rank ? c.stride($0) : 0 }
        let hasIndex = call.program?.usesIndex == true
        if hasIndex { layout.addIndex(rank: rank) }
        layout.sort(0, by: output)
        layout.coalesce()

        let shape = Reduce.shape(kinds: 1, inputs: 2, layout)
        let dtype = problem.dtype
        let key = Reduce.key(
            call, .matmul, -2 - Int(dtype.rawValue), call.program?.id ?? -1, shape, layout, device)
        return (
            key,
            {
                ReduceText.Form(
                    prologue: products.product[Int(dtype.rawValue)], epilogue: call.program ?? plainStore(dtype),
                    kinds: [.sum], inputs: (0..<call.inputCount).map { call.input($0).dtype }, outputs: [dtype],
                    params: call.paramCount, prologueInputs: 2, epilogueInput: { $0 == 0 ? nil : $0 + 1 },
                    hasIndex: hasIndex, key: key, device)
            }
        )
    }
}
