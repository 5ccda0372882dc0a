import Cresset

/// A call on a device as a function of its float64 and complex128 arguments.
package struct VariableCall {
    let op: Operator
    let variables: [HostTensor]
    /// Of each variable the argument that it is, or is in.
    let names: [String]
    private let arguments: [HostValue]
    private let device: Device

    package init(_ op: Operator, _ values: [Value], on device: Device) throws {
        self.op = op
        self.device = device
        arguments = try values.map(HostValue.init)
        var variables: [HostTensor] = []
        var names: [String] = []
        for (i, argument) in arguments.enumerated() {
            for tensor in argument.tensors where tensor.isVariable {
                variables.append(tensor)
                names.append(i < op.schema.arguments.count ? op.schema.arguments[i].name : "")
            }
        }
        (self.variables, self.names) = (variables, names)
    }

    /// The arguments with other values of the variables, and the tensors of those.
    private func placed(_ variables: [HostTensor]) throws -> (values: [Value], inputs: [Tensor]) {
        var inputs: [Tensor] = []
        func place(_ x: HostTensor) throws -> Tensor {
            guard x.isVariable else { return try x.tensor(on: device) }
            let tensor = try variables[inputs.count].tensor(on: device)
            inputs.append(tensor)
            return tensor
        }
        let values = try arguments.map { argument -> Value in
            switch argument {
            case .plain(let x): x
            case .tensor(let x): .tensor(try place(x))
            case .tensors(let list): .tensors(try list.map(place))
            case .optionalTensors(let list): .optionalTensors(try list.map { try $0.map(place) })
            case .device: .device(device)
            }
        }
        return (values, inputs)
    }

    /// The results that gradients flow from, each with its place among all.
    private func results(_ values: [Value]) throws -> [(offset: Int, element: Tensor)] {
        op.differentiable(try op.call(values).flatMap { try $0.tensors(of: op.name) })
    }

    /// True for a result whose vectors may be turned by any phase: its squares count.
    private func isFree(_ i: Int) -> Bool { op.judgement?.freedom[i] != nil }

    /// Weights of the results; nil where one is rounded to less than float64, as differences of it are noise.
    func weights(_ maker: inout SampleMaker) throws -> [HostTensor]? {
        let found = try catching { try results(placed(variables).values) }
        guard !found.isEmpty, found.allSatisfy({ $0.element.dtype.toReal == .float64 }) else { return nil }
        return try found.map { try HostTensor(maker.tensor($0.element.shape, 0.5, 1.5, dtype: $0.element.dtype)) }
    }

    // MARK: First derivatives

    /// Σ weight·result, or half of Σ weight·|result|² where the result is free.
    func loss(_ variables: [HostTensor], _ weights: [HostTensor]) throws -> Double {
        let found = try catching { try results(placed(variables).values) }
        var sum = 0.0
        for ((i, result), weight) in zip(found, weights) {
            let isComplex = result.dtype.isComplex
            let (x, w) = (try HostTensor(result).parts.doubles, weight.parts.doubles)
            for k in x.indices { sum += isFree(i) ? 0.5 * w[isComplex ? k & ~1 : k] * x[k] * x[k] : x[k] * w[k] }
        }
        return sum
    }

    /// The gradients of that.
    func gradients(_ variables: [HostTensor], _ weights: [HostTensor]) throws -> [HostTensor] {
        try Self.hosted(try catching { try gradients(of: placed(variables), weights, createGraph: false).found })
    }

    private func gradients(
        of arguments: (values: [Value], inputs: [Tensor]), _ weights: [HostTensor], createGraph: Bool
    ) throws -> (found: [Tensor], weights: [Tensor]) {
        for input in arguments.inputs { input.requiresGrad_() }
        let placed = try weights.map { try $0.tensor(on: device) }
        if createGraph { for weight in placed { weight.requiresGrad_() } }
        let outputs = try results(arguments.values)
        let seeds = zip(outputs, placed).map { output, weight in
            // (The gradient of the loss by the result.)
            isFree(output.offset)
                ? weight.real * (createGraph ? output.element : output.element.detach()) : weight
        }
        let found = try grad(
            outputs.map(\.element), arguments.inputs, gradOutputs: seeds, createGraph: createGraph, allowUnused: true)
        return (zip(found, arguments.inputs).map { $0 ?? Tensor.zerosLike($1) }, placed)
    }

    // MARK: Second derivatives

    /// Σ other·gradient, of the variables and then the weights of the results.
    func gradientLoss(_ variables: [HostTensor], _ others: [HostTensor]) throws -> Double {
        let found = try gradients(
            Array(variables.prefix(self.variables.count)), Array(variables[self.variables.count...]))
        var sum = 0.0
        for (x, weight) in zip(found, others) {
            for (a, b) in zip(x.parts.doubles, weight.parts.doubles) { sum += a * b }
        }
        return sum
    }

    /// The gradients of that by both.
    func secondGradients(_ variables: [HostTensor], _ others: [HostTensor]) throws -> [HostTensor] {
        let weights = Array(variables[self.variables.count...])
        let found = try catching { () -> [Tensor] in
            let arguments = try placed(variables)
            let (first, seeds) = try gradients(of: arguments, weights, createGraph: true)
            let places = arguments.inputs + seeds
            // What no gradient flows to is constant.
            let flowing = first.indices.filter { first[$0].requiresGrad }
            if flowing.isEmpty { return places.map { Tensor.zerosLike($0) } }
            let second = try grad(
                flowing.map { first[$0] }, places, gradOutputs: flowing.map { try others[$0].tensor(on: device) },
                allowUnused: true)
            return zip(second, places).map { $0 ?? Tensor.zerosLike($1) }
        }
        return try Self.hosted(found)
    }

    private static func hosted(_ tensors: [Tensor]) throws -> [HostTensor] {
        try tensors.map { try HostTensor($0.detach().contiguous()) }
    }
}

extension HostTensor {
    /// True for what differences are taken by.
    fileprivate var isVariable: Bool { dtype.hasGradient && dtype.toReal == .float64 }

    /// Adds to a part of an element in float64 or complex128.
    mutating func add(_ delta: Double, to part: Int) {
        let changed = parts.double(part) + delta
        withUnsafeBytes(of: changed) { bytes.replaceSubrange(part * 8..<part * 8 + 8, with: $0) }
    }

    /// What moves with part `i` of a batch of hermitian matrices: the element opposite, by its conjugate.
    func hermitian(_ i: Int) -> [(part: Int, sign: Double)] {
        let (n, width) = (shape.last ?? 1, dtype.isComplex ? 2 : 1)
        let (element, part) = (i / width, i % width)
        let (matrix, place) = (element / (n * n), element % (n * n))
        let opposite = width * (matrix * n * n + place % n * n + place / n) + part
        if opposite == i && part == 0 { return [(i, 1)] }
        return [(i, 1), (opposite, part == 0 ? 1 : -1)]
    }
}
