import BackendKit

/// The five primitive families, over any semantics.
enum Families<S: Semantics> {
    static var kernels: [Kernel] {
        let numbers = DType.computable.subtracting([.bool])
        return [
            kernel(.pointwise, DType.computable, pointwise),
            kernel(.reduce, DType.computable, reduce),
            kernel(.matmul, numbers, matmul),
            kernel(.gather, DType.computable, gather),
            kernel(.scatter, DType.computable, scatter),
        ]
    }

    private static func kernel(
        _ family: Family, _ dtypes: Set<DType>,
        _ body: @escaping @Sendable (_ call: CheckedCall, _ queue: ReferenceQueue) -> Void
    ) -> Kernel {
        Kernel(family, dtypes: dtypes) { queue, call in
            guard let queue = queue as? ReferenceQueue else { throw BackendError(.invalid, "a foreign queue") }
            body(try CheckedCall(call), queue)
        }
    }
}

/// A tensor of a call that was checked: every element lies within the buffer.
struct Operand {
    var buffer: ReferenceBuffer
    var dtype: DType
    var layout: Layout

    func read<S: Semantics>(_: S.Type, _ range: Range<Int>) -> S.Lanes {
        S.read(dtype, from: buffer, at: layout.places(range))
    }
    func write<S: Semantics>(_: S.Type, _ lanes: S.Lanes, _ range: Range<Int>) {
        S.write(lanes, as: dtype, to: buffer, at: layout.places(range))
    }
}
