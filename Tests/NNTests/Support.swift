import Cresset
import CressetNN
import CressetOptim
import Testing

/// A cross entropy and its gradient.
struct LossCase: Sendable {
    var shape: Shape
    var input: [Double]
    /// Probabilities, or else `hard` has classes.
    var soft: [Double]
    var hard: [Int64]
    var weight: [Double]
    var ignore: Int
    var smoothing: Double
    var reduction: LossReduction
    var loss: [Double]
    /// The gradient that arrives at the loss.
    var seed: [Double]
    var gradient: [Double]
}

/// A module with given parameters, what it gives, and the gradients of its input and parameters.
struct ModuleCase: Sendable, CustomTestStringConvertible {
    var name: String
    var module: @Sendable () -> Module
    var shape: Shape
    var input: [Double]
    var parameters: [[Double]]
    var output: [Double]
    var seed: [Double]
    var gradients: [[Double]]
    /// The other tensors of the module, after that batch.
    var buffers: [[Double]]
    /// What it gives afterwards, when it is evaluated.
    var evaluated: [Double]
    var testDescription: String { name }
}

/// An optimizer and the values of two parameters after each step.
struct OptimizerCase: Sendable, CustomTestStringConvertible {
    enum Kind: Sendable {
        case sgd(
            momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
            maximize: Bool = false)
        case adam(
            betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8, weightDecay: Double = 0,
            amsgrad: Bool = false, maximize: Bool = false)
        case adamW(
            betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8, weightDecay: Double = 1e-2,
            amsgrad: Bool = false, maximize: Bool = false)
    }
    var kind: Kind
    var values: [[Double]]
    var testDescription: String { "\(kind)" }

    func optimizer(_ parameters: [Tensor], lr: Double) -> Optimizer {
        switch kind {
        case .sgd(let momentum, let dampening, let weightDecay, let nesterov, let maximize):
            SGD(
                parameters, lr: lr, momentum: momentum, dampening: dampening, weightDecay: weightDecay,
                nesterov: nesterov, maximize: maximize)
        case .adam(let betas, let eps, let weightDecay, let amsgrad, let maximize):
            Adam(
                parameters, lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, amsgrad: amsgrad,
                maximize: maximize)
        case .adamW(let betas, let eps, let weightDecay, let amsgrad, let maximize):
            AdamW(
                parameters, lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, amsgrad: amsgrad,
                maximize: maximize)
        }
    }
}

/// The devices these tests run on. (Operations on every device are the conformance suite's.)
let devices: [Device] = [.reference, .cpu]

/// The largest difference in units of the larger of 1 and the right value; infinite if the counts differ or only one is NaN.
func difference(_ found: [Double], _ right: [Double]) -> Double {
    guard found.count == right.count else { return .infinity }
    return zip(found, right).map { found, right in
        if found.isNaN != right.isNaN { return .infinity }
        return right.isNaN ? 0 : abs(found - right) / max(1, abs(right))
    }.max() ?? 0
}

/// What separates two right float64 results of some tens of operations on numbers about 1, in other orders.
let accuracy = 1e-13
