import BackendKit

/// Sums of products in Einstein's notation: "bij,bjk->bik".
enum Einsum {
    private static let op = "aten::einsum"

    /// A dim of an operand: a letter, or a dim that "..." stands for, counted from the last.
    private enum Label: Hashable {
        case letter(Character)
        case ellipsis(Int)
    }

    private static func error(_ equation: String, _ why: String, _ tensors: [Tensor]) -> CressetError {
        CressetError(
            .argument, op: op, "\"\(equation)\": \(why); operands: \(tensors.map(\.summary).joined(separator: ", "))")
    }

    static func run(_ equation: String, _ tensors: [Tensor], path: [Int]? = nil) throws(CressetError) -> Tensor {
        for t in tensors { try t.checkValid(op) }
        guard !tensors.isEmpty else { throw error(equation, "there are no operands", tensors) }
        let (inputs, output) = try parse(equation, tensors)
        var sizes: [Label: Int] = [:]
        for (labels, t) in zip(inputs, tensors) {
            for (d, label) in labels.enumerated() {
                let size = t.shape[d]
                if let known = sizes[label], known != size, known != 1, size != 1 {
                    throw error(equation, "a subscript stands for sizes \(known) and \(size)", tensors)
                }
                sizes[label] = max(sizes[label] ?? 1, size == 0 ? 0 : size)
                if size == 0 { sizes[label] = 0 }
            }
        }
        var operands = try zip(inputs, tensors).map { (labels, t) throws(CressetError) in
            try Operand(labels, t, equation, tensors)
        }
        for (i, j) in try pairs(path, operands.count, equation, tensors) {
            // (The later one is taken out first, so that the other's place stays.)
            let (first, second) = (min(i, j), max(i, j))
            let right = operands.remove(at: second)
            let left = operands.remove(at: first)
            let needed = Set(output).union(operands.flatMap(\.labels))
            operands.append(try contract(i < j ? left : right, i < j ? right : left, keeping: needed, sizes))
        }
        let last = operands[0].summed(keeping: Set(output))
        let order = output.compactMap { last.labels.firstIndex(of: $0) }
        return last.tensor.permute(order).expand(Shape(output.map { sizes[$0] ?? 1 }))
    }

    // MARK: Reading

    private static func parse(_ equation: String, _ tensors: [Tensor]) throws(CressetError) -> ([[Label]], [Label]) {
        let text = equation.filter { $0 != " " }
        let arrow = text.range(of: "->")
        let left = arrow.map { text[..<$0.lowerBound] } ?? text[...]
        let terms = left.split(separator: ",", omittingEmptySubsequences: false)
        guard terms.count == tensors.count else {
            throw error(equation, "it has \(terms.count) terms for \(tensors.count) operands", tensors)
        }
        var covered = 0
        var inputs: [[Label]] = []
        for (term, t) in zip(terms, tensors) {
            let labels = try labels(term, rank: t.ndim, equation, tensors)
            covered = max(covered, labels.count { if case .ellipsis = $0 { true } else { false } })
            inputs.append(labels)
        }
        let dots = (0..<covered).reversed().map { Label.ellipsis($0) }
        guard let arrow else {
            // Without "->": what "..." stands for, then the letters that occur once, in alphabetical order.
            let letters = inputs.flatMap { $0 }.compactMap { if case .letter(let c) = $0 { c } else { nil } }
            let once = Set(letters).filter { c in letters.count { $0 == c } == 1 }.sorted()
            return (inputs, dots + once.map { .letter($0) })
        }
        let right = text[arrow.upperBound...]
        var output: [Label] = []
        for c in right.replacingEllipsis {
            if c == "…" {
                output += dots
            } else {
                guard c.isASCII, c.isLetter else { throw error(equation, "'\(c)' is no subscript", tensors) }
                output.append(.letter(c))
            }
        }
        let known = Set(inputs.flatMap { $0 })
        for label in output {
            guard known.contains(label) else {
                throw error(equation, "the result has a subscript that no operand has", tensors)
            }
            guard output.count(where: { $0 == label }) == 1 else {
                throw error(equation, "a subscript of the result occurs twice", tensors)
            }
        }
        return (inputs, output)
    }

    private static func labels(
        _ term: Substring, rank: Int, _ equation: String, _ tensors: [Tensor]
    ) throws(CressetError) -> [Label] {
        let symbols = Array(term.replacingEllipsis)
        let dots = symbols.count { $0 == "…" }
        let letters = symbols.count - dots
        guard dots <= 1, dots == 1 ? letters <= rank : letters == rank else {
            throw error(equation, "\"\(term)\" has \(letters) subscripts for \(rank) dims", tensors)
        }
        var labels: [Label] = []
        for c in symbols {
            if c == "…" {
                labels += (0..<(rank - letters)).reversed().map { .ellipsis($0) }
            } else {
                guard c.isASCII, c.isLetter else { throw error(equation, "'\(c)' is no subscript", tensors) }
                labels.append(.letter(c))
            }
        }
        return labels
    }

    /// The pairs in which operands are taken; the result of each goes to the end.
    private static func pairs(
        _ path: [Int]?, _ count: Int, _ equation: String, _ tensors: [Tensor]
    ) throws(CressetError) -> [(Int, Int)] {
        guard let path else {
            // From left to right.
            return (0..<(count - 1)).map { k in k == 0 ? (0, 1) : (count - k - 1, 0) }
        }
        guard path.count == 2 * (count - 1) else {
            throw error(equation, "a path of \(path.count) places does not join \(count) operands", tensors)
        }
        var result: [(Int, Int)] = []
        for k in 0..<(count - 1) {
            let (i, j) = (path[2 * k], path[2 * k + 1])
            guard i != j, (0..<(count - k)).contains(i), (0..<(count - k)).contains(j) else {
                throw error(equation, "the path's pair \((i, j)) is not among \(count - k) operands", tensors)
            }
            result.append((i, j))
        }
        return result
    }

    // MARK: Contracting

    private struct Operand {
        var labels: [Label]
        var tensor: Tensor

        init(labels: [Label], tensor: Tensor) { (self.labels, self.tensor) = (labels, tensor) }

        /// Of dims with one subscript only the diagonal is left.
        init(_ labels: [Label], _ tensor: Tensor, _ equation: String, _ all: [Tensor]) throws(CressetError) {
            self.init(labels: labels, tensor: tensor)
            while let i = self.labels.indices.first(where: { self.labels[$0...].dropFirst().contains(self.labels[$0]) }
            ),
                let j = self.labels[(i + 1)...].firstIndex(of: self.labels[i])
            {
                guard self.tensor.shape[i] == self.tensor.shape[j] else {
                    throw error(equation, "a subscript that occurs twice in a term stands for two sizes", all)
                }
                let label = self.labels[i]
                self.tensor = try LinearAlgebra.diagonal(self.tensor, 0, i, j)
                self.labels.remove(at: j)
                self.labels.remove(at: i)
                self.labels.append(label)
            }
        }

        /// Sums over subscripts that nothing needs any more.
        func summed(keeping needed: Set<Label>) -> Operand {
            let dims = labels.indices.filter { !needed.contains(labels[$0]) }
            guard !dims.isEmpty else { return self }
            return Operand(
                labels: labels.filter(needed.contains), tensor: tensor.sum(dim: dims, dtype: tensor.dtype))
        }

        /// A view whose dims have these subscripts, of size 1 where there are none.
        func ordered(_ order: [Label]) -> Tensor {
            let present = order.filter(labels.contains)
            var result = tensor.permute(present.compactMap { labels.firstIndex(of: $0) })
            for (d, label) in order.enumerated() where !labels.contains(label) { result = result.unsqueeze(d) }
            return result
        }
    }

    /// The product of two operands: batched where both have a subscript that is needed on, summed where it is not.
    private static func contract(
        _ x: Operand, _ y: Operand, keeping needed: Set<Label>, _ sizes: [Label: Int]
    ) throws(CressetError) -> Operand {
        // What one of them alone has is summed before.
        let x = x.summed(keeping: needed.union(y.labels))
        let y = y.summed(keeping: needed.union(x.labels))
        let shared = x.labels.filter(y.labels.contains)
        let batch = shared.filter(needed.contains)
        let inner = shared.filter { !needed.contains($0) }
        let left = x.labels.filter { !shared.contains($0) }
        let right = y.labels.filter { !shared.contains($0) }
        func size(_ labels: [Label]) -> Int { labels.reduce(1) { $0 * (sizes[$1] ?? 1) } }
        /// As a batch of matrices, sizes of 1 repeated where the other operand has more.
        func matrices(_ operand: Operand, _ first: [Label], _ second: [Label]) -> Tensor {
            let order = batch + first + second
            return operand.ordered(order).expand(Shape(order.map { sizes[$0] ?? 1 }))
                .reshape([size(batch), size(first), size(second)])
        }
        let product = try Matrix.product(matrices(x, left, inner), matrices(y, inner, right))
        let labels = batch + left + right
        return Operand(labels: labels, tensor: product.reshape(Shape(labels.map { sizes[$0] ?? 1 })))
    }
}

extension StringProtocol {
    /// "..." as one character.
    fileprivate var replacingEllipsis: String {
        var result = ""
        var rest = self[...]
        while let c = rest.first {
            if rest.hasPrefix("...") {
                result.append("…")
                rest = rest.dropFirst(3)
            } else {
                result.append(c)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}

/// Sums of products in Einstein's notation: `einsum("bij,bjk->bik", a, b)`.
public func einsum(_ equation: String, _ operands: Tensor...) -> Tensor {
    trapping { () throws(CressetError) in try Einsum.run(equation, operands) }
}

// MARK: Declarations

extension Operators {
    static let einsums: [Operator] = [
        Operator(
            "einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor", dtypes: products,
            composition: ["matmul", "reduce"], notOverridable: "it is made of aten::matmul, which can be",
            samples: { g in
                let cases: [(String, [Shape])] = [
                    ("ij,jk->ik", [[3, 4], [4, 2]]), ("bij,bjk->bik", [[2, 3, 4], [2, 4, 2]]), ("ii->i", [[3, 3]]),
                    ("ij->ji", [[3, 4]]), ("i,j", [[3], [4]]), ("...ij,jk->...ik", [[2, 3, 4], [4, 2]]),
                    ("ij,ij->", [[3, 4], [3, 4]]), ("ij,jk,kl->il", [[2, 3], [3, 4], [4, 2]]),
                    ("bn,anm,bm->ba", [[2, 3], [4, 3, 2], [2, 2]]),
                    ("i,i->i", [[3], [3]]), ("ij,jk->ik", [[0, 3], [3, 2]]),
                ]
                return cases.map { equation, shapes in
                    Sample([.string(equation), .tensors(shapes.map { g.tensor($0, -1, 1) }), .none])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Einsum.run(
                            try a.string("equation"), try a.tensors("tensors"), path: try a.optionalInts("path")))
                ]
            })
    ]
}
