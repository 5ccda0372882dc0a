import Cresset

/// Changes parameters by their gradients.
open class Optimizer {
    public let parameters: [Tensor]
    /// The learning rate; may change between steps.
    public var lr: Double

    public init(_ parameters: [Tensor], lr: Double) {
        self.parameters = parameters
        self.lr = lr
    }

    /// Forgets the gradients.
    public func zeroGrad() { for parameter in parameters { parameter.grad = nil } }

    /// One update of every parameter that has a gradient.
    public final func step() throws(CressetError) {
        try noGrad { () throws(CressetError) in
            for (i, parameter) in parameters.enumerated() {
                if let gradient = parameter.grad { try update(i, parameter, gradient) }
            }
        }
    }

    /// The rule for one parameter.
    open func update(_ index: Int, _ parameter: Tensor, _ gradient: Tensor) throws(CressetError) {}
}

/// Stochastic gradient descent, with PyTorch's momentum.
///
/// g ← ±g + λp (- to maximize); v ← μv + (1 - τ)g (v ← g at first); p ← p - lr·v, or p - lr·(g + μv) if
/// nesterov.
public final class SGD: Optimizer {
    public let momentum: Double
    public let dampening: Double
    public let weightDecay: Double
    public let nesterov: Bool
    public let maximize: Bool
    private var velocity: [Int: Tensor] = [:]

    public init(
        _ parameters: [Tensor], lr: Double = 1e-3, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0,
        nesterov: Bool = false, maximize: Bool = false
    ) {
        checkArgument("SGD", !nesterov || (momentum > 0 && dampening == 0)) {
            "nesterov needs a momentum above 0 and no dampening, got \(momentum) and \(dampening)"
        }
        self.momentum = momentum
        self.dampening = dampening
        self.weightDecay = weightDecay
        self.nesterov = nesterov
        self.maximize = maximize
        super.init(parameters, lr: lr)
    }

    /// Most steps have neither decay nor maximize: they are a line less of arithmetic.
    private static let bare = FusedUpdate("optim::sgd") { targets, reading, s in [targets[0] - s[0] * reading[0]] }
    private static let plain = FusedUpdate("optim::sgd") { targets, reading, s in
        let p = targets[0]
        return [p - s[0] * (s[2] * reading[0] + s[1] * p)]
    }
    private static let withMomentum = FusedUpdate("optim::sgd_momentum") { targets, reading, s in
        let (p, v) = (targets[0], targets[1])
        let g = s[5] * reading[0] + s[1] * p
        let next = s[2] * v + s[3] * g
        // s[4] is 1 for nesterov, 0 for plain momentum.
        return [p - s[0] * (s[4] * (g + s[2] * next) + (1 - s[4]) * next), next]
    }

    public override func update(_ index: Int, _ parameter: Tensor, _ gradient: Tensor) throws(CressetError) {
        let sign = maximize ? -1.0 : 1
        guard momentum != 0 else {
            if weightDecay == 0 && !maximize {
                return try Self.bare.run(targets: [parameter], reading: [gradient], scalars: [lr])
            }
            return try Self.plain.run(targets: [parameter], reading: [gradient], scalars: [lr, weightDecay, sign])
        }
        let first = velocity[index] == nil
        let v = velocity[index] ?? Tensor.zerosLike(parameter.detach())
        velocity[index] = v
        try Self.withMomentum.run(
            targets: [parameter, v], reading: [gradient],
            scalars: [lr, weightDecay, momentum, first ? 1 : 1 - dampening, nesterov ? 1 : 0, sign])
    }
}

/// Adam (Kingma and Ba 2015), and with decoupled weight decay AdamW (Loshchilov and Hutter 2019).
///
/// m ← β₁m + (1 - β₁)g; v ← β₂v + (1 - β₂)g²; p ← p - lr/(1 - β₁ᵗ) · m / (√v/√(1 - β₂ᵗ) + ε), with the
/// largest v so far in its place for AMSGrad (Reddi, Kale and Kumar 2018).
public class Adam: Optimizer {
    public let betas: (Double, Double)
    public let eps: Double
    public let weightDecay: Double
    public let amsgrad: Bool
    public let maximize: Bool
    private var moments: [Int: (m: Tensor, v: Tensor)] = [:]
    private var largest: [Int: Tensor] = [:]
    private var steps: [Int: Int] = [:]
    fileprivate var isDecoupled: Bool { false }

    public init(
        _ parameters: [Tensor], lr: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, maximize: Bool = false
    ) {
        self.betas = betas
        self.eps = eps
        self.weightDecay = weightDecay
        self.amsgrad = amsgrad
        self.maximize = maximize
        checkArgument("Adam", (0..<1).contains(betas.0) && (0..<1).contains(betas.1)) {
            "each beta must lie in 0 ..< 1, got \(betas)"
        }
        super.init(parameters, lr: lr)
    }

    /// Targets: parameter, moments and, for AMSGrad, the largest second moment. Scalars: step size, β₁,
    /// 1-β₁, β₂, 1-β₂, 1/√(1-β₂ᵗ), ε, decay of the gradient, factor on p, sign of the gradient.
    /// The rule with and without decay of the gradient (or its sign), with and without decay of p: most steps want
    /// one of these or neither.
    private static let rules = [(false, false), (false, true), (true, false), (true, true)].map { changesG, decaysP in
        FusedUpdate("optim::adam") { targets, reading, s in
            let (p, m, v) = (targets[0], targets[1], targets[2])
            let g = changesG ? s[9] * reading[0] + s[7] * p : reading[0]
            let first = s[1] * m + s[2] * g
            let second = s[3] * v + s[4] * (g * g)
            let peak = targets.count > 3 ? [maximum(targets[3], second)] : []
            let change = s[0] * (first / (sqrt(peak.first ?? second) * s[5] + s[6]))
            return [(decaysP ? p * s[8] : p) - change, first, second] + peak
        }
    }

    public override func update(_ index: Int, _ parameter: Tensor, _ gradient: Tensor) throws(CressetError) {
        let moments = moments[index] ?? (Tensor.zerosLike(parameter.detach()), Tensor.zerosLike(parameter.detach()))
        self.moments[index] = moments
        var targets = [parameter, moments.m, moments.v]
        if amsgrad {
            let peak = largest[index] ?? Tensor.zerosLike(parameter.detach())
            largest[index] = peak
            targets.append(peak)
        }
        let t = Double(steps[index, default: 0] + 1)
        steps[index] = Int(t)
        let (beta1, beta2) = betas
        let changesG = maximize || !isDecoupled && weightDecay != 0
        let decaysP = isDecoupled && weightDecay != 0
        try Self.rules[(changesG ? 2 : 0) + (decaysP ? 1 : 0)].run(
            targets: targets, reading: [gradient],
            scalars: [
                lr / (1 - power(beta1, t)), beta1, 1 - beta1, beta2, 1 - beta2,
                1 / (1 - power(beta2, t)).squareRoot(), eps,
                isDecoupled ? 0 : weightDecay, isDecoupled ? 1 - lr * weightDecay : 1,
                maximize ? -1 : 1,
            ])
    }

    /// xᵗ for a whole t.
    private func power(_ x: Double, _ t: Double) -> Double {
        var (result, base, rest) = (1.0, x, Int(t))
        while rest > 0 {
            if rest & 1 == 1 { result *= base }
            base *= base
            rest >>= 1
        }
        return result
    }
}

/// Adam with weight decay applied to the parameters directly.
public final class AdamW: Adam {
    override var isDecoupled: Bool { true }

    public override init(
        _ parameters: [Tensor], lr: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, maximize: Bool = false
    ) {
        super.init(
            parameters, lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, amsgrad: amsgrad,
            maximize: maximize)
    }
}
