import BackendKit
import CBackend
import Synchronization

/// What a pointwise operation computes in, and what it gives.
public enum TypeRule: Sendable {
    /// The promoted dtype in and out: add.
    case promote
    /// The promoted dtype, integers and bool as float32: exp.
    case promoteFloat
    /// Computes in the promoted dtype and gives bool: eq.
    case compare
    /// Each input keeps its dtype; the result's is given by the caller.
    case explicit
}

/// What the expression of a pointwise operation is made from: typed inputs and scalars, and the dtype it computes in.
public struct PointwiseContext {
    /// Already converted to the computation type where the rule promotes.
    public internal(set) var inputs: [Expr]
    public internal(set) var scalars: [Expr]
    /// After promotion.
    public internal(set) var dtype: DType
    var type: ArithmeticType { dtype.arithmetic }
    /// Stands for the operation's own result, in explicit derivatives.
    public var result: Expr { Expr(.input(-1, dtype), dtype.arithmetic) }
    /// The incoming gradient, in explicit derivatives.
    public var grad: Expr { Expr(.input(-2, dtype), dtype.arithmetic) }
}

/// A pointwise kernel: one scalar expression applied to broadcast inputs.
///
/// Its program per combination of dtypes, its derivative with respect to each input and the launch
/// all follow from the expression.
final class Pointwise: @unchecked Sendable {
    // All is immutable but the lists of programs and plans, which are replaced whole through atomic pointers.
    typealias Context = PointwiseContext
    typealias Body = @Sendable (Context) -> Expr

    let name: OperatorName
    /// The name, made once: nodes of the tape keep it.
    let text: String
    let rule: TypeRule
    /// Inputs that promote and are converted; others (a condition) keep their dtype.
    let promotes: @Sendable (Int) -> Bool
    let body: Body
    /// An explicit derivative by input, where the symbolic one is numerically worse or cannot use the
    /// result. nil from it means: take the symbolic one.
    let derivative: (@Sendable (Int, Context) -> Expr?)?
    /// What it means for complex numbers; nil where it is not defined for them.
    let complex: ComplexMeaning?
    /// Types of the scalars, where they are not the computation type.
    let scalarType: @Sendable (Int, DType) -> ArithmeticType
    let hasOwnScalarTypes: Bool
    typealias Schema = @Sendable (_ inputs: [Tensor], _ scalars: [Scalar]) -> [Value]
    /// The arguments of the schema, for a kernel registered by this name; nil where the call is not
    /// one of the schema's (2 - x is no sub.Scalar), so that no such kernel is asked.
    let schema: Schema?
    /// True when the first two inputs promote.
    let promotesAll: Bool

    init(
        _ name: String, _ rule: TypeRule, promotes: @escaping @Sendable (Int) -> Bool = { _ in true },
        scalarType: (@Sendable (Int, DType) -> ArithmeticType)? = nil,
        derivative: (@Sendable (Int, Context) -> Expr?)? = nil, complex: ComplexMeaning? = nil,
        schema: Schema? = { $0.map(Value.tensor) + $1.map(Value.scalar) }, body: @escaping Body
    ) {
        self.name = OperatorName(name)
        text = name
        self.rule = rule
        self.promotes = promotes
        self.scalarType = scalarType ?? { $1.arithmetic }
        hasOwnScalarTypes = scalarType != nil
        self.complex = complex
        self.body = body
        self.derivative = derivative
        self.schema = schema
        promotesAll = promotes(0) && promotes(1)
    }

    // MARK: Programs

    /// The program for one combination of dtypes.
    final class Compiled: Sendable {
        let key: UInt64
        let program: KernelProgram
        let compute: DType
        let output: DType
        let scalarTypes: [ArithmeticType]
        init(key: UInt64, program: KernelProgram, compute: DType, output: DType, scalarTypes: [ArithmeticType]) {
            self.key = key
            self.program = program
            self.compute = compute
            self.output = output
            self.scalarTypes = scalarTypes
        }
    }

    private final class CompiledList: Sendable {
        let items: [Compiled]
        init(_ items: [Compiled]) { self.items = items }
    }
    /// The programs so far; replaced whole, never freed, so readers need no lock.
    private let compiled = Atomic<UnsafeRawPointer?>(nil)
    private let compiling = Lock(())
    private let gradients = Lock([GradientKey: Gradient?]())
    /// Plans so far, replaced whole and never freed.
    let plans = Atomic<UnsafeRawPointer?>(nil)
    let planning = Lock(())
    /// Launches of the quick way.
    let prepared = PreparedLaunches()

    private struct GradientKey: Hashable {
        var input: Int
        var dtypes: [DType]
        var compute: DType
        var scalars: Int
    }

    /// Four bits for each input's dtype, then the computation's and the output's and the number of scalars.
    @inline(__always)
    static func key(_ inputs: UInt64, count: Int, _ compute: DType, _ output: DType, _ scalars: Int) -> UInt64 {
        inputs | UInt64(compute.rawValue) << 44 | UInt64(output.rawValue) << 48 | UInt64(scalars) << 52
            | UInt64(count) << 56
    }

    @inline(__always)
    func lookUp(_ key: UInt64) -> Compiled? {
        guard let pointer = compiled.load(ordering: .acquiring) else { return nil }
        return Unmanaged<CompiledList>.fromOpaque(pointer)._withUnsafeGuaranteedRef { list in
            for item in list.items where item.key == key { return item }
            return nil
        }
    }

    func program(inputs: [DType], compute: DType, output: DType, scalars: Int) -> Compiled {
        var bits: UInt64 = 0
        for (i, dtype) in inputs.enumerated() { bits |= UInt64(dtype.rawValue) << UInt64(4 * i) }
        let key = Self.key(bits, count: inputs.count, compute, output, scalars)
        if let known = lookUp(key) { return known }
        return compiling.withLock { _ in
            if let known = lookUp(key) { return known }
            let program: Program
            if let complex, Self.isComplex(inputs, compute) {
                program = complexProgram(complex, inputs: inputs, compute: compute, output: output, scalars: scalars)
            } else {
                let context = context(inputs: inputs, compute: compute, scalars: scalars)
                program = Expr.program([(body(context), output)])
            }
            let made = Compiled(
                key: key, program: KernelProgram(program), compute: compute, output: output,
                scalarTypes: (0..<scalars).map { scalarType($0, compute) })
            var items = [made]
            if let pointer = compiled.load(ordering: .acquiring) {
                items += Unmanaged<CompiledList>.fromOpaque(pointer).takeUnretainedValue().items
            }
            compiled.store(
                UnsafeRawPointer(Unmanaged.passRetained(CompiledList(items)).toOpaque()), ordering: .releasing)
            return made
        }
    }

    /// The expressions the body starts from.
    private func context(inputs: [DType], compute: DType, scalars: Int) -> Context {
        let loaded = inputs.enumerated().map { i, dtype -> Expr in
            let x = Expr(.input(i, dtype), dtype.arithmetic)
            guard promotes(i) && dtype != compute else { return x }
            // PyTorch converts an operand to the common dtype first, rounding it there.
            let cast = x.cast(to: compute.arithmetic)
            return Promotion.promote(dtype, compute) == compute && dtype.isFloatingPoint
                ? cast : cast.narrow(to: compute)
        }
        let parameters = (0..<scalars).map { i -> Expr in
            let type = scalarType(i, compute)
            return Expr(.param(i, type), type)
        }
        return Context(inputs: loaded, scalars: parameters, dtype: compute)
    }

    /// The computation and output dtypes of these inputs.
    func dtypes(_ inputs: [Tensor], _ scalars: [Scalar]) -> (compute: DType, output: DType) {
        let promoted = inputs.indices.filter(promotes).map { inputs[$0] }
        let common = Promotion.result(promoted, scalars)
        let isRealOfComplex = common.isComplex && complex?.isReal ?? false
        switch rule {
        case .promote, .explicit: return (common, isRealOfComplex ? common.toReal : common)
        case .promoteFloat:
            let float = Promotion.float(common)
            return (float, isRealOfComplex ? float.toReal : float)
        case .compare: return (common, .bool)
        }
    }

    // MARK: Calls

    func callAsFunction(_ x: Tensor, _ y: Tensor, _ z: Tensor) throws(CressetError) -> Tensor {
        try run([x, y, z])
    }

    /// Promotes, broadcasts, launches and records.
    ///
    /// - Parameters:
    ///   - types: the computation and output dtypes, where the rule's own are not wanted.
    ///   - promoting: scalars that take part in promotion; all by default.
    func run(
        _ inputs: [Tensor], _ scalars: [Scalar] = [], types: (compute: DType, output: DType)? = nil,
        promoting: [Scalar]? = nil
    ) throws(CressetError) -> Tensor {
        for input in inputs { try input.checkValid(name.text) }
        let (compute, output) = types ?? dtypes(inputs, promoting ?? scalars)
        try checkComplex(inputs, compute)
        let inputs = try sameDevice(inputs)
        return record(try result(inputs, scalars, compute, output), inputs, scalars, compute)
    }

    /// Computes into `target`, which must have the broadcast shape; nothing is recorded.
    func run(
        _ inputs: [Tensor], _ scalars: [Scalar], compute: DType, into target: Tensor
    ) throws(CressetError) {
        try checkComplex(inputs, compute)
        _ = try launch(try sameDevice(inputs), scalars, compute, target.dtype, into: target)
    }

    /// Writes the result into `target`, which is the first input, and puts the change on the tape.
    func run(
        inPlaceOf target: Tensor, _ op: @autoclosure () -> String, _ others: [Tensor], _ scalars: [Scalar],
        promoting: [Scalar]?
    ) throws(CressetError) {
        try target.checkValid(op())
        for input in others { try input.checkValid(op()) }
        try target.checkWritable(op())
        let inputs = try sameDevice([target] + others)
        guard inputs[0].impl === target.impl else {
            throw CressetError(
                .device, op: op(), "\(target.summary) cannot take a result of another device: \(describe(others))")
        }
        let (compute, output) = dtypes(inputs, promoting ?? scalars)
        try checkComplex(inputs, compute)
        try target.checkFits(try broadcastShape(inputs), output, op: op())
        let records = rule != .compare && target.dtype.hasGradient && Tape.isOn(inputs)
        if records { try target.checkHistory(op()) }

        // All of the node but the result is made before the elements change: the history so far, and a
        // copy of what its derivative needs of the old elements.
        var node: PointwiseNode?
        var savesResult = false
        if records {
            let plan = plan(inputs, scalars.count, compute)
            savesResult = plan.savesResult
            var old: Tensor?
            let saved = try plan.order.map { (i) throws(CressetError) -> SavedTensor in
                guard inputs[i].isSameView(as: target) else { return SavedTensor(inputs[i]) }
                if old == nil { old = try Copy.clone(inputs[i], op: op()) }
                guard let copy = old else { return SavedTensor(inputs[i]) }
                return SavedTensor(copy, edge: inputs[i].isTracked ? inputs[i].edge : nil)
            }
            node = PointwiseNode(text, plan, inputs, scalars, result: target.shape, saved: saved)
        }
        let isDirect =
            output == target.dtype && target.runtime.kernels.chain(.override(name), compute) == nil
            && !others.contains { $0.mayOverlap(target) }
        if isDirect {
            _ = try launch(inputs, scalars, compute, output, into: target)
        } else {
            try Copy.run(from: try result(inputs, scalars, compute, output), to: target, op: name)
        }
        target.impl.storage.version += 1
        if let node {
            if savesResult { node.save(result: SavedTensor(result: target)) }
            target.setHistory(Edge(node: node, index: 0))
        }
    }

    /// The result, by whoever computes it.
    func result(
        _ inputs: [Tensor], _ scalars: [Scalar], _ compute: DType, _ output: DType
    ) throws(CressetError) -> Tensor {
        guard let schema, let first = inputs.first else {
            return try launch(inputs, scalars, compute, output, into: nil)
        }
        return try Override.resolve(
            name, on: first, compute, schema(inputs, scalars),
            types: [ResultType(try broadcastShape(inputs), output)]
        ) { () throws(CressetError) in [try launch(inputs, scalars, compute, output, into: nil)] }[0]
    }

    func launch(
        _ inputs: [Tensor], _ scalars: [Scalar], _ compute: DType, _ output: DType, into target: Tensor?
    ) throws(CressetError) -> Tensor {
        let result: Tensor
        if let target {
            result = target
        } else {
            result = try Tensor.empty(try broadcastShape(inputs), output, on: inputs[0].runtime, op: name.text)
        }
        let shape = result.shape
        guard result.numel > 0 else { return result }
        let compiled = program(inputs: inputs.map(\.dtype), compute: compute, output: output, scalars: scalars.count)
        try Primitive(
            family: .pointwise, op: name, program: compiled.program, params: parameters(scalars, compiled),
            inputs: inputs.map { Operand($0, broadcastTo: shape) }.asParts, outputs: [Operand(result)].asParts
        ).run()
        return result
    }

    /// The common shape of the inputs, by the rules of broadcasting.
    func broadcastShape(_ inputs: [Tensor]) throws(CressetError) -> Shape {
        guard var shape = inputs.first?.shape else { return [] }
        for input in inputs.dropFirst() {
            guard let common = shape.broadcast(with: input.shape) else {
                throw CressetError(
                    .shape, op: name.text,
                    "the shapes do not broadcast: \(describe(inputs)); counted from the last dim, sizes must be equal "
                        + "or one of them 1")
            }
            shape = common
        }
        return shape
    }

    /// The inputs on one device: 0-d cpu tensors move to where the others are.
    private func sameDevice(_ inputs: [Tensor]) throws(CressetError) -> [Tensor] {
        try Tensor.onOneDevice(inputs, op: name.text)
    }

    private func describe(_ inputs: [Tensor]) -> String { inputs.map(\.summary).joined(separator: ", ") }
}

extension Tensor {
    /// True when both show the same elements in the same order.
    func isSameView(as other: Tensor) -> Bool {
        impl === other.impl
            || impl.storage === other.impl.storage && impl.offset == other.impl.offset && shape == other.shape
                && strides == other.strides && dtype == other.dtype
    }

    /// The tensors on one device: 0-d cpu tensors move to where the others are; anything else that
    /// differs is an error.
    static func onOneDevice(_ inputs: [Tensor], op: String) throws(CressetError) -> [Tensor] {
        guard let first = inputs.first else { return inputs }
        var home = first.runtime
        if inputs.allSatisfy({ $0.runtime === home }) { return inputs }
        if let anchor = inputs.first(where: { $0.ndim > 0 || $0.device.type != "cpu" }) { home = anchor.runtime }
        return try inputs.map { (input) throws(CressetError) -> Tensor in
            if input.runtime === home { return input }
            guard input.ndim == 0 && input.device.type == "cpu" else {
                throw CressetError(
                    .device, op: op,
                    "the tensors live on different devices: \(inputs.map(\.summary).joined(separator: ", ")); move "
                        + "them with to(_:)")
            }
            return try input.moved(to: home, op: op)
        }
    }
}

extension Shape {
    /// The shape both broadcast to, nil if they do not.
    func broadcast(with other: Shape) -> Shape? {
        if self == other { return self }
        let rank = Swift.max(count, other.count)
        var result = Shape(repeating: 1, count: rank)
        for d in 0..<rank {
            let x = d < rank - count ? 1 : self[d - (rank - count)]
            let y = d < rank - other.count ? 1 : other[d - (rank - other.count)]
            guard x == y || x == 1 || y == 1 else { return nil }
            result[d] = x == 1 ? y : x
        }
        return result
    }
}

// MARK: Gradients

extension Pointwise {
    /// What computes g·∂y/∂xᵢ: a pointwise kernel over the gradient and the values it needs.
    struct Gradient: Sendable {
        /// Which of the inputs it reads, and whether the result.
        var usesInput: [Int]
        var usesResult: Bool
        /// Takes the gradient, the used inputs, and the result if used.
        var kernel: Pointwise
        var operandCount: Int { 1 + usesInput.count + (usesResult ? 1 : 0) }
    }

    /// `gradient`, computed once for each combination of dtypes.
    func cachedGradient(of i: Int, inputs dtypes: [DType], compute: DType, scalars: Int) -> Gradient? {
        let key = GradientKey(input: i, dtypes: dtypes, compute: compute, scalars: scalars)
        if let known = gradients.withLock({ $0[key] }) { return known }
        let made = gradient(of: i, inputs: dtypes, compute: compute, scalars: scalars)
        gradients.withLock { $0[key] = .some(made) }
        return made
    }

    /// The kernel of one input's gradient; nil where it is zero.
    func gradient(of i: Int, inputs dtypes: [DType], compute: DType, scalars: Int) -> Gradient? {
        if let complex, compute.isComplex {
            return complexGradient(complex, of: i, inputs: dtypes, compute: compute, scalars: scalars)
        }
        let build: @Sendable (Context) -> Expr? = { [self] context in
            if let derivative, let explicit = derivative(i, context) { return explicit }
            let root = body(context).typed(compute.arithmetic)
            guard let adjoint = Derivative.adjoints(of: root, seed: context.grad, inputs: [i])[i] else { return nil }
            // The result was saved anyway: use it rather than compute it again.
            return adjoint.replacing(root, with: context.result)
        }
        // Inputs as the forward pass saw them, but typed as the computation: the derivative with
        // respect to a converted input is that of the conversion's result.
        let forward = Context(
            inputs: dtypes.enumerated().map { k, dtype in
                let seen = promotes(k) ? compute : dtype
                return Expr(.input(k, seen), seen.arithmetic)
            },
            scalars: (0..<scalars).map { k in
                let type = scalarType(k, compute)
                return Expr(.param(k, type), type)
            }, dtype: compute)
        guard let expression = build(forward) else { return nil }
        let used = expression.usedInputs
        let usesInput = dtypes.indices.filter { used.contains($0) }
        let usesResult = used.contains(-1)

        let kernel = Pointwise(
            name.text + ".grad\(i)", .explicit,
            // Place 0 is the gradient; then the used inputs; then the result.
            promotes: { [promotes] place in
                place == 0 || place > usesInput.count ? true : promotes(usesInput[place - 1])
            },
            scalarType: hasOwnScalarTypes ? scalarType : nil,
            body: { context in
                var map: [Int: Expr] = [-2: context.inputs[0]]
                for (place, k) in usesInput.enumerated() { map[k] = context.inputs[place + 1] }
                if usesResult { map[-1] = context.inputs[usesInput.count + 1] }
                return expression.replacing(inputs: map)
            })
        return Gradient(usesInput: usesInput, usesResult: usesResult, kernel: kernel)
    }
}

extension Expr {
    /// Indices of the inputs that occur.
    var usedInputs: Set<Int> {
        var used: Set<Int> = []
        var seen: Set<ObjectIdentifier> = []
        func walk(_ x: Expr) {
            guard seen.insert(ObjectIdentifier(x.box)).inserted else { return }
            if case .input(let k, _) = x.node { used.insert(k) }
            x.operands.forEach(walk)
        }
        walk(self)
        return used
    }

    /// The expression with inputs replaced.
    func replacing(inputs map: [Int: Expr]) -> Expr {
        rebuilt { x in
            if case .input(let k, _) = x.node { return map[k] }
            return nil
        }
    }

    /// The expression with one subexpression (by identity) replaced.
    func replacing(_ target: Expr, with other: Expr) -> Expr {
        // A bare input is cheaper than the saved result.
        if case .input = target.node { return self }
        return rebuilt { $0.box === target.box ? other : nil }
    }

    private func rebuilt(_ change: (Expr) -> Expr?) -> Expr {
        var done: [ObjectIdentifier: Expr] = [:]
        func walk(_ x: Expr) -> Expr {
            let id = ObjectIdentifier(x.box)
            if let known = done[id] { return known }
            let made: Expr
            if let changed = change(x) {
                made = changed
            } else {
                switch x.node {
                case .input, .param, .const, .integer, .index: made = x
                case .unary(let opcode, let a): made = Expr(.unary(opcode, walk(a)), x.type)
                case .binary(let opcode, let a, let b): made = Expr(.binary(opcode, walk(a), walk(b)), x.type)
                case .select(let c, let a, let b): made = Expr(.select(walk(c), walk(a), walk(b)), x.type)
                case .call(let function, let a, let b): made = Expr(.call(function, walk(a), b.map(walk)), x.type)
                case .cast(let a, let type): made = Expr(.cast(walk(a), type), x.type)
                case .bitcast(let a, let type): made = Expr(.bitcast(walk(a), type), x.type)
                case .narrow(let a, let dtype): made = Expr(.narrow(walk(a), dtype), x.type)
                case .philox(let k, let c, let word):
                    made = Expr(.philox(key: walk(k), counter: walk(c), word: word), x.type)
                }
            }
            done[id] = made
            return made
        }
        return walk(self)
    }
}
