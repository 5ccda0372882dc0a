/// A boxed argument or result, for calls by name.
public enum Value: Sendable {
    case none
    case tensor(Tensor)
    case tensors([Tensor])
    case scalar(Scalar)
    case ints([Int])
    case doubles([Double])
    /// A list where a tensor may be missing: the dims that are not indexed.
    case optionalTensors([Tensor?])
    case device(Device)
    case dtype(DType)
    case string(String)
    /// Where random numbers come from.
    case stream(RandomStream)

    public var tensor: Tensor? { if case .tensor(let x) = self { x } else { nil } }
    public var isNone: Bool { if case .none = self { true } else { false } }
}

extension Value: ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByStringLiteral
{
    public init(nilLiteral: ()) { self = .none }
    public init(integerLiteral value: Int64) { self = .scalar(.int(value)) }
    public init(floatLiteral value: Double) { self = .scalar(.double(value)) }
    public init(booleanLiteral value: Bool) { self = .scalar(.bool(value)) }
    public init(arrayLiteral elements: Int...) { self = .ints(elements) }
    public init(stringLiteral value: String) { self = .string(value) }
}

/// The arguments of a call by name, checked against the schema.
public struct Arguments: Sendable {
    let op: String
    let schema: Schema
    public let values: [Value]

    /// The argument as it was given, nil if the schema has none of that name.
    subscript(name: String) -> Value? {
        schema.arguments.firstIndex { $0.name == name }.map { values[$0] }
    }

    private func position(_ name: String) throws(CressetError) -> Int {
        guard let i = schema.arguments.firstIndex(where: { $0.name == name }) else {
            throw CressetError(.internal, op: op, "the schema has no argument \(name)")
        }
        return i
    }

    private func wrong(_ name: String, _ what: String, _ got: Value) -> CressetError {
        schema.wrong(name, what, got)
    }

    public func tensor(_ name: String) throws(CressetError) -> Tensor {
        let value = values[try position(name)]
        guard case .tensor(let tensor) = value else { throw wrong(name, "a tensor", value) }
        return tensor
    }

    public func optionalTensor(_ name: String) throws(CressetError) -> Tensor? {
        values[try position(name)].isNone ? nil : try tensor(name)
    }

    public func tensors(_ name: String) throws(CressetError) -> [Tensor] {
        let value = values[try position(name)]
        guard case .tensors(let tensors) = value else { throw wrong(name, "a list of tensors", value) }
        return tensors
    }

    public func scalar(_ name: String) throws(CressetError) -> Scalar {
        let value = values[try position(name)]
        // (As in PyTorch a 0-d tensor is taken for a number.)
        if case .tensor(let x) = value, x.ndim == 0, !x.dtype.isComplex {
            return x.dtype.isFloatingPoint ? .double(try x.doubles()[0]) : .int(Int64(x.itemInt()))
        }
        guard case .scalar(let scalar) = value else { throw wrong(name, "a number", value) }
        return scalar
    }

    /// A list that may lack tensors.
    public func optionalTensors(_ name: String) throws(CressetError) -> [Tensor?] {
        let value = values[try position(name)]
        switch value {
        case .tensors(let tensors): return tensors
        case .optionalTensors(let tensors): return tensors
        default: throw wrong(name, "a list of tensors", value)
        }
    }

    public func optionalScalar(_ name: String) throws(CressetError) -> Scalar? {
        values[try position(name)].isNone ? nil : try scalar(name)
    }

    public func int(_ name: String) throws(CressetError) -> Int {
        let value = values[try position(name)]
        guard case .scalar(.int(let x)) = value else { throw wrong(name, "an integer", value) }
        return Int(x)
    }

    public func optionalInt(_ name: String) throws(CressetError) -> Int? {
        values[try position(name)].isNone ? nil : try int(name)
    }

    public func double(_ name: String) throws(CressetError) -> Double { try scalar(name).doubleValue }

    public func bool(_ name: String) throws(CressetError) -> Bool {
        let value = values[try position(name)]
        guard case .scalar(.bool(let x)) = value else { throw wrong(name, "a boolean", value) }
        return x
    }

    public func optionalBool(_ name: String) throws(CressetError) -> Bool? {
        values[try position(name)].isNone ? nil : try bool(name)
    }
    public func ints(_ name: String) throws(CressetError) -> [Int] {
        let value = values[try position(name)]
        if case .scalar(.int(let x)) = value { return [Int(x)] }
        // (As in PyTorch a vector of integers is taken for a list of them.)
        if case .tensor(let x) = value, x.ndim == 1, Set<DType>.integer.contains(x.dtype) {
            return try x.elements(Int64.self).map(Int.init)
        }
        guard case .ints(let list) = value else { throw wrong(name, "a list of integers", value) }
        return list
    }

    public func optionalInts(_ name: String) throws(CressetError) -> [Int]? {
        values[try position(name)].isNone ? nil : try ints(name)
    }

    /// A list of numbers; one number stands for a list of itself.
    public func optionalDoubles(_ name: String) throws(CressetError) -> [Double]? {
        let value = values[try position(name)]
        switch value {
        case .none: return nil
        case .doubles(let list): return list
        case .ints(let list): return list.map(Double.init)
        case .scalar(let x): return [x.doubleValue]
        default: throw wrong(name, "a list of numbers", value)
        }
    }

    /// A device, which may be spelled; nil stands for the default one.
    public func optionalDevice(_ name: String) throws(CressetError) -> Device? {
        let value = values[try position(name)]
        switch value {
        case .none: return nil
        case .device(let device): return device
        case .string(let text): return try Device(text)
        default: throw wrong(name, "a device", value)
        }
    }

    /// The argument `generator`; nil stands for the default stream.
    public func stream(_ name: String = "generator") throws(CressetError) -> RandomStream {
        let value = values[try position(name)]
        switch value {
        case .none: return .default
        case .stream(let stream): return stream
        default: throw wrong(name, "a stream of random numbers", value)
        }
    }

    public func optionalString(_ name: String) throws(CressetError) -> String? {
        values[try position(name)].isNone ? nil : try string(name)
    }

    public func optionalDType(_ name: String) throws(CressetError) -> DType? {
        let value = values[try position(name)]
        switch value {
        case .none: return nil
        case .dtype(let dtype): return dtype
        default: throw wrong(name, "a dtype", value)
        }
    }

    public func string(_ name: String) throws(CressetError) -> String {
        let value = values[try position(name)]
        guard case .string(let text) = value else { throw wrong(name, "a string", value) }
        return text
    }
}

extension Value {
    var kind: String {
        switch self {
        case .none: "None"
        case .tensor: "a tensor"
        case .tensors: "a list of tensors"
        case .scalar(let x): "\(x)"
        case .ints(let x): "\(x)"
        case .doubles(let x): "\(x)"
        case .optionalTensors: "a list of tensors"
        case .device(let x): "\(x)"
        case .dtype(let x): "\(x)"
        case .string(let x): "\"\(x)\""
        case .stream: "a stream of random numbers"
        }
    }
}
