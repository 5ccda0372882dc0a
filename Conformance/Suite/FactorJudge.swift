import Cresset

/// Judges what comes of a factorisation (see `FactorJudgement`): by what float64 gives within what a rounding
/// of the inputs does to it, and by residuals.
enum FactorJudge {
    /// c in c·k·u: LAPACK's bounds on backward errors are small multiples of the size k of the matrix times u. The
    /// result itself, the other rounded operations beside the factorisation, and three random directions in the
    /// place of the worst one are within it.
    static let multiple = 16.0
    /// The relative change of the inputs that tells how results depend on them.
    private static let step = 0x1p-26
    private static let directions = 3

    /// What right devices give for a case: values from float64, with the freedom of backward stability.
    static func expected(of item: Case, _ judgement: FactorJudgement) throws -> [Expected?] {
        let inputs = try PlacedArguments(item.arguments, on: .reference)
        let exact = try inputs.values.map(HostValue.init).map { $0.widened() }
        let right = try run(item, exact)
        var spread = [Double](repeating: 0, count: right.count)
        var maker = SampleMaker(dtype: .float64, seed: item.id.stableHash)
        for _ in 0..<directions {
            let moved = try run(item, exact.map { $0.moved(by: step, &maker) })
            for (i, (x, y)) in zip(right, moved).enumerated() {
                guard let x, let y, x.dtype.hasGradient, x.shape == y.shape else { continue }
                for (a, b) in zip(x.parts.doubles, y.parts.doubles) where a != b {
                    spread[i] = max(spread[i], (a - b).magnitude)
                }
            }
        }
        let unit = 1.0.ulp(of: item.cell.dtype.toReal) / 2
        let size = Double(matrixSize(exact))
        return try right.enumerated().map { i, x -> Expected? in
            guard let x else { return nil }
            guard x.dtype.hasGradient else { return Expected(exact: x) }
            var answer = Expected(exact: try x.narrowed(to: item.cell.dtype))
            let values = x.parts.doubles
            let largest = values.reduce(0) { max($0, $1.isFinite ? $1.magnitude : 0) }
            let isFree = item.cell.direction == .forward && judgement.freedom[i] != nil
            let bound = isFree ? .infinity : multiple * size * unit * (spread[i] / step + largest)
            answer.bounds = Expected.Bounds(
                values: values, bounds: values.map { $0.isFinite ? bound : 0 },
                flags: [UInt8](repeating: 0, count: values.count))
            return answer
        }
    }

    private static func run(_ item: Case, _ values: [HostValue]) throws -> [HostTensor?] {
        let arguments = try PlacedArguments(values.map(\.placed), on: .reference)
        return try item.run(arguments, on: .reference).hosted().tensors
    }

    /// The longest side of a matrix among the arguments.
    private static func matrixSize(_ values: [HostValue]) -> Int {
        values.flatMap(\.tensors).map { $0.shape.suffix(2).max() ?? 1 }.max().map { max($0, 1) } ?? 1
    }

    /// What is wrong with results by their residuals; nil if nothing is.
    static func failure(
        _ judgement: FactorJudgement, _ arguments: [Value], _ results: [HostTensor], _ dtype: DType
    ) throws -> String? {
        let values = try arguments.map(HostValue.init).map { $0.widened() }
        let placed = try PlacedArguments(values.map(\.placed), on: .reference)
        let wide = try results.map { try $0.widened().tensor(on: .reference) }
        let bound = multiple * Double(matrixSize(values)) * 1.0.ulp(of: dtype.toReal) / 2
        for residual in try catching({ judgement.residuals(placed.values, wide) }) {
            let difference = largest(try HostTensor(residual.difference))
            let limit = try residual.size.map { bound * largest(try HostTensor($0)) } ?? 0
            if difference <= limit { continue }
            return "\(residual.name) is \(difference.short) where at most \(limit.short) is right"
        }
        return nil
    }

    /// The largest magnitude; NaN if there is one.
    private static func largest(_ x: HostTensor) -> Double {
        x.parts.doubles.reduce(0) { $0.isNaN || $1.isNaN ? .nan : max($0, $1.magnitude) }
    }
}

extension FactorJudgement {
    /// What a gradient is seeded with for a result whose vectors have free phases: proportional to the result, as
    /// the gradient of ½·Σw·|x|² is, so that it leads to the same gradients whatever the phases are.
    static func seed(_ judgement: FactorJudgement?, _ i: Int, _ seed: Tensor, _ result: Tensor) -> Tensor {
        judgement?.freedom[i] == nil ? seed : seed.real * result.detach()
    }
}

extension HostTensor {
    /// Floats in float64, complex numbers in complex128.
    func widened() -> HostTensor {
        guard dtype.hasGradient, dtype.toReal != .float64 else { return self }
        return HostTensor(
            dtype: dtype.isComplex ? .complex128 : .float64, shape: shape,
            bytes: parts.doubles.withUnsafeBytes { Array($0) })
    }

    /// Floats and complex numbers rounded to the precision of a dtype.
    func narrowed(to dtype: DType) throws -> HostTensor {
        guard self.dtype.toReal == .float64, dtype.toReal != .float64 else { return self }
        if dtype.toReal != .float32 { return try HostTensor(try tensor(on: .reference).to(dtype)) }
        return HostTensor(
            dtype: self.dtype.isComplex ? .complex64 : .float32, shape: shape,
            bytes: parts.doubles.map(Float.init).withUnsafeBytes { Array($0) })
    }

    /// Each float moved by at most `step` times the largest.
    fileprivate func moved(by step: Double, _ maker: inout SampleMaker) -> HostTensor {
        guard dtype.toReal == .float64 else { return self }
        let values = parts.doubles
        let size = step * values.reduce(0) { Swift.max($0, $1.isFinite ? $1.magnitude : 0) }
        let moved = values.map { $0 + size * (2 * maker.unit() - 1) }
        return HostTensor(dtype: dtype, shape: shape, bytes: moved.withUnsafeBytes { Array($0) })
    }
}

extension HostValue {
    func widened() -> HostValue { mapped { $0.widened() } }

    fileprivate func moved(by step: Double, _ maker: inout SampleMaker) -> HostValue {
        mapped { $0.moved(by: step, &maker) }
    }
}
