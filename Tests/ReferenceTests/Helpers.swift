import BackendKit
import CBackend

/// Both devices: what is exact must be the same on either.
let bothDevices = [0, 1]

extension Driver {
    static func device(_ index: Int) throws -> Driver { try index == 0 ? reference() : oracle() }

    /// A pointwise program of one-dimensional inputs; the output's elements.
    func pointwise<R: BitwiseCopyable>(
        _ inputs: [HostTensor], to dtype: DType,
        _ body: (inout ProgramBuilder, [ProgramBuilder.Value]) -> ProgramBuilder.Value
    ) throws -> [R] {
        var b = ProgramBuilder()
        let loads = inputs.enumerated().map { b.load($0.offset, $0.element.dtype) }
        b.store(body(&b, loads), to: 0, as: dtype)
        let output = try empty(dtype, inputs[0].shape)
        try launch(.pointwise, inputs, [output], program: b.finish())
        return try output.read()
    }

    /// One instruction of two operands.
    func binary<T: BitwiseCopyable>(_ opcode: Opcode, _ x: [T], _ y: [T], _ dtype: DType) throws -> [T] {
        try pointwise([tensor(x, dtype), tensor(y, dtype)], to: dtype) { $0.binary(opcode, $1[0], $1[1]) }
    }

    func unary<T: BitwiseCopyable>(_ opcode: Opcode, _ x: [T], _ dtype: DType) throws -> [T] {
        try pointwise([tensor(x, dtype)], to: dtype) { $0.unary(opcode, $1[0]) }
    }

    func compare<T: BitwiseCopyable>(_ opcode: Opcode, _ x: [T], _ y: [T], _ dtype: DType) throws -> [Bool] {
        let bytes: [UInt8] = try pointwise([tensor(x, dtype), tensor(y, dtype)], to: .bool) {
            $0.binary(opcode, $1[0], $1[1])
        }
        return bytes.map { $0 != 0 }
    }

    func cast<T: BitwiseCopyable, R: BitwiseCopyable>(_ x: [T], _ from: DType, to: DType) throws -> [R] {
        try pointwise([tensor(x, from)], to: to) { $0.cast($1[0], to: to.arithmetic) }
    }

    /// One accumulator over dim 1 of a matrix of values; the results.
    func reduce<T: BitwiseCopyable, R: BitwiseCopyable>(
        _ kind: Reduction, _ values: [T], _ dtype: DType, _ shape: [Int], dims: [Int], to result: DType
    ) throws -> [R] {
        let output = try reduced(kind, tensor(values, dtype, shape), dims: dims, to: result)
        return try output.read()
    }

    func reduced(_ kind: Reduction, _ input: HostTensor, dims: [Int], to result: DType) throws -> HostTensor {
        var prologue = ProgramBuilder()
        let x = prologue.load(0, input.dtype)
        prologue.store(x, to: 0, as: x.type.dtype)
        var epilogue = ProgramBuilder()
        let y = epilogue.load(0, kind.isArgument ? .int64 : x.type.dtype)
        epilogue.store(y, to: 0, as: result)
        let kept = input.shape.enumerated().map { dims.contains($0.offset) ? 1 : $0.element }
        let output = try empty(result, kept)
        var view = output
        view.shape = input.shape
        for d in dims { view.strides[d] = 0 }
        var attributes = CressetReduceAttributes(dims: dims, [kind])
        try launch(
            .reduce, [input], [view], program: prologue.finish(), epilogue: epilogue.finish(),
            attributes: &attributes)
        return output
    }

    /// What the oracle says about a tensor it computed.
    func inspect(_ tensor: HostTensor) throws -> (value: [Double], bound: [Double], flags: [UInt8]) {
        let value = try empty(.float64, tensor.shape)
        let bound = try empty(.float64, tensor.shape)
        let flags = try empty(.uint8, tensor.shape)
        for (op, output) in [
            ("cresset::oracle_value", value), ("cresset::error_bound", bound), ("cresset::oracle_flags", flags),
        ] {
            try launch(.override, op: op, [tensor], [output], dtype: tensor.dtype)
        }
        return (try value.read(), try bound.read(), try flags.read())
    }
}

/// xorshift64*: the tests' own random numbers, the same in every run.
struct TestRandom: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// Equal bits, but any NaN equals any other.
func same<T: BinaryFloatingPoint>(_ x: [T], _ y: [T]) -> Bool {
    x.count == y.count
        && zip(x, y).allSatisfy { $0.isNaN && $1.isNaN || $0 == $1 && $0.sign == $1.sign }
}
