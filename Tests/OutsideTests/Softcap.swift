// An operation that PyTorch does not have, declared by somebody else: this file is all there is of it.
import Cresset

/// cap·tanh(x / cap): nearly x where |x| is far below cap, never beyond ±cap.
///
/// Gemma 2 (2024), equation 1.
let softcapOperator = DeclaredOperator(
    pointwise: "outside::softcap(Tensor self, Scalar cap) -> Tensor",
    numbers: [[2.5], [30]],
    errors: { g in [ErrorSample([.tensor(g.tensor([2])), 0], "cap must be positive", "0")] },
    check: { $0[0].doubleValue > 0 ? nil : "cap must be positive, got \($0[0])" }
) { c in
    c.scalars[0] * tanh(c.inputs[0] / c.scalars[0])
}

extension Tensor {
    /// Every element x as cap·tanh(x / cap).
    func softcap(_ cap: Double) -> Tensor { softcapOperator(.tensor(self), .scalar(.double(cap))) }
}
