import BackendKit

/// A scalar expression: what a pointwise operation means for one element.
///
/// Expressions read like mathematics (`x * 0.5 * (1 + erf(x / √2))`), are typed when they are made,
/// and are turned into a `Program` by `lower` and differentiated by `Derivative`. Equal
/// subexpressions need not be shared by hand: lowering computes each once.
public struct Expr: Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    package indirect enum Node: Sendable {
        case input(Int, DType)
        case param(Int, ArithmeticType)
        case const(Double, ArithmeticType)
        case integer(Int64, ArithmeticType)
        case index
        case unary(Opcode, Expr)
        case binary(Opcode, Expr, Expr)
        case select(Expr, Expr, Expr)
        case call(Function, Expr, Expr?)
        case cast(Expr, ArithmeticType)
        case bitcast(Expr, ArithmeticType)
        case narrow(Expr, DType)
        case philox(key: Expr, counter: Expr, word: Int)
    }

    /// Shared by every use of the expression: identity tells repeated uses apart from equal ones cheaply.
    package final class Box: Sendable {
        let node: Node
        /// nil for a literal that has yet to take the type of what it meets.
        let type: ArithmeticType?
        init(_ node: Node, _ type: ArithmeticType?) {
            self.node = node
            self.type = type
        }
    }
    package let box: Box

    var node: Node { box.node }
    var type: ArithmeticType? { box.type }

    init(_ node: Node, _ type: ArithmeticType?) { box = Box(node, type) }

    /// A literal; it takes the type of the other operand.
    public init(floatLiteral value: Double) { self.init(.const(value, .f64), nil) }
    public init(integerLiteral value: Int) { self.init(.const(Double(value), .f64), nil) }
    public init(_ value: Double) { self.init(.const(value, .f64), nil) }
    package init(_ value: Double, _ type: ArithmeticType) { self.init(.const(value, type), type) }
    package init(integer value: Int64, _ type: ArithmeticType) { self.init(.integer(value, type), type) }

    /// The literal with a type, or the expression as it is.
    func typed(_ type: ArithmeticType) -> Expr {
        if case .const(let value, _) = node, self.type == nil { return Expr(value, type) }
        return self
    }

    // MARK: Making

    private static func matched(_ x: Expr, _ y: Expr) -> (Expr, Expr, ArithmeticType) {
        let type = x.type ?? y.type ?? .f64
        let (x, y) = (x.typed(type), y.typed(type))
        precondition(
            x.type == y.type, "expression mixes \(String(describing: x.type)) and \(String(describing: y.type))")
        return (x, y, type)
    }

    static func unary(_ opcode: Opcode, _ x: Expr) -> Expr { Expr(.unary(opcode, x), x.type) }

    static func binary(_ opcode: Opcode, _ x: Expr, _ y: Expr) -> Expr {
        let (x, y, type) = matched(x, y)
        return Expr(.binary(opcode, x, y), opcode.isComparison ? .bool : type)
    }

    package func cast(to type: ArithmeticType) -> Expr {
        if self.type == nil { return typed(type) }
        return self.type == type ? self : Expr(.cast(self, type), type)
    }

    package func bitcast(to type: ArithmeticType) -> Expr { Expr(.bitcast(self, type), type) }

    /// Rounded (or wrapped) to what `dtype` stores.
    package func narrow(to dtype: DType) -> Expr {
        let x = typed(dtype.arithmetic)
        return dtype == dtype.arithmetic.dtype ? x : Expr(.narrow(x, dtype), dtype.arithmetic)
    }

    package static func philox(key: Expr, counter: Expr, word: Int) -> Expr {
        Expr(.philox(key: key, counter: counter, word: word), .i32)
    }

    package static func call(_ function: Function, _ x: Expr, _ y: Expr? = nil) -> Expr {
        guard let y else { return Expr(.call(function, x, nil), x.type) }
        let (a, b, type) = matched(x, y)
        return Expr(.call(function, a, b), type)
    }
}

// MARK: Operators

extension Expr {
    /// The sum.
    public static func + (x: Expr, y: Expr) -> Expr { binary(.add, x, y) }
    /// The difference.
    public static func - (x: Expr, y: Expr) -> Expr { binary(.sub, x, y) }
    /// The product.
    public static func * (x: Expr, y: Expr) -> Expr { binary(.mul, x, y) }
    /// The quotient; of integers it is truncated.
    public static func / (x: Expr, y: Expr) -> Expr { binary(.div, x, y) }
    /// The remainder, with the sign of x.
    public static func % (x: Expr, y: Expr) -> Expr { binary(.rem, x, y) }
    /// The negative.
    public static prefix func - (x: Expr) -> Expr { unary(.neg, x) }

    /// True where both are equal.
    public static func .== (x: Expr, y: Expr) -> Expr { binary(.eq, x, y) }
    /// True where they differ, or one is NaN.
    public static func .!= (x: Expr, y: Expr) -> Expr { binary(.ne, x, y) }
    /// True where x is less.
    public static func .< (x: Expr, y: Expr) -> Expr { binary(.lt, x, y) }
    /// True where x is not greater.
    public static func .<= (x: Expr, y: Expr) -> Expr { binary(.le, x, y) }
    /// True where x is greater.
    public static func .> (x: Expr, y: Expr) -> Expr { binary(.lt, y, x) }
    /// True where x is not less.
    public static func .>= (x: Expr, y: Expr) -> Expr { binary(.le, y, x) }

    /// Both, bit by bit.
    public static func & (x: Expr, y: Expr) -> Expr { binary(.and, x, y) }
    /// Either, bit by bit.
    public static func | (x: Expr, y: Expr) -> Expr { binary(.or, x, y) }
    /// One of both, bit by bit.
    public static func ^ (x: Expr, y: Expr) -> Expr { binary(.xor, x, y) }
    /// The opposite, bit by bit.
    public static prefix func ! (x: Expr) -> Expr { unary(.not, x) }
}

// MARK: Functions

/// x where the condition holds, else y; both are computed.
public func select(_ condition: Expr, _ x: Expr, _ y: Expr) -> Expr {
    let type = x.type ?? y.type ?? .f64
    return Expr(.select(condition.typed(.bool), x.typed(type), y.typed(type)), type)
}
/// |x|
public func abs(_ x: Expr) -> Expr { .unary(.abs, x) }
/// √x
public func sqrt(_ x: Expr) -> Expr { .unary(.sqrt, x) }
/// The largest integer not above x.
public func floor(_ x: Expr) -> Expr { .unary(.floor, x) }
/// The least integer not below x.
public func ceil(_ x: Expr) -> Expr { .unary(.ceil, x) }
/// x without what is behind the point.
public func trunc(_ x: Expr) -> Expr { .unary(.trunc, x) }
/// The nearest integer; of two the even one.
public func round(_ x: Expr) -> Expr { .unary(.round, x) }
/// The lesser of both; NaN if one is.
public func minimum(_ x: Expr, _ y: Expr) -> Expr { .binary(.min, x, y) }
/// The greater of both; NaN if one is.
public func maximum(_ x: Expr, _ y: Expr) -> Expr { .binary(.max, x, y) }
/// eˣ
public func exp(_ x: Expr) -> Expr { .call(.exp, x) }
/// eˣ − 1, exact near 0.
public func expm1(_ x: Expr) -> Expr { .call(.expm1, x) }
/// ln x
public func log(_ x: Expr) -> Expr { .call(.log, x) }
/// ln(1 + x), exact near 0.
public func log1p(_ x: Expr) -> Expr { .call(.log1p, x) }
/// The sine.
public func sin(_ x: Expr) -> Expr { .call(.sin, x) }
/// The cosine.
public func cos(_ x: Expr) -> Expr { .call(.cos, x) }
/// The hyperbolic tangent.
public func tanh(_ x: Expr) -> Expr { .call(.tanh, x) }
/// 2ˣ
public func exp2(_ x: Expr) -> Expr { .call(.exp2, x) }
/// The logarithm of base 2.
public func log2(_ x: Expr) -> Expr { .call(.log2, x) }
/// The logarithm of base 10.
public func log10(_ x: Expr) -> Expr { .call(.log10, x) }
/// The tangent.
public func tan(_ x: Expr) -> Expr { .call(.tan, x) }
/// The inverse sine.
public func asin(_ x: Expr) -> Expr { .call(.asin, x) }
/// The inverse cosine.
public func acos(_ x: Expr) -> Expr { .call(.acos, x) }
/// The inverse tangent.
public func atan(_ x: Expr) -> Expr { .call(.atan, x) }
/// The angle of the point (x, y).
public func atan2(_ y: Expr, _ x: Expr) -> Expr { .call(.atan2, y, x) }
/// The hyperbolic sine.
public func sinh(_ x: Expr) -> Expr { .call(.sinh, x) }
/// The hyperbolic cosine.
public func cosh(_ x: Expr) -> Expr { .call(.cosh, x) }
/// The inverse hyperbolic sine.
public func asinh(_ x: Expr) -> Expr { .call(.asinh, x) }
/// The inverse hyperbolic cosine.
public func acosh(_ x: Expr) -> Expr { .call(.acosh, x) }
/// The inverse hyperbolic tangent.
public func atanh(_ x: Expr) -> Expr { .call(.atanh, x) }
/// ln |Γ(x)|
public func lgamma(_ x: Expr) -> Expr { .call(.lgamma, x) }
/// ψ(x), the derivative of ln Γ.
public func digamma(_ x: Expr) -> Expr { .call(.digamma, x) }
/// 1 − erf(x).
public func erfc(_ x: Expr) -> Expr { .call(.erfc, x) }
/// The inverse of the error function.
public func erfinv(_ x: Expr) -> Expr { .call(.erfinv, x) }
/// The error function.
public func erf(_ x: Expr) -> Expr { .call(.erf, x) }
/// xʸ
public func pow(_ x: Expr, _ y: Expr) -> Expr { .call(.pow, x, y) }
/// True where x is NaN.
public func isNaN(_ x: Expr) -> Expr { x .!= x }
/// Row-major index of the element, an i64.
public func elementIndex() -> Expr { Expr(.index, .i64) }

// MARK: Lowering

extension Expr {
    /// Appends the instructions that compute this expression; a subexpression used twice is computed once.
    func lower(into builder: inout ProgramBuilder, _ done: inout [ObjectIdentifier: ProgramBuilder.Value])
        -> ProgramBuilder.Value
    {
        let id = ObjectIdentifier(box)
        if let value = done[id] { return value }
        let value: ProgramBuilder.Value
        switch node {
        case .input(let k, let dtype): value = builder.load(k, dtype)
        case .param(let k, let type): value = builder.param(k, type)
        case .const(let x, let type): value = builder.const(x, type)
        case .integer(let x, let type): value = builder.const(x, type)
        case .index: value = builder.index()
        case .unary(let opcode, let x): value = builder.unary(opcode, x.lower(into: &builder, &done))
        case .binary(let opcode, let x, let y):
            let a = x.lower(into: &builder, &done)
            let b = y.lower(into: &builder, &done)
            value = builder.binary(opcode, a, b)
        case .select(let c, let x, let y):
            let condition = c.lower(into: &builder, &done)
            let a = x.lower(into: &builder, &done)
            let b = y.lower(into: &builder, &done)
            value = builder.select(condition, a, b)
        case .call(let function, let x, let y):
            let a = x.lower(into: &builder, &done)
            let b = y?.lower(into: &builder, &done)
            value = builder.call(function, a, b)
        case .cast(let x, let type): value = builder.cast(x.lower(into: &builder, &done), to: type)
        case .bitcast(let x, let type): value = builder.bitcast(x.lower(into: &builder, &done), to: type)
        case .narrow(let x, let dtype): value = builder.narrow(x.lower(into: &builder, &done), to: dtype)
        case .philox(let key, let counter, let word):
            let k = key.lower(into: &builder, &done)
            let c = counter.lower(into: &builder, &done)
            value = builder.philox(key: k, counter: c, word: word)
        }
        done[id] = value
        return value
    }

    /// The program that stores these expressions as outputs of the given dtypes.
    static func program(_ outputs: [(Expr, DType)]) -> Program {
        var builder = ProgramBuilder()
        var done: [ObjectIdentifier: ProgramBuilder.Value] = [:]
        for (k, (expr, dtype)) in outputs.enumerated() {
            let value = expr.typed(dtype.arithmetic).lower(into: &builder, &done)
            builder.store(builder.cast(value, to: dtype.arithmetic), to: k, as: dtype)
        }
        return builder.finish()
    }

    /// The expressions this one is made of, for walks.
    var operands: [Expr] {
        switch node {
        case .input, .param, .const, .integer, .index: []
        case .unary(_, let x), .cast(let x, _), .bitcast(let x, _), .narrow(let x, _): [x]
        case .binary(_, let x, let y): [x, y]
        case .select(let c, let x, let y): [c, x, y]
        case .call(_, let x, let y): y.map { [x, $0] } ?? [x]
        case .philox(let k, let c, _): [k, c]
        }
    }
}

extension Expr: CustomStringConvertible {
    public var description: String {
        func infix(_ opcode: Opcode) -> String? {
            switch opcode {
            case .add: "+"
            case .sub: "-"
            case .mul: "*"
            case .div: "/"
            case .rem: "%"
            case .eq: "=="
            case .ne: "!="
            case .lt: "<"
            case .le: "<="
            case .and: "&"
            case .or: "|"
            case .xor: "^"
            default: nil
            }
        }
        switch node {
        case .input(let k, _): return ["x", "y", "z"].indices.contains(k) ? ["x", "y", "z"][k] : "x\(k)"
        case .param(let k, _): return "p\(k)"
        case .const(let value, _):
            return value == value.rounded() && Swift.abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
        case .integer(let value, _): return "\(value)"
        case .index: return "index"
        case .unary(.neg, let x): return "-\(x)"
        case .unary(let opcode, let x): return "\(opcode)(\(x))"
        case .binary(let opcode, let x, let y):
            if let symbol = infix(opcode) { return "(\(x) \(symbol) \(y))" }
            return "\(opcode)(\(x), \(y))"
        case .select(let c, let x, let y): return "(\(c) ? \(x) : \(y))"
        case .call(let function, let x, let y): return "\(function)(\(x)\(y.map { ", \($0)" } ?? ""))"
        case .cast(let x, let type): return "\(type)(\(x))"
        case .bitcast(let x, let type): return "bits_\(type)(\(x))"
        case .narrow(let x, let dtype): return "\(dtype)(\(x))"
        case .philox(let key, let counter, let word): return "philox(\(key), \(counter))[\(word)]"
        }
    }
}
