import Cresset

/// A part of a model: it holds parameters and other modules, and maps a tensor to a tensor.
///
/// Write a subclass with stored modules and tensors and override `forward`. Stored tensors that
/// require grad are parameters, other stored tensors are buffers; they are found by reflection, once,
/// under the names of their properties: "layers.0.weight".
open class Module {
    /// False while evaluating: Dropout passes everything.
    public private(set) var isTraining = true
    private var cachedChildren: [(name: String, module: Module)]?

    public init() {}

    /// The module's meaning.
    open func forward(_ x: Tensor) -> Tensor { x }

    public func callAsFunction(_ x: Tensor) -> Tensor { forward(x) }

    /// Modules stored in this one, by property name. Containers override it.
    open var children: [(name: String, module: Module)] {
        if let cachedChildren { return cachedChildren }
        var found: [(String, Module)] = []
        for (label, value) in stored {
            if let module = value as? Module {
                found.append((label, module))
            } else if let list = value as? [Module] {
                found += list.enumerated().map { ("\(label).\($0.offset)", $0.element) }
            }
        }
        cachedChildren = found
        return found
    }

    /// This module's own tensors by property name, in order of declaration.
    open var tensors: [(name: String, tensor: Tensor)] {
        stored.compactMap { label, value in
            if let tensor = value as? Tensor { return (label, tensor) }
            if let tensor = (value as? Tensor?) ?? nil { return (label, tensor) }
            return nil
        }
    }

    /// Stored properties, those of superclasses first.
    private var stored: [(String, Any)] {
        var mirrors: [Mirror] = []
        var mirror: Mirror? = Mirror(reflecting: self)
        while let current = mirror, current.subjectType != Module.self {
            mirrors.insert(current, at: 0)
            mirror = current.superclassMirror
        }
        return mirrors.flatMap { $0.children.compactMap { child in child.label.map { ($0, child.value) } } }
    }

    /// Every tensor of this module and those in it, by dotted name.
    public var namedTensors: [(name: String, tensor: Tensor)] {
        tensors
            + children.flatMap { child in child.module.namedTensors.map { (child.name + "." + $0.name, $0.tensor) } }
    }

    /// What is learned, by dotted name.
    public var namedParameters: [(name: String, tensor: Tensor)] { namedTensors.filter { $0.tensor.requiresGrad } }

    /// What is learned.
    public var parameters: [Tensor] { namedParameters.map(\.tensor) }

    /// Switches to training.
    public func train() { setTraining(true) }
    /// Switches to evaluation.
    public func eval() { setTraining(false) }

    private func setTraining(_ on: Bool) {
        isTraining = on
        for child in children { child.module.setTraining(on) }
    }

    /// Forgets the gradients of all parameters.
    public func zeroGrad() { for parameter in parameters { parameter.grad = nil } }

    // MARK: State

    /// Every tensor by name, as PyTorch names them.
    public func stateDict() -> [String: Tensor] {
        Dictionary(namedTensors.map { ($0.name, $0.tensor.detach()) }) { first, _ in first }
    }

    /// Copies tensors of the same names and shapes into this module's own.
    ///
    /// Throws an error that lists what is missing, unexpected (where `strict`) or of another shape;
    /// nothing is changed then.
    public func loadStateDict(_ state: [String: Tensor], strict: Bool = true) throws {
        let own = namedTensors
        let names = Set(own.map(\.name))
        let missing = own.map(\.name).filter { state[$0] == nil }
        let unexpected = state.keys.filter { !names.contains($0) }.sorted()
        let misshapen = own.compactMap { name, tensor -> String? in
            guard let other = state[name], other.shape != tensor.shape else { return nil }
            return "\(name) is \(other.shape), not \(tensor.shape)"
        }
        var problems: [String] = []
        if strict && !missing.isEmpty { problems.append("missing: \(missing.joined(separator: ", "))") }
        if strict && !unexpected.isEmpty { problems.append("unexpected: \(unexpected.joined(separator: ", "))") }
        if !misshapen.isEmpty { problems.append("of another shape: \(misshapen.joined(separator: ", "))") }
        guard problems.isEmpty else {
            throw CressetError(.argument, op: "loadStateDict", problems.joined(separator: "; "))
        }
        try catching {
            noGrad {
                for (name, tensor) in own { if let other = state[name] { tensor.copy_(other) } }
            }
        }
    }
}
