/// Derivatives of functions: PyTorch's `autograd.functional`.
///
/// `function` may give several tensors of any shapes. The tensors it is handed are fresh leaves, or the inputs
/// themselves where `createGraph` asks for a result that can be differentiated in turn. What does not depend on an
/// input has zeros for its derivative, or is an error with `strict`.
private struct Evaluation {
    let op: String
    let inputs: [Tensor]
    let outputs: [Tensor]

    init(
        _ op: String, _ function: ([Tensor]) -> [Tensor], _ inputs: [Tensor], createGraph: Bool
    ) throws(CressetError) {
        for (i, input) in inputs.enumerated() {
            try input.checkValid(op)
            guard input.dtype.hasGradient else {
                throw CressetError(
                    .dtype, op: op, "input \(i), \(input.summary), is neither floating-point nor complex")
            }
        }
        self.op = op
        let own = inputs.map { input in
            createGraph && input.isTracked ? enableGrad { input.viewAs(input) } : input.detach().requiresGrad_()
        }
        self.inputs = own
        outputs = enableGrad { function(own) }
        for output in outputs { try output.checkValid(op) }
    }

    /// Gradients of the outputs; zeros where there is no way, or an error if `strict`.
    func gradients(
        of outputs: [Tensor], at inputs: [Tensor], _ weights: [Tensor?], createGraph: Bool, retain: Bool, strict: Bool
    ) throws(CressetError) -> [Tensor] {
        let roots = outputs.indices.filter { outputs[$0].isTracked }
        if strict, let i = outputs.indices.first(where: { !outputs[$0].isTracked }) {
            throw CressetError(.autograd, op: op, "output \(i) does not depend on any input")
        }
        var found = [Tensor?](repeating: nil, count: inputs.count)
        if !roots.isEmpty {
            found = try enableGrad { () throws(CressetError) in
                try grad(
                    roots.map { outputs[$0] }, inputs, gradOutputs: roots.map { weights[$0] },
                    retainGraph: retain || createGraph, createGraph: createGraph, allowUnused: true)
            }
        }
        if strict, let i = found.firstIndex(where: { $0 == nil }) {
            throw CressetError(.autograd, op: op, "no output depends on input \(i)")
        }
        var result: [Tensor] = []
        for (input, gradient) in zip(inputs, found) {
            if let gradient {
                result.append(gradient)
            } else {
                result.append(try .filled(input.shape, 0, dtype: input.dtype, on: input.runtime, op: op))
            }
        }
        return result
    }

    /// Vectors of the tensors' shapes: those that are given, or 1 for a single element.
    func weights(_ given: [Tensor]?, like tensors: [Tensor], _ what: String) throws(CressetError) -> [Tensor] {
        if let given {
            guard given.map(\.shape) == tensors.map(\.shape) else {
                throw CressetError(
                    .shape, op: op, "v has the shapes \(given.map(\.shape)), the \(what) \(tensors.map(\.shape))")
            }
            return given
        }
        guard tensors.count == 1, tensors[0].numel == 1 else {
            throw CressetError(.shape, op: op, "without v there must be one element among the \(what)")
        }
        return [try .filled(tensors[0].shape, 1, dtype: tensors[0].dtype, on: tensors[0].runtime, op: op)]
    }
}

/// The results of a function and vᵀ·J: `v` weighs the outputs, one tensor of the same shape for each.
///
/// - Returns: the outputs, and for each input a tensor of its shape.
public func vjp(
    _ function: ([Tensor]) -> [Tensor], _ inputs: [Tensor], _ v: [Tensor]? = nil, createGraph: Bool = false,
    strict: Bool = false
) throws(CressetError) -> (outputs: [Tensor], vjp: [Tensor]) {
    let at = try Evaluation("vjp", function, inputs, createGraph: createGraph)
    let weights = try at.weights(v, like: at.outputs, "outputs")
    let found = try at.gradients(
        of: at.outputs, at: at.inputs, weights, createGraph: createGraph, retain: false, strict: strict)
    return (createGraph ? at.outputs : at.outputs.map { $0.detach() }, found)
}

/// The results of a function and J·v: `v` is a direction, one tensor of the same shape for each input.
///
/// Found as the derivative of uᵀ·J by u, which is linear in u; for complex numbers v is conjugated on the way.
/// - Returns: the outputs, and for each a tensor of its shape.
public func jvp(
    _ function: ([Tensor]) -> [Tensor], _ inputs: [Tensor], _ v: [Tensor]? = nil, createGraph: Bool = false,
    strict: Bool = false
) throws(CressetError) -> (outputs: [Tensor], jvp: [Tensor]) {
    let at = try Evaluation("jvp", function, inputs, createGraph: createGraph)
    let direction = try at.weights(v, like: at.inputs, "inputs")
    var dual: [Tensor] = []
    for output in at.outputs {
        dual.append(
            try Tensor.filled(output.shape, 0, dtype: output.dtype, on: output.runtime, op: "jvp").requiresGrad_())
    }
    let pulled = try at.gradients(
        of: at.outputs, at: at.inputs, dual, createGraph: true, retain: true, strict: strict)
    let found = try at.gradients(
        of: pulled, at: dual, direction, createGraph: createGraph, retain: false, strict: false)
    return (createGraph ? at.outputs : at.outputs.map { $0.detach() }, found)
}

/// The Jacobian of a function: for each output and input ∂output/∂input, of shape output.shape + input.shape.
///
/// One backward pass for each element of the outputs.
/// - Returns: by output, then by input.
public func jacobian(
    _ function: ([Tensor]) -> [Tensor], _ inputs: [Tensor], createGraph: Bool = false, strict: Bool = false
) throws(CressetError) -> [[Tensor]] {
    let at = try Evaluation("jacobian", function, inputs, createGraph: createGraph)
    var result: [[Tensor]] = []
    for output in at.outputs {
        var rows = [[Tensor]](repeating: [], count: inputs.count)
        for i in 0..<output.numel {
            let unit = try Tensor.filled(
                [output.numel], 0, dtype: output.dtype, on: output.runtime, op: "jacobian")
            try Tensor.narrowed(unit, i).fill(with: 1)
            let found = try at.gradients(
                of: [output], at: at.inputs, [unit.reshape(output.shape)], createGraph: createGraph, retain: true,
                strict: strict)
            for (k, gradient) in found.enumerated() { rows[k].append(gradient) }
        }
        var blocks: [Tensor] = []
        for (k, input) in at.inputs.enumerated() {
            let shape = Shape(Array(output.shape) + Array(input.shape))
            blocks.append(
                rows[k].isEmpty
                    ? try .filled(shape, 0, dtype: input.dtype, on: input.runtime, op: "jacobian")
                    : Tensor.stack(rows[k]).reshape(shape))
        }
        result.append(blocks)
    }
    return result
}

/// The Jacobian of a function of one tensor, of shape output.shape + input.shape.
public func jacobian(
    _ function: (Tensor) -> Tensor, _ input: Tensor, createGraph: Bool = false, strict: Bool = false
) throws(CressetError) -> Tensor {
    try jacobian({ [function($0[0])] }, [input], createGraph: createGraph, strict: strict)[0][0]
}

/// The second derivatives of a function of one element: by input and by input, of shape
/// inputᵢ.shape + inputⱼ.shape.
public func hessian(
    _ function: ([Tensor]) -> Tensor, _ inputs: [Tensor], createGraph: Bool = false, strict: Bool = false
) throws(CressetError) -> [[Tensor]] {
    var failure: CressetError?
    let result = try jacobian(
        { inputs in
            do throws(CressetError) {
                return try gradient(of: function, inputs, op: "hessian", strict: strict)
            } catch {
                failure = error
                return inputs
            }
        }, inputs, createGraph: createGraph, strict: strict)
    if let failure { throw failure }
    return result
}

/// The second derivatives of a function of one tensor, of shape input.shape + input.shape.
public func hessian(
    _ function: (Tensor) -> Tensor, _ input: Tensor, createGraph: Bool = false, strict: Bool = false
) throws(CressetError) -> Tensor {
    try hessian({ function($0[0]) }, [input], createGraph: createGraph, strict: strict)[0][0]
}

/// The value of a function of one element and H·v for a direction v, one tensor of the same shape for each input.
public func hvp(
    _ function: ([Tensor]) -> Tensor, _ inputs: [Tensor], _ v: [Tensor]? = nil, createGraph: Bool = false,
    strict: Bool = false
) throws(CressetError) -> (output: Tensor, hvp: [Tensor]) {
    let at = try Evaluation("hvp", { [function($0)] }, inputs, createGraph: createGraph)
    let direction = try at.weights(v, like: at.inputs, "inputs")
    try checkScalar(at.outputs[0], "hvp")
    // (The Hessian is symmetric: H·v is vᵀ·H, one backward pass through the gradient.)
    let first = try at.gradients(
        of: at.outputs, at: at.inputs, [nil], createGraph: true, retain: true, strict: strict)
    let second = try at.gradients(
        of: first, at: at.inputs, direction, createGraph: createGraph, retain: false, strict: false)
    return (createGraph ? at.outputs[0] : at.outputs[0].detach(), second)
}

private func checkScalar(_ output: Tensor, _ op: String) throws(CressetError) {
    guard output.numel == 1 else {
        throw CressetError(.shape, op: op, "the function must give one element, not \(output.shape)")
    }
}

/// The gradient of a function of one element, as a function that can be differentiated.
private func gradient(
    of function: ([Tensor]) -> Tensor, _ inputs: [Tensor], op: String, strict: Bool
) throws(CressetError) -> [Tensor] {
    let at = try Evaluation(op, { [function($0)] }, inputs, createGraph: true)
    try checkScalar(at.outputs[0], op)
    return try at.gradients(of: at.outputs, at: at.inputs, [nil], createGraph: true, retain: true, strict: strict)
}

extension Tensor {
    /// Element `i` of a vector, as a view.
    fileprivate static func narrowed(_ x: Tensor, _ i: Int) -> Tensor {
        Tensor(storage: x.impl.storage, shape: [], strides: [], offset: x.impl.offset + i, dtype: x.dtype)
    }

    fileprivate func fill(with number: Scalar) throws(CressetError) {
        try Generators.fill.generate([number], into: self)
    }
}
