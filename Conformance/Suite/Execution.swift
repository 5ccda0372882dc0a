import Cresset

/// What a call gave: results, or gradients by differentiable argument (nil where there is none).
struct Outcome {
    var tensors: [HostTensor?]
}

/// The results of a call, still on their device.
package struct Results {
    var tensors: [Tensor?]

    func hosted() throws(CressetError) -> Outcome {
        var hosted: [HostTensor?] = []
        for tensor in tensors {
            if let tensor { hosted.append(try HostTensor(tensor)) } else { hosted.append(nil) }
        }
        return Outcome(tensors: hosted)
    }
}

extension Case {
    /// Runs the case on a device; its tensors are placed already.
    ///
    /// Results that are no row-major tensors are copied to one, which is part of what is tested.
    package func run(_ arguments: PlacedArguments, on device: Device) throws -> Results {
        try catching {
            switch cell.direction {
            case .forward:
                let results = try noGrad { try declaration.call(arguments.values) }
                return Results(
                    tensors: try results.map { try $0.tensors(of: cell.op, on: device).map { $0.contiguous() } }.flatMap
                    { $0 })
            case .gradient: return try gradients(arguments, on: device)
            }
        }
    }

    /// The gradients that a fixed, random gradient of the results leads to.
    private func gradients(_ arguments: PlacedArguments, on device: Device) throws -> Results {
        let inputs = arguments.differentiable
        for input in inputs { input.requiresGrad_() }
        let outputs = try declaration.call(arguments.values).flatMap { try $0.tensors(of: cell.op, on: device) }
        let tracked = declaration.differentiable(outputs)
        guard tracked.allSatisfy(\.element.requiresGrad) else {
            throw CressetError(
                .autograd, op: cell.op, "it is declared to be differentiable, and a result of it requires no grad")
        }
        if tracked.isEmpty { return Results(tensors: []) }
        let seeds = try tracked.map { i, output in
            try seed(i, output, on: device)
        }
        let gradients = try grad(tracked.map(\.element), inputs, gradOutputs: seeds, allowUnused: true)
        return Results(tensors: gradients.map { $0?.detach().contiguous() })
    }

    private func seed(_ i: Int, _ output: Tensor, on device: Device) throws -> Tensor {
        guard let judgement = declaration.judgement else {
            return try seedGradient(i, output.dtype, output.shape).tensor(on: device)
        }
        // (In float64 the same numbers as in the case's own dtype.)
        let dtype = output.isComplex ? cell.dtype.toReal.toComplex : cell.dtype.toReal
        let narrow = try seedGradient(i, dtype, output.shape).tensor(on: device)
        return FactorJudgement.seed(judgement, i, narrow.to(output.dtype), output)
    }

    private func seedGradient(_ i: Int, _ dtype: DType, _ shape: Shape) throws -> HostTensor {
        var maker = SampleMaker(dtype: dtype, seed: seed &+ 7919 &* UInt64(i + 1))
        return try HostTensor(maker.tensor(shape, -1, 1))
    }
}

extension Operator {
    /// The results that gradients flow from.
    func differentiable(_ results: [Tensor]) -> [(offset: Int, element: Tensor)] {
        results.enumerated().filter { i, x in x.dtype.hasGradient && judgement?.constant.contains(i) != true }
    }

    /// Calls it with the arguments of a case.
    func call(_ values: [Value]) throws(CressetError) -> [Value] {
        // (What draws random numbers draws the same ones every time.)
        let results = try withRandomStream(RandomStream(seed: 2024)) { () throws(CressetError) in try run(values) }
        // (What a result happens to hold is neither right nor wrong.)
        return isUninitialized ? results.compactMap { $0.tensor.map { .tensor(Tensor.zerosLike($0)) } } : results
    }
}

extension Value {
    /// The tensors of a result; a number is one of the oracle's where the oracle is asked.
    func tensors(of op: String, on device: Device = .reference) throws(CressetError) -> [Tensor] {
        switch self {
        case .scalar(let number):
            let home = try device == OracleDevice.device ? device : .reference
            if case .double(let x) = number { return [Tensor([x], shape: [], device: home)] }
            if case .complex = number { return [Tensor(number, dtype: .complex128, device: home)] }
            return [Tensor(number, device: home)]
        case .tensor(let x): return [x]
        case .tensors(let list): return list
        // (A dtype is compared by its number.)
        case .dtype(let dtype): return [Tensor(Scalar(Int(dtype.rawValue)), device: device)]
        default: throw CressetError(.internal, op: op, "a result is no tensor")
        }
    }
}
