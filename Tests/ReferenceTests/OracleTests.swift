import BackendKit
import CBackend
import Glibc
import Testing

@Suite struct OracleTests {
    /// Random programs on ordinary numbers: what the reference device gets lies within the bound.
    @Test(arguments: [DType.float32, .float64, .float16, .bfloat16])
    func randomProgramsLieWithin(dtype: DType) throws {
        let (reference, oracle) = (try Driver.reference(), try Driver.oracle())
        var (inexact, uncertain, total) = (0, 0, 0)
        for seed in 0..<300 {
            var random = TestRandom(seed: UInt64(seed) + 1)
            let program = randomProgram(dtype, &random)
            let n = 33
            let inputs = (0..<2).map { _ in (0..<n).map { _ in Double.random(in: -4...4, using: &random) } }
            func run(_ device: Driver) throws -> HostTensor {
                // The inputs as float64, cast by the program's own first step.
                let tensors = try inputs.map { try device.tensor($0, .float64) }
                let output = try device.empty(dtype, [n])
                try device.launch(.pointwise, tensors, [output], program: program)
                return output
            }
            let got = try values(run(reference))
            let known = try oracle.inspect(run(oracle))
            for i in 0..<n {
                total += 1
                inexact += known.bound[i] > 0 ? 1 : 0
                uncertain += known.flags[i] & 1 == 1 ? 1 : 0
                #expect(
                    accepts(got[i], known.value[i], known.bound[i], known.flags[i]),
                    "seed \(seed), element \(i): \(got[i]), not \(known.value[i]) ± \(known.bound[i])\n\(program)")
            }
        }
        print("\(dtype): \(total) results, \(inexact) inexact, \(uncertain) uncertain")
        #expect(inexact > total / 4 && uncertain < total / 4)
    }

    /// Where nothing cancels the bound is a few ulps, not a licence.
    @Test func boundsAreTight() throws {
        let oracle = try Driver.oracle()
        let n = 1000
        var random = TestRandom(seed: 7)
        let x = try oracle.tensor((0..<n).map { _ in Float.random(in: 0.5...2, using: &random) }, .float32)
        let y = try oracle.tensor((0..<n).map { _ in Float.random(in: 0.5...2, using: &random) }, .float32)
        var b = ProgramBuilder()
        let (p, q) = (b.load(0, .float32), b.load(1, .float32))
        let sum = b.binary(.add, b.binary(.mul, p, q), b.call(.exp, p))
        b.store(b.binary(.div, b.unary(.sqrt, sum), b.call(.log1p, q)), to: 0, as: .float32)
        let output = try oracle.empty(.float32, [n])
        try oracle.launch(.pointwise, [x, y], [output], program: b.finish())
        let known = try oracle.inspect(output)
        let ulps = (0..<n).map { known.bound[$0] / Double(Float(known.value[$0]).ulp) }
        print("bounds: \(ulps.min() ?? 0)...\(ulps.max() ?? 0) ulp")
        #expect(ulps.allSatisfy { $0 > 0.5 && $0 < 100 } && known.flags.allSatisfy { $0 == 0 })
    }

    /// A result decided by rounding: 0.1 + 0.2 may or may not be above the float next to it.
    @Test func branchesInsideTheBoundAreBothAccepted() throws {
        let oracle = try Driver.oracle()
        // sin(x) compared with itself as another program would compute it.
        let x = try oracle.tensor([0.3, 1.2] as [Float], .float32)
        var b = ProgramBuilder()
        let s = b.call(.sin, b.load(0, .float32))
        let other = b.call(.cos, b.binary(.sub, b.const(Double.pi / 2, .f32), b.load(0, .float32)))
        let less = b.binary(.lt, s, other)
        b.store(less, to: 0, as: .bool)
        b.store(b.select(less, b.const(1.0, .f32), b.const(2.0, .f32)), to: 1, as: .float32)
        b.store(b.select(b.binary(.lt, s, b.const(2.0, .f32)), s, other), to: 2, as: .float32)
        b.store(b.unary(.floor, b.binary(.sub, b.binary(.div, s, other), b.const(1.0, .f32))), to: 3, as: .float32)
        let outputs = try [DType.bool, .float32, .float32, .float32].map { try oracle.empty($0, [2]) }
        try oracle.launch(.pointwise, [x], outputs, program: b.finish())
        #expect(try oracle.inspect(outputs[0]).flags.allSatisfy { $0 & 1 == 1 })
        let hull = try oracle.inspect(outputs[1])
        #expect(hull.bound == [1, 1])
        #expect(try oracle.inspect(outputs[2]).bound.allSatisfy { $0 > 0 && $0 < 1e-6 })
        let steps = try oracle.inspect(outputs[3])
        #expect(steps.bound == [1, 1], "\(steps)")
    }

    @Test func overflowAtTheEdgeIsMarked() throws {
        let oracle = try Driver.oracle()
        // exp(88) · scale is where rounding to infinity begins, give or take its error.
        let x = try oracle.tensor([88, 100, 1] as [Float], .float32)
        let scale = (0x1p128 - 0x1p103) / exp(88.0)
        var b = ProgramBuilder()
        let y = b.call(.exp, b.load(0, .float32))
        b.store(b.binary(.mul, y, b.const(scale, .f32)), to: 0, as: .float32)
        let output = try oracle.empty(.float32, [3])
        try oracle.launch(.pointwise, [x], [output], program: b.finish())
        let known = try oracle.inspect(output)
        #expect(known.flags == [2, 0, 0])
        #expect(known.value[1] == .infinity && known.bound[1] == 0)
    }

    /// Sums of whole numbers have no error in any order; others have.
    @Test func sumsAndProducts() throws {
        let (reference, oracle) = (try Driver.reference(), try Driver.oracle())
        let n = 1000
        let whole = try oracle.tensor((0..<n).map { Float($0 % 7) }, .float32)
        #expect(try oracle.inspect(oracle.reduced(.sum, whole, dims: [0], to: .float32)).bound == [0])
        var random = TestRandom(seed: 3)
        let x = (0..<n).map { _ in Float.random(in: -1...1, using: &random) }
        for kind in [Reduction.sum, .prod, .max] {
            let known = try oracle.inspect(oracle.reduced(kind, oracle.tensor(x, .float32), dims: [0], to: .float32))
            let got = try values(reference.reduced(kind, reference.tensor(x, .float32), dims: [0], to: .float32))
            #expect(accepts(got[0], known.value[0], known.bound[0], known.flags[0]), "\(kind)")
            if kind == .sum {
                let absolute = x.reduce(0) { $0 + Double(abs($1)) }
                let rule = 4 * Double(n).squareRoot() * 0x1p-24 * absolute
                #expect(known.bound[0] > rule / 2 && known.bound[0] < 1.1 * rule)
            }
            if kind == .max { #expect(known.bound[0] == 0) }
        }
    }

    /// 1e-30 · 1e-30 is 0, and 0 · ∞ NaN: which partial product comes first is the device's own business.
    @Test func productsOfInfinityAndTheVerySmallAreOpen() throws {
        let oracle = try Driver.oracle()
        func flags(_ x: [Float]) throws -> UInt8 {
            try oracle.inspect(oracle.reduced(.prod, oracle.tensor(x, .float32), dims: [0], to: .float32)).flags[0]
        }
        #expect(try flags([1e-30, 1e-30, .infinity]) & 1 == 1)
        #expect(try flags([1e-30, 1e30, .infinity]) == 0)
        #expect(try flags([1e-30, 1e-30, .nan]) == 0)
        #expect(try flags([0, 2, .infinity]) == 0)
    }

    @Test(arguments: [DType.float32, .bfloat16, .float16])
    func matmulsLieWithin(dtype: DType) throws {
        let (m, k, n) = (5, 300, 7)
        var random = TestRandom(seed: 11)
        let a = (0..<m * k).map { _ in Double.random(in: -1...1, using: &random) }
        let b = (0..<k * n).map { _ in Double.random(in: -1...1, using: &random) }
        func run(_ device: Driver) throws -> HostTensor {
            func rounded(_ x: [Double], _ shape: [Int]) throws -> HostTensor {
                let output = try device.empty(dtype, shape)
                var p = ProgramBuilder()
                p.store(p.cast(p.load(0, .float64), to: .f32), to: 0, as: dtype)
                try device.launch(.pointwise, [device.tensor(x, .float64, shape)], [output], program: p.finish())
                return output
            }
            let output = try device.empty(dtype, [m, n])
            try device.launch(.matmul, [rounded(a, [m, k]), rounded(b, [k, n])], [output])
            return output
        }
        let got = try Driver.reference().withLifetime { try values(run($0)) }
        let known = try Driver.oracle().withLifetime { try $0.inspect(run($0)) }
        for i in 0..<m * n {
            #expect(accepts(got[i], known.value[i], known.bound[i], known.flags[i]))
            #expect(known.bound[i] > 0 && known.bound[i] < (dtype == .float32 ? 1e-3 : 0.3))
        }
    }

    /// Bounds travel with the elements: through copies, gathers and scatters, but not through the host.
    @Test func boundsMove() throws {
        let oracle = try Driver.oracle()
        let x = try oracle.tensor([0.5, 0.25, 2] as [Float], .float32)
        let y = try oracle.empty(.float32, [3])
        var b = ProgramBuilder()
        b.store(b.call(.exp, b.load(0, .float32)), to: 0, as: .float32)
        try oracle.launch(.pointwise, [x], [y], program: b.finish())
        let bounds = try oracle.inspect(y).bound
        #expect(bounds.allSatisfy { $0 > 0 })
        let z = try oracle.empty(.float32, [3])
        var attributes = CressetIndexAttributes([(3, 1)])
        let order = try oracle.tensor([2, 0, 1] as [Int64], .int64)
        try oracle.launch(.gather, [y.view([3], strides: [0]), order], [z], attributes: &attributes)
        #expect(try oracle.inspect(z).bound == [bounds[2], bounds[0], bounds[1]])
        try check(oracle.table.copy_within(oracle.queue, y.memory.buffer, 4, z.memory.buffer, 0, 8))
        #expect(try oracle.inspect(z).bound == [bounds[1], bounds[2], bounds[1]])
        try z.memory.copyIn([1] as [Float], at: 4)
        #expect(try oracle.inspect(z).bound == [bounds[1], 0, bounds[1]])
        var add = CressetIndexAttributes([(3, 1)], .add)
        try oracle.launch(.scatter, [y, order], [z.view([3], strides: [0])], attributes: &add)
        #expect(try oracle.inspect(z).bound.allSatisfy { $0 > 0 && $0 < 1e-5 })
    }

    // MARK: Random programs

    /// Some twenty instructions on two float64 inputs, rounded to the dtype's arithmetic type.
    private func randomProgram(_ dtype: DType, _ random: inout TestRandom) -> Program {
        var b = ProgramBuilder()
        let type = dtype.arithmetic
        var floats = (0..<2).map { b.cast(b.load($0, .float64), to: type) }
        // Exact operands have one right answer; a function of one makes the rest interesting.
        floats += [b.call(.atan, floats[0]), b.call(.exp, floats[1])]
        floats.append(b.const(Double(Float16(Double.random(in: -2...2, using: &random))), type))
        var bools = [b.binary(.lt, floats[0], floats[1])]
        for _ in 0..<Int.random(in: 3...14, using: &random) {
            let x = floats.suffix(5).randomElement(using: &random) ?? floats[0]
            let y = floats.randomElement(using: &random) ?? floats[0]
            switch Int.random(in: 0..<14, using: &random) {
            case 0, 1: floats.append(b.binary(.add, x, y))
            case 2: floats.append(b.binary(.sub, x, y))
            case 3, 4: floats.append(b.binary(.mul, x, y))
            case 5: floats.append(b.binary(.div, x, y))
            case 6: floats.append(b.binary(Bool.random(using: &random) ? .min : .max, x, y))
            case 7:
                let opcode = [Opcode.neg, .abs, .sqrt, .floor, .round, .trunc].randomElement(using: &random) ?? .neg
                floats.append(b.unary(opcode, x))
            case 8:
                bools.append(b.binary([.lt, .le, .eq].randomElement(using: &random) ?? .lt, x, y))
                floats.append(b.select(bools.randomElement(using: &random) ?? bools[0], x, y))
            case 9: floats.append(b.fma(x, y, floats[0]))
            case 10: floats.append(b.binary(.rem, x, y))
            case 11: floats.append(b.cast(b.cast(x, to: .i32), to: type))
            case 12: floats.append(dtype == type.dtype ? x : b.narrow(x, to: dtype))
            default:
                let function = Function.allCases.randomElement(using: &random) ?? .exp
                floats.append(b.call(function, x, function.argumentCount == 2 ? y : nil))
            }
        }
        b.store(floats[floats.count - 1], to: 0, as: dtype)
        return b.finish()
    }

    private func values(_ tensor: HostTensor) throws -> [Double] {
        switch tensor.dtype {
        case .float32: try tensor.read(Float.self).map { Double($0) }
        case .float16: try tensor.read(Float16.self).map { Double($0) }
        case .bfloat16: try tensor.read(UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) }
        default: try tensor.read()
        }
    }

    private func accepts(_ got: Double, _ value: Double, _ bound: Double, _ flags: UInt8) -> Bool {
        if flags & 1 == 1 { return true }
        if flags & 2 == 2 && got.isInfinite && (got < 0) == (value < 0) { return true }
        if got.isNaN || value.isNaN { return got.isNaN && value.isNaN }
        return got == value || abs(got - value) <= bound
    }
}

extension Driver {
    /// Keeps the device alive while `body` uses it.
    func withLifetime<R>(_ body: (Driver) throws -> R) rethrows -> R {
        try withExtendedLifetime(self) { try body(self) }
    }
}
