/// Runs `body` and looks out for what goes wrong in backward passes of its work: an operation whose gradients
/// turn to NaN is an error that names it and the line where it was called.
///
/// Operations called inside remember their lines; backward passes run inside look at every gradient, which takes
/// time. Errors that a backward pass meets tell the line of the operation as well.
///
/// - Parameter checkNaN: false remembers the lines alone.
public func detectAnomaly<Result, Failure: Error>(
    checkNaN: Bool = true, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    try withLayer(Layer.anomaly, true) { () throws(Failure) in
        try withLayer(Layer.anomalyNaN, checkNaN, body)
    }
}

extension Node {
    /// " (called at model.swift:12)", where that is known.
    var origin: String { site?.location.map { " (the operation was called at \($0))" } ?? "" }

    /// Throws if one of the gradients that this node made is not a number.
    func checkAnomaly(_ gradients: [Tensor?]) throws(CressetError) {
        guard threadState.pointee.layers & Layer.anomalyNaN != 0 else { return }
        for (i, gradient) in gradients.enumerated() {
            guard let gradient, try gradient.holdsNaN() else { continue }
            throw CressetError(
                .autograd, op: name,
                "its backward made NaN in the gradient of input \(i), \(gradient.summary)" + origin)
        }
    }
}

extension Tensor {
    fileprivate func holdsNaN() throws(CressetError) -> Bool {
        guard numel > 0, dtype.hasGradient else { return false }
        return try noGrad { () throws(CressetError) in
            let found = Tensor(detachedImpl).isnan().any()
            try found.checkValid("isnan")
            return found.item() != 0
        }
    }
}
