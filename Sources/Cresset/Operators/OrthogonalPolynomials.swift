import BackendKit

/// Orthogonal polynomials of the degree a tensor says: 0 for degrees below 0, fractions of degrees cut off.
/// As in PyTorch they have no derivative.
final class Polynomial: Sendable {
    /// From x, n, and a bound of the degrees if one is known; in the dtype of both.
    typealias Body = @Sendable (_ x: Tensor, _ n: Tensor, _ bound: Int?, _ op: String) throws(CressetError) -> Tensor

    let declarations: [Operator]
    private let name: String
    private let body: Body

    init(_ name: String, of parts: [String], _ body: @escaping Body) {
        self.name = name
        self.body = body
        let shapes: [(Shape, Shape)] = [
            ([5, 7], [5, 7]), ([3, 1, 5], [4, 1]), ([], []), ([0, 4], [4]), ([2, 3, 4], [4]),
        ]
        @Sendable func degrees(_ g: inout SampleMaker, _ shape: Shape) -> Value {
            let values = (0..<shape.elementCount).map { _ in Double(g.int(0..<12)) }
            return .tensor(Tensor(values, shape: shape, dtype: g.dtype == .bool ? .int32 : g.dtype, device: .reference))
        }
        declarations = [
            Operator(
                "\(name)(Tensor x, Tensor n) -> Tensor", dtypes: .real, composition: parts, isDifferentiable: false,
                samples: { g in
                    shapes.map { x, n in Sample([.tensor(g.tensor(x, -1.5, 1.5)), degrees(&g, n)]) }
                },
                errors: { g in
                    [ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast", "[2, 3]")]
                },
                call: { (a) throws(CressetError) in
                    [.tensor(try Self.call(name, body, try a.tensor("x"), try a.tensor("n")))]
                }),
            Operator(
                "\(name).x_scalar(Scalar x, Tensor n) -> Tensor", dtypes: .real, composition: parts,
                isDifferentiable: false,
                samples: { g in [[5, 7], [], [0, 3], [2, 3, 4]].map { Sample([0.75, degrees(&g, $0)]) } },
                errors: { _ in [ErrorSample([1, 2], "argument n must be a tensor")] },
                call: { (a) throws(CressetError) in
                    [.tensor(try Self.call(name, body, try a.scalar("x"), try a.tensor("n")))]
                }),
            Operator(
                "\(name).n_scalar(Tensor x, Scalar n) -> Tensor", dtypes: .real, composition: parts,
                isDifferentiable: false,
                samples: { g in
                    [0, 1, 5, 11].flatMap { n in
                        [[5, 7], [3, 4, 5], [], [0, 3]].map { Sample([.tensor(g.tensor($0, -1.5, 1.5)), Value(n)]) }
                    }
                },
                errors: { _ in [ErrorSample([1, 2], "argument x must be a tensor")] },
                call: { (a) throws(CressetError) in
                    [.tensor(try Self.call(name, body, try a.tensor("x"), try a.scalar("n")))]
                }),
        ]
    }

    func callAsFunction(_ x: Tensor, _ n: Tensor) throws(CressetError) -> Tensor { try Self.call(name, body, x, n) }
    func callAsFunction(_ x: Scalar, _ n: Tensor) throws(CressetError) -> Tensor { try Self.call(name, body, x, n) }
    func callAsFunction(_ x: Tensor, _ n: Scalar) throws(CressetError) -> Tensor { try Self.call(name, body, x, n) }

    private static func call(_ name: String, _ body: Body, _ x: Tensor, _ n: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::" + name
        for tensor in [x, n] { try tensor.checkValid(op) }
        let pair = try Tensor.onOneDevice([x, n], op: op)
        let dtype = Promotion.float(Promotion.result(pair))
        return try resolve(op, pair[0], dtype, pair.map(Value.tensor), try Ops.mul.kernel.broadcastShape(pair)) {
            () throws(CressetError) in
            try body(try pair[0].detach().converted(to: dtype), try pair[1].detach().converted(to: dtype), nil, op)
        }
    }

    private static func call(_ name: String, _ body: Body, _ x: Scalar, _ n: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::\(name).x_scalar"
        try n.checkValid(op)
        let dtype = Promotion.float(Promotion.result([n], [x]))
        return try resolve(op, n, dtype, [.scalar(x), .tensor(n)], n.shape) { () throws(CressetError) in
            let x = try Tensor.filled([], x, dtype: dtype, on: n.runtime, op: op)
            return try body(x, try n.detach().converted(to: dtype), nil, op)
        }
    }

    private static func call(_ name: String, _ body: Body, _ x: Tensor, _ n: Scalar) throws(CressetError) -> Tensor {
        let op = "aten::\(name).n_scalar"
        try x.checkValid(op)
        let dtype = Promotion.float(Promotion.result([x], [n]))
        return try resolve(op, x, dtype, [.tensor(x), .scalar(n)], x.shape) { () throws(CressetError) in
            let degree = try Tensor.filled([], n, dtype: dtype, on: x.runtime, op: op)
            return try body(try x.detach().converted(to: dtype), degree, Int(n.intValue), op)
        }
    }

    private static func resolve(
        _ op: String, _ x: Tensor, _ dtype: DType, _ arguments: [Value], _ shape: Shape,
        _ body: () throws(CressetError) -> Tensor
    ) throws(CressetError) -> Tensor {
        try Override.resolve(OperatorName(op), on: x, dtype, arguments, types: [ResultType(shape, dtype)]) {
            () throws(CressetError) in [try noGrad { () throws(CressetError) in try body() }]
        }[0]
    }
}

// MARK: By recurrence

extension Polynomial {
    /// pₖ₊₁ from x, k, pₖ and pₖ₋₁.
    typealias Step = @Sendable (_ x: Expr, _ k: Expr, _ p: Expr, _ previous: Expr) -> Expr

    /// Steps of one launch.
    private static let stride = 8
    /// Degrees beyond it would keep a device busy for minutes.
    private static let highestDegree = 1 << 17

    /// A family by its recurrence, so many steps a launch.
    ///
    /// - Parameters:
    ///   - first: the polynomial of degree 1.
    ///   - limit: PyTorch's highest degree in float32 and float64, NaN beyond.
    fileprivate convenience init(
        _ name: String, limit: (Int, Int)? = nil, first: @escaping @Sendable (Expr) -> Expr, step: @escaping Step
    ) {
        // Inputs: x, n, pₖ, pₖ₋₁, the result so far. Scalars: k.
        let group = PointwiseGroup("aten::" + name) { inputs, scalars in
            let type = inputs[2].type ?? .f32
            let (x, n) = (inputs[0].cast(to: type), trunc(inputs[1].cast(to: type)))
            var (p, previous, result) = (inputs[2], inputs[3], inputs[4])
            let start = scalars[0].cast(to: type)
            for i in 0..<Self.stride {
                let k = start + Expr(Double(i))
                // Degrees 0 and 1 are where every family begins.
                let general = step(x, k - 1, p, previous)
                let next = select(k .== 0, Expr(1, type), select(k .== 1, first(x), general))
                (p, previous) = (next, p)
                result = select(n .== k, next, result)
            }
            return [p, previous, result]
        }
        self.init(name, of: ["pointwise", "reduce"]) { (x, n, bound, op) throws(CressetError) in
            let type = x.dtype.arithmetic.dtype
            let shape = try Ops.mul.kernel.broadcastShape([x, n])
            func zeros() throws(CressetError) -> Tensor { try .filled(shape, 0, dtype: type, on: x.runtime, op: op) }
            let (p, previous) = (try zeros(), try zeros())
            var result = try zeros()
            guard shape.elementCount > 0 else { return try result.converted(to: x.dtype) }
            // Only the degrees themselves say how far to go: the host must see the highest. (NaN is no degree.)
            var highest =
                bound ?? (n.isMeta ? 0 : Int(exactly: n.nanToNum(nan: 0).trunc().amax().item()) ?? .max)
            if let limit {
                let most = type == .float64 ? limit.1 : limit.0
                highest = Swift.min(highest, most)
                result = Tensor.where(
                    n .> Scalar(most), .full([], .double(.nan), dtype: type, device: x.device), result)
            }
            guard highest <= Self.highestDegree else {
                throw CressetError(
                    .argument, op: op,
                    "the degree \(highest) takes as many steps; at most \(Self.highestDegree) are made")
            }
            var k = 0
            while k <= highest {
                try group.run([x, n, p, previous, result], [Scalar(k)], into: [p, previous, result])
                k += Self.stride
            }
            return try result.converted(to: x.dtype)
        }
    }

    static let hermiteH = Polynomial("special_hermite_polynomial_h", limit: (128, 512), first: { 2 * $0 }) {
        2 * ($0 * $2 - $1 * $3)
    }
    static let hermiteHe = Polynomial("special_hermite_polynomial_he", limit: (128, 512), first: { $0 }) {
        $0 * $2 - $1 * $3
    }
    static let laguerreL = Polynomial("special_laguerre_polynomial_l", first: { 1 - $0 }) {
        ((2 * $1 + 1 - $0) * $2 - $1 * $3) / ($1 + 1)
    }
    static let legendreP = Polynomial("special_legendre_polynomial_p", first: { $0 }) {
        ((2 * $1 + 1) * $0 * $2 - $1 * $3) / ($1 + 1)
    }
}

// MARK: Chebyshev's, in closed form

extension Polynomial {
    private enum Kind: Sendable { case t, u, v, w }

    private static func chebyshev(_ letter: String, _ kind: Kind, shifted: Bool = false) -> Polynomial {
        let name = "special_\(shifted ? "shifted_" : "")chebyshev_polynomial_\(letter)"
        let kernel = Pointwise("aten::" + name, .promote, schema: nil) { c in
            let y = c.inputs[0]
            let x = shifted ? 2 * y - 1 : y
            // (Of the number that was given, which no rounding has touched.)
            let isEnd = shifted ? (y .== 0) | (y .== 1) : abs(y) .== 1
            return chebyshev(kind, x, isEnd, trunc(c.inputs[1]))
        }
        return Polynomial(name, of: ["pointwise"]) { (x, n, _, _) throws(CressetError) in try kernel.run([x, n]) }
    }

    /// Up to degree 6 by recurrence; beyond by angles, x = ±cosh φ or cos θ (DLMF 18.5.1-4, 18.7).
    ///
    /// - Parameter isEnd: where x is 1 or -1. The angle is 0 or π there, and some quotients are 0/0.
    private static func chebyshev(_ kind: Kind, _ x: Expr, _ isEnd: Expr, _ n: Expr) -> Expr {
        let type = x.type ?? .f32
        let one = Expr(1, type)
        let first: Expr
        switch kind {
        case .t: first = x
        case .u: first = 2 * x
        case .v: first = 2 * x - 1
        case .w: first = 2 * x + 1
        }
        var (p, previous) = (first, one)
        var low = select(n .== 0, one, select(n .== 1, first, Expr(0, type)))
        for k in 2...6 {
            (p, previous) = (2 * x * p - previous, p)
            low = select(n .== Expr(Double(k)), p, low)
        }
        let a = abs(x)
        let odd = (n - 2 * floor(n * 0.5)) .!= 0
        // Below -1, Vₙ(x) = (-1)ⁿ·Wₙ(-x) and the other way round; the others are even or odd.
        let phi = Expr.call(.acosh, maximum(a, 1))
        let theta = Expr.call(.acos, maximum(minimum(x, 1), -1))
        func grown(_ kind: Kind) -> Expr {
            switch kind {
            case .t: .call(.cosh, n * phi)
            case .u: .call(.sinh, (n + 1) * phi) / .call(.sinh, phi)
            case .v: .call(.cosh, (n + 0.5) * phi) / .call(.cosh, 0.5 * phi)
            case .w: .call(.sinh, (n + 0.5) * phi) / .call(.sinh, 0.5 * phi)
            }
        }
        let inside: Expr
        let outside: Expr
        let limit: Expr
        let signed = { (y: Expr) in select((x .< 0) & odd, -y, y) }
        switch kind {
        case .t: (inside, outside, limit) = (cos(n * theta), signed(grown(.t)), signed(one))
        case .u: (inside, outside, limit) = (sin((n + 1) * theta) / sin(theta), signed(grown(.u)), signed(n + 1))
        case .v:
            inside = cos((n + 0.5) * theta) / cos(0.5 * theta)
            outside = signed(select(x .< 0, grown(.w), grown(.v)))
            limit = signed(select(x .< 0, 2 * n + 1, one))
        case .w:
            inside = sin((n + 0.5) * theta) / sin(0.5 * theta)
            outside = signed(select(x .< 0, grown(.v), grown(.w)))
            limit = signed(select(x .< 0, one, 2 * n + 1))
        }
        let high = select(isNaN(x), x, select(isEnd, limit, select(a .< 1, inside, outside)))
        return select(0 .<= n, select(n .<= 6, low, high), Expr(0, type))
    }

    static let chebyshevT = chebyshev("t", .t)
    static let chebyshevU = chebyshev("u", .u)
    static let chebyshevV = chebyshev("v", .v)
    static let chebyshevW = chebyshev("w", .w)
    static let shiftedChebyshevT = chebyshev("t", .t, shifted: true)
    static let shiftedChebyshevU = chebyshev("u", .u, shifted: true)
    static let shiftedChebyshevV = chebyshev("v", .v, shifted: true)
    static let shiftedChebyshevW = chebyshev("w", .w, shifted: true)

    static let operators: [Operator] = [
        hermiteH, hermiteHe, laguerreL, legendreP, chebyshevT, chebyshevU, chebyshevV, chebyshevW, shiftedChebyshevT,
        shiftedChebyshevU, shiftedChebyshevV, shiftedChebyshevW,
    ].flatMap(\.declarations)
}
