import BackendKit
import CBackend
import CCresset
import Synchronization

/// One registered kernel. Immutable; lives as long as the process.
final class KernelRecord: @unchecked Sendable {
    typealias Launch =
        @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CressetCall>?) ->
        UnsafeMutablePointer<CressetStatus>?
    typealias Supports =
        @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CressetCall>?) -> UnsafePointer<CChar>?

    let key: KernelKey
    let dtype: DType
    let priority: Int
    /// Who registered it: "opencl 1.0 (path)".
    let owner: String
    /// The backend's own; handed back with every launch.
    let context: UnsafeMutableRawPointer?
    let launch: Launch
    let supports: Supports?
    /// Set for kernels registered from Swift in this process, which are called with tensors.
    let swiftKernel: SwiftKernel?

    init(key: KernelKey, raw: CressetKernel, dtype: DType, launch: @escaping Launch, owner: String) {
        self.key = key
        self.dtype = dtype
        self.priority = Int(raw.priority)
        self.owner = owner
        self.context = raw.context
        self.launch = launch
        self.supports = raw.supports
        self.swiftKernel = nil
    }

    init(key: KernelKey, dtype: DType, priority: Int, owner: String, kernel: SwiftKernel) {
        self.key = key
        self.dtype = dtype
        self.priority = priority
        self.owner = owner
        self.context = nil
        self.launch = { _, _, _ in nil }
        self.supports = nil
        self.swiftKernel = kernel
    }
}

/// What a kernel is registered for.
enum KernelKey: Hashable, Sendable, CustomStringConvertible {
    case family(Family)
    case override(OperatorName)
    /// The gradients of an operation.
    case backward(OperatorName)

    /// Row of the flat table.
    @inline(__always)
    var row: Int {
        switch self {
        case .family(let family): Int(family.rawValue)
        case .override(let op): Int(CRESSET_FAMILY_COUNT) + op.id
        case .backward(let op): Int(CRESSET_FAMILY_COUNT) + OperatorName.capacity + op.id
        }
    }

    var description: String {
        switch self {
        case .family(let family): "\(family)"
        case .override(let op): op.text
        case .backward(let op): op.text + " backward"
        }
    }
}

/// The kernels of one (family or op, dtype) on one device, best first.
final class KernelChain: Sendable {
    let records: [KernelRecord]
    /// The only record, where it takes every call: what the eager path wants to know.
    let simple: KernelRecord?

    init(_ records: [KernelRecord]) {
        self.records = records
        let first = records.first
        simple = records.count == 1 && first?.supports == nil && first?.swiftKernel == nil ? first : nil
    }
}

/// A device's kernels: a flat table read without a lock.
///
/// A cell is replaced whole by a registration and the chain it pointed to is never freed, so a reader
/// may go on with what it read.
final class KernelTable: @unchecked Sendable {
    private static let columns = DType.allCases.count
    private static let rows = Int(CRESSET_FAMILY_COUNT) + 2 * OperatorName.capacity

    private let deviceName: String
    private let cells: UnsafeMutablePointer<Atomic<UnsafeRawPointer?>>
    private let writing = Lock([KernelRecord]())
    private let leftOut = Lock([String]())

    init(deviceName: String) {
        self.deviceName = deviceName
        let count = Self.columns * Self.rows
        cells = .allocate(capacity: count)
        for i in 0..<count { (cells + i).initialize(to: Atomic(nil)) }
    }

    @inline(__always)
    func chain(_ key: KernelKey, _ dtype: DType) -> KernelChain? {
        let cell = cells + (key.row * Self.columns + Int(dtype.rawValue))
        guard let pointer = cell.pointee.load(ordering: .acquiring) else { return nil }
        return Unmanaged<KernelChain>.fromOpaque(pointer)._withUnsafeGuaranteedRef { $0 }
    }

    /// True where a kernel is registered: the look-up without the chain.
    @inline(__always)
    func has(_ key: KernelKey, _ dtype: DType) -> Bool {
        (cells + (key.row * Self.columns + Int(dtype.rawValue))).pointee.load(ordering: .relaxed) != nil
    }

    /// The kernel of the cell where it is the only one and takes every call; it lives for good.
    @inline(__always)
    func simple(_ key: KernelKey, _ dtype: DType) -> KernelRecord? { chain(key, dtype)?.simple }

    /// Everything registered, in order of registration.
    var records: [KernelRecord] { writing.withLock { $0 } }

    /// Kernels that were left out, each with its owner and the reason.
    var refusals: [String] { leftOut.withLock { $0 } }

    /// Enters a backend's kernels. One that breaks a rule of the header is reported and left out;
    /// the rest are entered.
    func register(_ kernels: [CressetKernel], from backend: LoadedBackend) {
        let owner = "\(backend.name) \(backend.version) (\(backend.origin))"
        var known: [String: [KernelKey]] = [:]
        for raw in kernels {
            do throws(CressetError) {
                for record in try Self.check(raw, owner: owner, &known) { try register(record) }
            } catch {
                let why = "a kernel of \(owner) was left out: \(error.message)"
                leftOut.withLock { $0.append(why) }
                Log.warning("\(deviceName): \(why)")
            }
        }
    }

    /// The entries a kernel makes: one, or for gradients one for each overload of its operation.
    private static func check(
        _ raw: CressetKernel, owner: String, _ known: inout [String: [KernelKey]]
    ) throws(CressetError) -> [KernelRecord] {
        func refuse(_ why: String) -> CressetError { CressetError(.plugin, op: "register", why, site: nil) }
        let needed = MemoryLayout<CressetKernel>.size
        guard Int(raw.struct_size) >= needed else {
            throw refuse("its struct_size is \(raw.struct_size), version 1 has \(needed) bytes")
        }
        guard let dtype = UInt8(exactly: raw.dtype).flatMap(DType.init(rawValue:)) else {
            throw refuse("there is no dtype \(raw.dtype)")
        }
        guard let family = Family(rawValue: raw.family) else { throw refuse("there is no family \(raw.family)") }
        guard let launch = raw.launch else { throw refuse("\(family) for \(dtype) has no launch function") }
        let keys: [KernelKey]
        if family == .override {
            guard let op = raw.op else { throw refuse("an override for \(dtype) names no operation") }
            let name = String(cString: op)
            if let found = known[name] { keys = found } else { keys = try keysOfOverride(name) }
            known[name] = keys
        } else {
            keys = [.family(family)]
        }
        return keys.map { KernelRecord(key: $0, raw: raw, dtype: dtype, launch: launch, owner: owner) }
    }

    /// What a kernel of this name is entered for.
    private static func keysOfOverride(_ name: String) throws(CressetError) -> [KernelKey] {
        func refuse(_ why: String) -> CressetError { CressetError(.plugin, op: "register", why, site: nil) }
        let operation = Operators.find(name)
        let differentiated = operation == nil ? GradientKernel.operations(named: name) : []
        // Other namespaces are the backend's own business.
        guard !name.hasPrefix("aten::") || operation != nil || !differentiated.isEmpty else {
            throw refuse("there is no operation \(name) to override")
        }
        if let why = operation?.overrideRefusal { throw refuse(why) }
        return differentiated.isEmpty
            ? [.override(OperatorName(name))] : differentiated.map { .backward(OperatorName($0.name)) }
    }

    /// Enters one kernel; refuses a second one of the same priority, naming both owners.
    func register(_ record: KernelRecord) throws(CressetError) {
        try writing.withLock { (all: inout [KernelRecord]) throws(CressetError) -> Void in
            let old = chain(record.key, record.dtype)?.records ?? []
            if let rival = old.first(where: { $0.priority == record.priority }) {
                throw CressetError(
                    .plugin, op: "register",
                    "\(record.key) for \(record.dtype) on \(deviceName) is registered twice with priority "
                        + "\(record.priority): by \(rival.owner) and by \(record.owner); the first is kept",
                    site: nil)
            }
            let chain = KernelChain((old + [record]).sorted { $0.priority > $1.priority })
            let cell = cells + (record.key.row * Self.columns + Int(record.dtype.rawValue))
            // Retained for good: readers hold no count of their own.
            cell.pointee.store(UnsafeRawPointer(Unmanaged.passRetained(chain).toOpaque()), ordering: .releasing)
            all.append(record)
            cresset_count_registration()
        }
    }
}

/// An operation's name, "aten::add.Tensor", as a small number.
struct OperatorName: Hashable, @unchecked Sendable {
    static let capacity = 2048
    let id: Int
    /// NUL-terminated; lives as long as the process, as the ABI says of `op`.
    let cString: UnsafePointer<CChar>
    let text: String

    init(_ text: String) {
        self = Self.names.withLock { names in
            if let known = names[text] { return known }
            precondition(names.count < Self.capacity, "more than \(Self.capacity) operator names")
            let name = OperatorName(id: names.count, cString: UnsafePointer(text.allocatedCString), text: text)
            names[text] = name
            return name
        }
    }

    private init(id: Int, cString: UnsafePointer<CChar>, text: String) {
        self.id = id
        self.cString = cString
        self.text = text
    }

    static func == (x: OperatorName, y: OperatorName) -> Bool { x.id == y.id }

    func hash(into hasher: inout Hasher) { hasher.combine(id) }

    private static let names = Lock([String: OperatorName]())
}
