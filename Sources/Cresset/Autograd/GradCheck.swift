/// Compares the gradients of a function with central differences: PyTorch's `gradcheck`.
///
/// Every element of every input that requires grad is moved by ±`eps`, in both parts where it is complex, and what
/// the outputs then do is compared with what backward says: |analytical − numerical| ≤ atol + rtol·|numerical|.
/// The tolerances are meant for float64 and complex128. The gradients are taken twice, and may differ by
/// `nondetTol` at most.
///
/// - Throws: an error that names the output, the input, the elements and both values.
public func gradcheck(
    _ function: @escaping ([Tensor]) -> [Tensor], _ inputs: [Tensor], eps: Double = 1e-6, atol: Double = 1e-5,
    rtol: Double = 1e-3, nondetTol: Double = 0
) throws(CressetError) {
    let check = GradCheck(op: "gradcheck", function: function, eps: eps, atol: atol, rtol: rtol, nondetTol: nondetTol)
    try check.run(inputs)
}

/// Compares the gradients of a function's gradients with central differences: PyTorch's `gradgradcheck`.
///
/// - Parameter gradOutputs: what backward begins with, one tensor of the same shape for each output; numbers
///   between −1 and 1 if nil.
public func gradgradcheck(
    _ function: @escaping ([Tensor]) -> [Tensor], _ inputs: [Tensor], gradOutputs: [Tensor]? = nil, eps: Double = 1e-6,
    atol: Double = 1e-5, rtol: Double = 1e-3, nondetTol: Double = 0
) throws(CressetError) {
    let op = "gradgradcheck"
    let outputs = try GradCheck.outputs(of: function, inputs.map { $0.detach() }, op).filter(\.dtype.hasGradient)
    if let gradOutputs, gradOutputs.count != outputs.count {
        throw CressetError(
            .argument, op: op, "\(gradOutputs.count) gradients are given for \(outputs.count) outputs")
    }
    var weights: [Tensor] = []
    for (k, output) in outputs.enumerated() {
        let given = if let gradOutputs { gradOutputs[k] } else { try GradCheck.numbers(like: output, k) }
        guard given.shape == output.shape else {
            throw CressetError(
                .shape, op: op, "gradient \(k) has shape \(given.shape), output \(k) \(output.shape)")
        }
        weights.append(given.detach().requiresGrad_())
    }
    var failure: CressetError?
    let gradients: ([Tensor]) -> [Tensor] = { all in
        let arguments = Array(all.prefix(inputs.count))
        let seeds = Array(all.dropFirst(inputs.count))
        do throws(CressetError) {
            // (Aliases, so that an input that is also handed through has a place of its own.)
            let own = arguments.map { $0.isTracked ? $0.viewAs($0) : $0 }
            let results = function(own).filter(\.dtype.hasGradient)
            let used = results.indices.filter { results[$0].isTracked }
            let tracked = own.filter(\.isTracked)
            if used.isEmpty || tracked.isEmpty { return [] }
            return try grad(
                used.map { results[$0] }, tracked, gradOutputs: used.map { seeds[$0] }, createGraph: true,
                materializeGrads: true
            ).compactMap { $0 }
        } catch {
            failure = failure ?? error
            return []
        }
    }
    let check = GradCheck(op: op, function: gradients, eps: eps, atol: atol, rtol: rtol, nondetTol: nondetTol)
    do throws(CressetError) {
        try check.run(inputs + weights)
    } catch {
        throw failure ?? error
    }
    if let failure { throw failure }
}

/// What both have in common.
private struct GradCheck {
    let op: String
    let function: ([Tensor]) -> [Tensor]
    let eps: Double
    let atol: Double
    let rtol: Double
    let nondetTol: Double

    /// The function's results; what fails in it is thrown here.
    static func outputs(
        of function: ([Tensor]) -> [Tensor], _ inputs: [Tensor], _ op: String
    ) throws(CressetError) -> [Tensor] {
        do {
            return try catching { enableGrad { function(inputs) } }
        } catch let error as CressetError {
            throw error
        } catch {
            throw CressetError(.internal, op: op, "\(error)")
        }
    }

    /// Numbers in (−1, 1) that repeat nowhere: multiples of the golden ratio, modulo 2.
    static func numbers(like x: Tensor, _ k: Int) throws(CressetError) -> Tensor {
        let count = x.numel * (x.isComplex ? 2 : 1)
        let values = (0..<count).map { i -> Double in
            let y = Double(i + 1 + 1000 * k) * 0.618_033_988_749_894_9
            return 2 * (y - y.rounded(.down)) - 1
        }
        return try x.withParts(values)
    }

    func run(_ inputs: [Tensor]) throws(CressetError) {
        let variables = inputs.indices.filter { inputs[$0].isTracked && inputs[$0].dtype.hasGradient }
        guard !variables.isEmpty else {
            throw CressetError(.argument, op: op, "none of the inputs requires grad, so there is nothing to check")
        }
        let plain = inputs.map { $0.detach() }
        let analytical = try jacobian(plain, variables)
        let again = try jacobian(plain, variables)
        for (k, input) in variables.enumerated() {
            let parts = try plain[input].parts()
            for j in parts.indices {
                let numerical = try difference(plain, input, parts, j)
                guard numerical.count == analytical.count else {
                    throw CressetError(
                        .autograd, op: op,
                        "the function gave results of \(analytical.count) elements, and then of \(numerical.count)")
                }
                for i in numerical.indices {
                    let found = analytical[i][k][j]
                    guard
                        (found - numerical[i]).magnitude <= atol + rtol * numerical[i].magnitude
                            || found.isNaN && numerical[i].isNaN
                    else {
                        throw CressetError(
                            .autograd, op: op,
                            "the derivative of \(try place(of: i, plain)) by \(place(j, plain[input], "input \(input)")) is "
                                + "\(found) by backward, \(numerical[i]) by differences")
                    }
                    guard (found - again[i][k][j]).magnitude <= nondetTol || found.isNaN else {
                        throw CressetError(
                            .autograd, op: op,
                            "the derivative by \(place(j, plain[input], "input \(input)")) was \(found), and then "
                                + "\(again[i][k][j]): backward is not deterministic (nondetTol is \(nondetTol))")
                    }
                }
            }
        }
    }

    /// The parts of all outputs that have gradients, one after another.
    private func values(_ inputs: [Tensor]) throws(CressetError) -> [Double] {
        var values: [Double] = []
        for output in try Self.outputs(of: function, inputs, op) where output.dtype.hasGradient {
            values += try output.detach().parts()
        }
        return values
    }

    private func difference(
        _ inputs: [Tensor], _ k: Int, _ parts: [Double], _ j: Int
    ) throws(CressetError) -> [Double] {
        func moved(by delta: Double) throws(CressetError) -> [Double] {
            var changed = inputs
            var values = parts
            values[j] += delta
            changed[k] = try inputs[k].withParts(values)
            // (A function may ask for gradients of what it is handed.)
            return try self.values(changed.map { $0.dtype.hasGradient ? $0.requiresGrad_() : $0 })
        }
        let up = try moved(by: eps)
        let down = try moved(by: -eps)
        guard up.count == down.count else {
            throw CressetError(.autograd, op: op, "the function gave \(up.count) elements, and then \(down.count)")
        }
        return zip(up, down).map { ($0 - $1) / (2 * eps) }
    }

    /// By part of the outputs, variable and part of it.
    private func jacobian(_ inputs: [Tensor], _ variables: [Int]) throws(CressetError) -> [[[Double]]] {
        var own = inputs.map { $0.detach() }
        for k in variables { own[k] = own[k].requiresGrad_() }
        let outputs = try Self.outputs(of: function, own, op).filter(\.dtype.hasGradient)
        var rows: [[[Double]]] = []
        for output in outputs {
            let count = output.numel * (output.isComplex ? 2 : 1)
            for i in 0..<count {
                var unit = [Double](repeating: 0, count: count)
                unit[i] = 1
                var gradients = [Tensor?](repeating: nil, count: variables.count)
                if output.isTracked {
                    gradients = try grad(
                        [output], variables.map { own[$0] }, gradOutputs: [output.detach().withParts(unit)],
                        retainGraph: true, allowUnused: true)
                }
                var row: [[Double]] = []
                for (gradient, k) in zip(gradients, variables) {
                    guard let gradient else {
                        row.append([Double](repeating: 0, count: own[k].numel * (own[k].isComplex ? 2 : 1)))
                        continue
                    }
                    guard gradient.shape == own[k].shape, gradient.dtype == own[k].dtype else {
                        throw CressetError(
                            .autograd, op: op,
                            "the gradient of input \(k), \(own[k].summary), is \(gradient.summary)")
                    }
                    row.append(try gradient.detach().parts())
                }
                rows.append(row)
            }
        }
        return rows
    }

    /// "output 1 at [0, 2]"
    private func place(of i: Int, _ inputs: [Tensor]) throws(CressetError) -> String {
        var rest = i
        for (k, output) in try Self.outputs(
            of: function, inputs.map { $0.dtype.hasGradient ? $0.requiresGrad_() : $0 }, op
        )
        .filter(\.dtype.hasGradient).enumerated() {
            let count = output.numel * (output.isComplex ? 2 : 1)
            if rest < count { return place(rest, output, "output \(k)") }
            rest -= count
        }
        return "element \(i)"
    }

    private func place(_ i: Int, _ x: Tensor, _ what: String) -> String {
        var rest = x.isComplex ? i / 2 : i
        var index: [Int] = []
        for size in x.shape.reversed() {
            index.insert(rest % size, at: 0)
            rest /= size
        }
        return "\(what) at \(index)" + (x.isComplex ? i % 2 == 0 ? ", real part" : ", imaginary part" : "")
    }
}

extension Tensor {
    /// The elements as float64, complex ones as two numbers each.
    fileprivate func parts() throws(CressetError) -> [Double] {
        isComplex ? try complexElements().flatMap { [$0.real, $0.imaginary] } : try doubles()
    }

    /// A tensor of this shape, dtype and device, of these elements.
    fileprivate func withParts(_ values: [Double]) throws(CressetError) -> Tensor {
        let result = try noGrad { () throws(CressetError) -> Tensor in
            let flat = Tensor(values, dtype: dtype.toReal, device: device)
            try flat.checkValid("gradcheck")
            return isComplex
                ? flat.reshape(Shape(Array(shape) + [2])).viewAsComplex() : flat.reshape(shape)
        }
        try result.checkValid("gradcheck")
        return result.detach()
    }
}
