import BackendKit
import CBackend

/// What is registered, by whom, and what a call resolves to.
public enum Registry {
    /// A kernel registered from Swift: tensors and boxed arguments in, tensors out.
    public typealias Kernel = @Sendable (_ arguments: [Value]) throws -> [Tensor]

    /// One entry of the registry.
    public struct Entry: Sendable {
        /// "pointwise", or an operation's name for an override.
        public var key: String
        public var isOverride: Bool
        /// True for a kernel that gives an operation's gradients.
        public var isBackward = false
        public var dtype: DType
        public var priority: Int
        public var owner: String
    }

    /// Loads a backend from a shared library and says which device type it brings.
    @discardableResult
    public static func load(path: String) throws(CressetError) -> String {
        try PluginLoader.shared.load(path: path).name
    }

    /// Registers a faster kernel for one operation on one device.
    ///
    ///     try Registry.register("aten::relu", on: .cpu, dtypes: [.float32]) { arguments in
    ///         [fastRelu(arguments[0].tensor!)]
    ///     }
    ///
    /// - Parameters:
    ///   - op: the operation, with its overload: "aten::add.Tensor"; or "aten::layer_norm_backward" for the
    ///     gradients of an operation, of every overload.
    ///   - dtypes: computation dtypes, after promotion.
    ///   - priority: higher is asked first; a second kernel of the same priority is refused.
    ///   - accepts: false declines a call, which then goes to the next priority or the composition.
    public static func register(
        _ op: String, on device: Device, dtypes: [DType], priority: Int = 10, name: String = "user kernel",
        accepts: (@Sendable ([Value]) -> Bool)? = nil, kernel: @escaping Kernel
    ) throws(CressetError) {
        let operation = Operators.find(op)
        let differentiated = operation == nil ? GradientKernel.operations(named: op) : []
        guard operation != nil || !differentiated.isEmpty else {
            throw CressetError(.argument, op: "register", "there is no operation \(op)")
        }
        if let why = operation?.overrideRefusal { throw CressetError(.argument, op: "register", why) }
        let keys =
            operation.map { [KernelKey.override(OperatorName($0.name))] }
            ?? differentiated.map { .backward(OperatorName($0.name)) }
        let runtime = try device.runtime(for: "register")
        for key in keys {
            for dtype in dtypes {
                try runtime.kernels.register(
                    KernelRecord(
                        key: key, dtype: dtype, priority: priority, owner: name,
                        kernel: SwiftKernel(kernel: kernel, accepts: accepts)))
            }
        }
    }

    /// Everything registered on a device.
    public static func entries(on device: Device) throws(CressetError) -> [Entry] {
        try DeviceTable.shared.untested(device.id, op: "entries").kernels.records.map { record in
            var (isOverride, isBackward) = (false, false)
            switch record.key {
            case .family: break
            case .override: isOverride = true
            case .backward: isBackward = true
            }
            return Entry(
                key: record.key.description, isOverride: isOverride, isBackward: isBackward, dtype: record.dtype,
                priority: record.priority,
                owner: record.owner)
        }
    }

    /// Kernels of the device's backend that broke a rule and were left out, each with the reason.
    public static func refusals(on device: Device) throws(CressetError) -> [String] {
        try DeviceTable.shared.untested(device.id, op: "refusals").kernels.refusals
    }

    /// The error when nothing fits.
    static func missing(
        _ what: String, _ key: KernelKey, _ dtype: DType, on runtime: DeviceRuntime, op: String, refusals: [String]
    ) -> CressetError {
        var text = "\(runtime.name) has no \(what) kernel for \(dtype)"
        if !refusals.isEmpty { text += " that takes this call: " + refusals.joined(separator: "; ") }
        let others = DeviceTable.shared.opened.filter { $0 !== runtime && $0.kernels.chain(key, dtype) != nil }
        if !others.isEmpty { text += ". It is on " + others.map(\.name).joined(separator: ", ") }
        if let near = nearest(dtype, where: { runtime.kernels.chain(key, $0) != nil }) {
            text += ". The nearest dtype here is \(near)"
        }
        text += ". Fallback policy: refuse (set CRESSET_FALLBACK=cpu or Fallback.policy to run it elsewhere)"
        return CressetError(.unsupported, op: op, text)
    }

    private static func nearest(_ dtype: DType, where has: (DType) -> Bool) -> DType? {
        let wider: [DType] =
            dtype.isFloatingPoint
            ? [.float32, .float64, .bfloat16, .float16] : [.int64, .int32, .int16, .int8, .uint8, .bool]
        return wider.first { $0 != dtype && has($0) }
    }
}

/// A kernel written in Swift, in this process.
struct SwiftKernel: Sendable {
    var kernel: Registry.Kernel
    var accepts: (@Sendable ([Value]) -> Bool)?
}
