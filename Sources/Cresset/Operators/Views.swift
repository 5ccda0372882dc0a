import BackendKit

/// Views: other shapes, strides and offsets over the same storage. Nothing is computed.
extension Tensor {
    /// A view with the given geometry, recorded; `backward` maps its gradient to this tensor's.
    func view(
        _ op: String, _ shape: Shape, _ strides: Shape, offset: Int? = nil, dtype: DType? = nil,
        backward: @escaping @Sendable (Tensor) throws(CressetError) -> Tensor
    ) -> Tensor {
        if let plain = plainView(shape, strides, offset: offset ?? impl.offset, dtype: dtype) { return plain }
        let result = bareView(shape, strides, offset ?? impl.offset, dtype ?? self.dtype)
        if impl.isViewWithoutGrad { result.impl.isViewWithoutGrad = true }
        guard let edge else { return result }
        let node = ClosureNode(op, edges: [edge], saved: []) { (gradients, _) throws(CressetError) in
            [try gradients[0].map(backward)]
        }
        let state = AutogradState(requiresGrad: true, node: node)
        state.isView = true
        state.version = impl.storage.version
        result.impl.autograd = state
        return result
    }

    @inline(__always)
    private func bareView(_ shape: Shape, _ strides: Shape, _ offset: Int, _ dtype: DType) -> Tensor {
        let result = Tensor(storage: impl.storage, shape: shape, strides: strides, offset: offset, dtype: dtype)
        result.impl.base = impl.base ?? impl
        return result
    }

    /// The view where nothing is to be recorded, so that nobody makes a closure for it; nil where something is.
    @inline(__always)
    func plainView(_ shape: Shape, _ strides: Shape, offset: Int, dtype: DType? = nil) -> Tensor? {
        let isGradEnabled = isGradEnabled
        if isGradEnabled && self.dtype.hasGradient && isTracked { return nil }
        let result = bareView(shape, strides, offset, dtype ?? self.dtype)
        if !isGradEnabled || impl.isViewWithoutGrad { result.impl.isViewWithoutGrad = true }
        return result
    }

    /// A dim counted from the front; an error that names the range if there is none.
    func dim(_ d: Int, op: String, rank: Int? = nil) throws(CressetError) -> Int {
        let rank = rank ?? ndim
        let range = Swift.max(rank, 1)
        guard d >= -range && d < range else {
            throw CressetError(
                .index, op: op, "dim \(d) is out of range for \(summary): it must be in \(-range) ... \(range - 1)")
        }
        return d < 0 ? d + range : d
    }

    /// Distinct dims counted from the front, sorted; all of them for an empty or missing list.
    func dims(_ list: [Int]?, op: String) throws(CressetError) -> [Int] {
        guard let list, !list.isEmpty else { return Array(0..<ndim) }
        let seen = try distinct(list, op: op)
        return ndim == 0 ? [] : seen.sorted()
    }

    /// The dims counted from the front, in the order of the list; none may appear twice.
    func distinct(_ list: [Int], op: String) throws(CressetError) -> [Int] {
        var seen: [Int] = []
        for d in list {
            let dim = try dim(d, op: op)
            guard !seen.contains(dim) else {
                throw CressetError(.index, op: op, "dim \(d) appears twice in \(list) for \(summary)")
            }
            seen.append(dim)
        }
        return seen
    }

    /// Throws where the operation has no meaning for the tensor's dtype.
    func checkDType(_ dtypes: Set<DType>, op: @autoclosure () -> String) throws(CressetError) {
        try checkDType(dtypes.mask, op: op())
    }
    func checkDType(_ mask: UInt32, op: @autoclosure () -> String) throws(CressetError) {
        guard mask & 1 << UInt32(dtype.rawValue) != 0 || isInvalid else {
            throw CressetError(.dtype, op: op(), "is not defined for \(summary)")
        }
    }

    /// Two dims exchanged.
    public func transpose(_ dim0: Int, _ dim1: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::transpose.int"
            try checkValid(op)
            let (a, b) = (try dim(dim0, op: op), try dim(dim1, op: op))
            guard ndim > 0 else { return self }
            var (shape, strides) = (self.shape, self.strides)
            shape.swapAt(a, b)
            strides.swapAt(a, b)
            if let plain = plainView(shape, strides, offset: impl.offset) { return plain }
            return view(op, shape, strides) { g in g.transpose(a, b) }
        }
    }

    /// Rows and columns of a matrix exchanged; a vector stays.
    public func t() -> Tensor {
        trapping { () throws(CressetError) in
            guard ndim <= 2 else {
                throw CressetError(.shape, op: "aten::t", "needs at most 2 dims, got \(summary)")
            }
            return ndim < 2 ? self : transpose(0, 1)
        }
    }

    /// The last two dims exchanged; there must be two.
    public var mT: Tensor { matrixTransposed("aten::mT") }
    /// The last two dims exchanged and every element conjugated.
    public var mH: Tensor { matrixTransposed("aten::mH").conj() }
    /// The last two dims exchanged and every element conjugated, as `mH`; a tensor without dims stays.
    public var adjoint: Tensor { matrixTransposed("aten::adjoint", needed: 0).conj() }
    /// All dims in the opposite order.
    public var T: Tensor { permute(Array((0..<ndim).reversed())) }
    /// A matrix transposed and conjugated.
    public var H: Tensor { t().conj() }

    private func matrixTransposed(_ op: String, needed: Int = 2) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            guard ndim >= 2 || ndim == needed else {
                throw CressetError(.shape, op: op, "needs at least 2 dims, got \(summary)")
            }
            return ndim < 2 ? self : transpose(-2, -1)
        }
    }

    /// Dims moved to other places, the rest staying in order.
    public func movedim(_ source: [Int], _ destination: [Int]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::movedim.intlist"
            try checkValid(op)
            guard source.count == destination.count else {
                throw CressetError(
                    .argument, op: op, "\(source.count) dims \(source) cannot move to \(destination.count) places")
            }
            let (from, to) = (try distinct(source, op: op), try distinct(destination, op: op))
            var rest = (0..<ndim).filter { !from.contains($0) }
            let order = (0..<ndim).map { d in to.firstIndex(of: d).map { from[$0] } ?? rest.removeFirst() }
            return permute(order)
        }
    }

    /// One dim moved to another place.
    public func movedim(_ source: Int, _ destination: Int) -> Tensor { movedim([source], [destination]) }
    /// Dims moved to other places, as `movedim`.
    public func moveaxis(_ source: [Int], _ destination: [Int]) -> Tensor { movedim(source, destination) }
    /// Two dims exchanged, as `transpose`.
    public func swapaxes(_ axis0: Int, _ axis1: Int) -> Tensor {
        trapping(as: "aten::swapaxes") { transpose(axis0, axis1) }
    }
    /// Two dims exchanged, as `transpose`.
    public func swapdims(_ dim0: Int, _ dim1: Int) -> Tensor {
        trapping(as: "aten::swapdims") { transpose(dim0, dim1) }
    }
    /// Another handle on the same elements.
    public func alias() -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::alias")
            return view("aten::alias", shape, strides) { g in g }
        }
    }

    /// The dims in another order.
    public func permute(_ order: [Int]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::permute"
            try checkValid(op)
            guard order.count == ndim else {
                throw CressetError(.index, op: op, "needs \(ndim) dims for \(summary), got \(order)")
            }
            let front = try distinct(order, op: op)
            var inverse = Array(0..<ndim)
            for (i, d) in front.enumerated() { inverse[d] = i }
            return view(op, Shape(front.map { shape[$0] }), Shape(front.map { strides[$0] })) { [inverse] g in
                g.permute(inverse)
            }
        }
    }
}

// MARK: Declarations

extension Operator {
    /// A view; `cases` are shapes and the arguments behind the tensor.
    static func view(
        _ schema: String, dtypes: Set<DType> = .all, isDifferentiable: Bool = true, readsMemory: Bool = false,
        _ cases: [(Shape, [Value])],
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> [Tensor]
    ) -> Operator {
        let isList = schema.hasSuffix("Tensor[]")
        return Operator(
            schema, dtypes: dtypes, composition: [], isDifferentiable: isDifferentiable, readsMemory: readsMemory,
            samples: { $0.samples(cases) },
            call: { (a) throws(CressetError) in
                let parts = try body(try a.tensor(a.schema.arguments[0].name), a)
                return isList ? [.tensors(parts)] : parts.map(Value.tensor)
            })
    }

    /// The operation of PyTorch's that gives a copy of what this view shows: unfold_copy of unfold.
    var copied: Operator {
        let end = schema.text.firstIndex { $0 == "." || $0 == "(" } ?? schema.text.endIndex
        let (samples, errors, call) = (samples, errors, call)
        return .composed(
            schema.text[..<end] + "_copy" + schema.text[end...], dtypes, of: ["aten::clone"],
            isDifferentiable: isDifferentiable, readsMemory: readsMemory, samples: samples, errors: errors,
            call: { (a) throws(CressetError) in
                try call(a).map { value in
                    switch value {
                    case .tensor(let x): .tensor(x.clone())
                    case .tensors(let list): .tensors(list.map { $0.clone() })
                    default: value
                    }
                }
            })
    }
}

extension Operators {
    static let transpositions: [Operator] = {
        let alias = Operator.view("alias(Tensor self) -> Tensor", [([4, 3], []), ([], []), ([0, 2], [])]) { x, _ in
            [x.alias()]
        }
        let detach = Operator.view(
            "detach(Tensor self) -> Tensor", isDifferentiable: false, [([4, 3], []), ([], []), ([0, 2], [])]
        ) { x, _ in [x.detach()] }
        let transpose = Operator.view(
            "transpose.int(Tensor self, int dim0, int dim1) -> Tensor",
            [([4, 3, 5], [0, 1]), ([4, 3, 5], [-1, 0]), ([0, 3], [0, 1]), ([], [0, 0])]
        ) { (x, a) throws(CressetError) in [x.transpose(try a.int("dim0"), try a.int("dim1"))] }
        let permute = Operator.view(
            "permute(Tensor self, int[] dims) -> Tensor",
            [([4, 3, 5], [[2, 0, 1]]), ([0, 3], [[1, 0]]), ([], [[]])]
        ) { (x, a) throws(CressetError) in [x.permute(try a.ints("dims"))] }
        let matrix: [(Shape, [Value])] = [([4, 3], []), ([2, 3, 4], []), ([0, 3], [])]
        let t = Operator.view("t(Tensor self) -> Tensor", [([4, 3], []), ([5], []), ([], []), ([0, 3], [])]) { x, _ in
            [x.t()]
        }.refusing([([2, 3, 4], [], ["at most 2 dims", "[2, 3, 4]"])])
        let vector: [(Shape, [Value], [String])] = [([3], [], ["at least 2 dims", "[3]"])]
        func swapping(_ name: String, _ first: String, _ second: String) -> Operator {
            .view(
                "\(name)(Tensor self, int \(first), int \(second)) -> Tensor",
                [([4, 3, 5], [0, -1]), ([], [0, 0]), ([0, 3], [0, 1])]
            ) { (x, a) throws(CressetError) in [x.transpose(try a.int(first), try a.int(second))] }
        }
        func moving(_ name: String) -> [Operator] {
            [
                .view(
                    "\(name).intlist(Tensor self, int[] source, int[] destination) -> Tensor",
                    [([4, 3, 5], [[0, 1], [-1, 0]]), ([0, 3], [[1], [0]]), ([], [[], []])]
                ) { (x, a) throws(CressetError) in [x.movedim(try a.ints("source"), try a.ints("destination"))] }
                .refusing([
                    ([4, 3], [[0], [0, 1]], ["1 dims [0]", "2 places"]),
                    ([4, 3], [[0, 0], [0, 1]], ["dim 0", "twice"]),
                    ([4, 3], [[0, 1], [1, -1]], ["dim -1", "twice"]), ([4, 3], [[5], [0]], ["dim 5 is out of range"]),
                ]),
                .view(
                    "\(name).int(Tensor self, int source, int destination) -> Tensor",
                    [([4, 3, 5], [0, -1]), ([], [0, 0]), ([0, 3], [0, 1])]
                ) { (x, a) throws(CressetError) in [x.movedim(try a.int("source"), try a.int("destination"))] }
                .refusing([
                    ([4, 3], [2, 0], ["dim 2 is out of range"]), ([4, 3], [0, -3], ["dim -3 is out of range"]),
                ]),
            ]
        }
        return [
            alias, alias.copied, detach, detach.copied, transpose, transpose.copied, permute, permute.copied, t,
            t.copied, swapping("swapaxes", "axis0", "axis1"), swapping("swapdims", "dim0", "dim1"),
            .view("mT(Tensor self) -> Tensor", matrix) { x, _ in [x.mT] }.refusing(vector),
            .view("mH(Tensor self) -> Tensor", matrix) { x, _ in [x.mH] }.refusing(vector),
            .view("adjoint(Tensor self) -> Tensor", matrix + [([], [])]) { x, _ in [x.adjoint] }.refusing(vector),
            .view("matrix_H(Tensor self) -> Tensor", [([4, 3], []), ([], []), ([0, 3], [])]) { x, _ in [x.H] }
                .refusing([([2, 3, 4], [], ["at most 2 dims", "[2, 3, 4]"])]),
            .view("numpy_T(Tensor self) -> Tensor", matrix + [([], [])]) { x, _ in [x.T] },
        ] + moving("movedim") + moving("moveaxis")
    }()
}
