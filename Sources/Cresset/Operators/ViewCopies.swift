/// What views show, in memory of its own; each is declared as its view's `copied`.
extension Tensor {
    /// The same elements in memory of their own, as `alias` and `clone` give them.
    public func aliasCopy() -> Tensor {
        trapping(as: "aten::alias_copy") { alias().clone() }
    }
    /// The elements that `asStrided` shows, copied.
    public func asStridedCopy(_ size: Shape, _ stride: Shape, storageOffset: Int? = nil) -> Tensor {
        trapping(as: "aten::as_strided_copy") { asStrided(size, stride, storageOffset: storageOffset).clone() }
    }
    /// The elements without history, copied.
    public func detachCopy() -> Tensor {
        trapping(as: "aten::detach_copy") { detach().clone() }
    }
    /// The elements on a diagonal of two dims, copied.
    public func diagonalCopy(offset: Int = 0, dim1: Int = 0, dim2: Int = 1) -> Tensor {
        trapping(as: "aten::diagonal_copy") { diagonal(offset: offset, dim1: dim1, dim2: dim2).clone() }
    }
    /// Repeated along dims of size 1, as `expand` shows it, copied.
    public func expandCopy(_ sizes: Shape) -> Tensor {
        trapping(as: "aten::expand_copy") { expand(sizes).clone() }
    }
    /// The dims in another order, copied.
    public func permuteCopy(_ order: [Int]) -> Tensor {
        trapping(as: "aten::permute_copy") { permute(order).clone() }
    }
    /// The elements at one index of a dim, copied.
    public func selectCopy(_ dim: Int, _ index: Int) -> Tensor {
        trapping(as: "aten::select_copy") { select(dim, index).clone() }
    }
    /// A range of a dim, in steps, copied.
    public func sliceCopy(_ dim: Int = 0, from start: Int = 0, to end: Int = .max, step: Int = 1) -> Tensor {
        trapping(as: "aten::slice_copy") { slice(dim, from: start, to: end, step: step).clone() }
    }
    /// Pieces of `size` along a dim, each a copy.
    public func splitCopy(_ size: Int, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            try naming("aten::split_copy") { split(size, dim: dim).map { $0.clone() } }
        }
    }
    /// Pieces of the given sizes along a dim, each a copy.
    public func splitCopy(_ sizes: [Int], dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            try naming("aten::split_copy") { split(sizes, dim: dim).map { $0.clone() } }
        }
    }
    /// Without a dim of size 1, or without all of them, copied.
    public func squeezeCopy(_ dim: Int? = nil) -> Tensor {
        trapping(as: "aten::squeeze_copy") { squeeze(dim).clone() }
    }
    /// Without those of the dims that have size 1, copied.
    public func squeezeCopy(_ dims: [Int]) -> Tensor {
        trapping(as: "aten::squeeze_copy") { squeeze(dims).clone() }
    }
    /// A matrix transposed, copied.
    public func tCopy() -> Tensor {
        trapping(as: "aten::t_copy") { t().clone() }
    }
    /// Two dims exchanged, copied.
    public func transposeCopy(_ dim0: Int, _ dim1: Int) -> Tensor {
        trapping(as: "aten::transpose_copy") { transpose(dim0, dim1).clone() }
    }
    /// The slices along a dim, each a copy.
    public func unbindCopy(dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            try naming("aten::unbind_copy") { unbind(dim: dim).map { $0.clone() } }
        }
    }
    /// The windows along a dim, as `unfold` shows them, copied.
    public func unfoldCopy(_ dimension: Int, _ size: Int, _ step: Int) -> Tensor {
        trapping(as: "aten::unfold_copy") { unfold(dimension, size, step).clone() }
    }
    /// A new dim of size 1, copied.
    public func unsqueezeCopy(_ dim: Int) -> Tensor {
        trapping(as: "aten::unsqueeze_copy") { unsqueeze(dim).clone() }
    }
    /// The elements in another shape, copied; it must be one that `view` can show.
    public func viewCopy(_ shape: Shape) -> Tensor {
        trapping(as: "aten::view_copy") { view(shape).clone() }
    }
}
