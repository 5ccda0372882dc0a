/// What may stand in a tensor's subscript: integers, ranges, `.newAxis`, `.ellipsis`.
public protocol TensorIndex {
    var tensorIndex: IndexItem { get }
}

/// One item of a subscript.
public enum IndexItem: Sendable, TensorIndex {
    case at(Int)
    case range(from: Int, to: Int, step: Int)
    case newAxis
    case ellipsis

    public var tensorIndex: IndexItem { self }

    /// Every step-th element.
    public static func stride(from: Int = 0, to: Int = .max, by step: Int) -> IndexItem {
        .range(from: from, to: to, step: step)
    }
}

extension Int: TensorIndex {
    public var tensorIndex: IndexItem { .at(self) }
}
extension Range: TensorIndex where Bound == Int {
    public var tensorIndex: IndexItem { .range(from: lowerBound, to: upperBound, step: 1) }
}
extension ClosedRange: TensorIndex where Bound == Int {
    public var tensorIndex: IndexItem {
        .range(from: lowerBound, to: upperBound == -1 ? .max : upperBound + 1, step: 1)
    }
}
extension PartialRangeFrom: TensorIndex where Bound == Int {
    public var tensorIndex: IndexItem { .range(from: lowerBound, to: .max, step: 1) }
}
extension PartialRangeUpTo: TensorIndex where Bound == Int {
    public var tensorIndex: IndexItem { .range(from: 0, to: upperBound, step: 1) }
}
extension PartialRangeThrough: TensorIndex where Bound == Int {
    public var tensorIndex: IndexItem { .range(from: 0, to: upperBound == -1 ? .max : upperBound + 1, step: 1) }
}

extension Tensor {
    /// A view by integers (which drop a dim), ranges (with negative ends counted from the back),
    /// `.newAxis` and `.ellipsis`: `x[0]`, `x[1..., 0..<3]`, `x[IndexItem.ellipsis, -1]`.
    ///
    /// Assigning writes into this tensor's elements, as `copy_` on the view does, for every holder.
    public subscript<each Index: TensorIndex>(_ index: repeat each Index) -> Tensor {
        get {
            var items: [IndexItem] = []
            for item in repeat each index { items.append(item.tensorIndex) }
            return indexed(items)
        }
        nonmutating set {
            var items: [IndexItem] = []
            for item in repeat each index { items.append(item.tensorIndex) }
            assign(newValue, at: items)
        }
        // (Written out because the compiler cannot make it for a parameter pack.)
        nonmutating _modify {
            var items: [IndexItem] = []
            for item in repeat each index { items.append(item.tensorIndex) }
            var part = indexed(items)
            yield &part
            assign(part, at: items)
        }
    }

    /// `x[2..<5]`, without a list of items.
    public subscript(_ range: Range<Int>) -> Tensor {
        get { ndim > 0 ? slice(0, from: range.lowerBound, to: range.upperBound) : indexed([range.tensorIndex]) }
        nonmutating set { assign(newValue, at: [range.tensorIndex]) }
    }
    /// `x[2]`, without a list of items.
    public subscript(_ index: Int) -> Tensor {
        get { ndim > 0 ? select(0, index) : indexed([.at(index)]) }
        nonmutating set { assign(newValue, at: [.at(index)]) }
    }

    /// `x[..., -1]`: all leading dims, then the last items.
    public subscript(_: UnboundedRange, _ last: IndexItem...) -> Tensor {
        get { indexed([.ellipsis] + last) }
        nonmutating set { assign(newValue, at: [.ellipsis] + last) }
    }
    public subscript(_: UnboundedRange, _ last: Int) -> Tensor {
        get { indexed([.ellipsis, .at(last)]) }
        nonmutating set { assign(newValue, at: [.ellipsis, .at(last)]) }
    }

    /// Writes `value`, broadcast and converted, to the elements that the items name.
    private func assign(_ value: Tensor, at items: [IndexItem]) {
        _ = trapping { () throws(CressetError) in
            let target = items.isEmpty ? self : indexed(items)
            // Leading dims of size 1 that the target lacks are dropped, as in PyTorch.
            var source = value
            while source.ndim > target.ndim && source.shape[0] == 1 {
                source = source.squeezed([0], op: "aten::copy_")
            }
            return target.copy_(source)
        }
    }

    func indexed(_ items: [IndexItem]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::index"
            try checkValid(op)
            var consumed = 0
            for item in items {
                switch item {
                case .at, .range: consumed += 1
                case .newAxis, .ellipsis: break
                }
            }
            guard consumed <= ndim else {
                throw CressetError(.index, op: op, "\(consumed) indices are too many for \(summary) of rank \(ndim)")
            }
            var result = self
            var d = 0
            for item in items {
                switch item {
                case .at(let i): result = result.select(d, i)
                case .range(let from, let to, let step):
                    result = result.slice(d, from: from, to: to, step: step)
                    d += 1
                case .newAxis:
                    result = result.unsqueeze(d)
                    d += 1
                case .ellipsis: d += ndim - consumed
                }
            }
            return result
        }
    }
}
