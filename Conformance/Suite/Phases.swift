import Cresset

/// Vectors of a factorisation that may differ from a file's by a sign or phase each, which is found and undone.
struct Phases {
    private struct Turned {
        var right: HostTensor
        /// What the file's slices are multiplied with to be the device's, 1 broadcast over the other dims; nil where
        /// only residuals say what is right.
        var factors: Tensor?
        var dim = -1
        var count = 0
    }
    /// By the place of the result.
    private var turned: [Int: Turned] = [:]

    /// - Parameter keys: the names of the file's results.
    init(
        _ judgement: FactorJudgement, _ results: [Tensor], _ keys: [String?], load: (String) throws -> HostTensor
    ) throws {
        let shapes = results.map(\.shape)
        for (i, freedom) in judgement.freedom where i < results.count && i < keys.count {
            guard let key = keys[i] else { continue }
            let right = try load(key)
            var entry = Turned(right: right)
            // (A shape that is wrong is found by comparing.)
            if case .phases(let dim, let count) = freedom, right.shape == results[i].shape, right.shape.count >= 2 {
                let got = try HostTensor(results[i].detach()).tensor(on: .reference)
                let inner = (got * (try right.tensor(on: .reference)).conj()).sum(
                    dim: dim == -1 ? -2 : -1, keepdim: true)
                let one = Tensor.ones([], dtype: got.dtype, device: .reference)
                entry.factors = Tensor.where(inner .== 0, one, inner.sgn())
                entry.dim = dim
                entry.count = count(shapes)
            }
            turned[i] = entry
        }
    }

    /// What is to be compared of result `i`: the determined vectors, with the file's turned; nil if nothing is free.
    func comparison(_ i: Int, _ got: HostTensor) throws -> (HostTensor, HostTensor)? {
        guard let entry = turned[i] else { return nil }
        guard got.shape == entry.right.shape, got.dtype == entry.right.dtype else { return (got, entry.right) }
        guard let factors = entry.factors else { return (got, got) }
        let right = try entry.right.tensor(on: .reference) * factors
        let mine = try got.tensor(on: .reference)
        return (
            try HostTensor(mine.narrow(entry.dim, 0, entry.count)),
            try HostTensor(right.narrow(entry.dim, 0, entry.count))
        )
    }

    /// The gradient of result `i` that does to the device's vectors what the file's does to the file's.
    func turned(_ i: Int, _ gradient: Tensor) throws -> Tensor {
        guard let factors = turned[i]?.factors else { return gradient }
        return gradient * factors
    }
}
