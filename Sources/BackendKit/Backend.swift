import CBackend

/// A compute backend: what its author writes. `BackendTable` makes the C table from it.
public protocol Backend: AnyObject, Sendable {
    /// Of the device type: "opencl" in "opencl:0".
    static var name: String { get }
    /// Of the backend itself.
    static var version: String { get }
    init()

    /// Called once, before anything else. An error says what is missing and how to install it.
    func start(_ services: Services) throws
    /// The devices there are; each index is a device's ordinal.
    func devices() throws -> [DeviceDescription]
    func open(_ index: Int) throws -> any BackendDevice
    /// From the next launch on, uses at most this many threads. Default: nothing.
    func setThreadCount(_ count: Int)
}

extension Backend {
    public func setThreadCount(_ count: Int) {}
}

/// An opened device.
public protocol BackendDevice: AnyObject, Sendable {
    /// Everything it can run, by family and dtype.
    var kernels: [Kernel] { get }
    /// A block of `bytes` bytes, aligned to 256.
    func allocate(_ bytes: Int) throws -> any BackendBuffer
    func makeQueue() throws -> any BackendQueue
    /// Compiles what these launches need, together. Default: nothing.
    func prepare(_ calls: [Call]) throws
    /// Kernels compiled (not read from a cache) since start. Default: 0.
    var compileCount: Int { get }
}

extension BackendDevice {
    public func prepare(_ calls: [Call]) throws {}
    public var compileCount: Int { 0 }
}

/// A block of device memory. Freed when the last reference goes.
public protocol BackendBuffer: AnyObject {
    /// Where the host can reach it, if it can.
    var hostAddress: UnsafeMutableRawPointer? { get }
}

/// An in-order stream of work. One thread at a time calls it.
public protocol BackendQueue: AnyObject {
    /// Called once with what raw launches will get as their queue. Default: ignored.
    func adopt(handle: OpaquePointer)
    /// Returns when `source` may be reused.
    func copyIn(_ source: UnsafeRawBufferPointer, to buffer: any BackendBuffer, at offset: Int) throws
    /// Returns when the bytes are in `target`; throws errors of earlier asynchronous work.
    func copyOut(_ buffer: any BackendBuffer, at offset: Int, to target: UnsafeMutableRawBufferPointer) throws
    func copyWithin(
        from source: any BackendBuffer, at sourceOffset: Int, to target: any BackendBuffer, at targetOffset: Int,
        count: Int) throws
    /// Waits for everything; throws the first asynchronous error, once.
    func synchronize() throws
    /// A marker after the work enqueued so far. Default: one that waits for the queue.
    func record() throws -> any BackendEvent
    /// Later work of this queue waits for `event`. Default: the host waits.
    func wait(for event: any BackendEvent) throws
}

extension BackendQueue {
    public func adopt(handle: OpaquePointer) {}
    public func record() throws -> any BackendEvent {
        try synchronize()
        return FinishedEvent()
    }
    public func wait(for event: any BackendEvent) throws { try event.wait() }
}

/// A point in a queue.
public protocol BackendEvent: AnyObject {
    /// Returns when the queue has reached it; throws errors of the work before it.
    func wait() throws
}

/// The event of a queue that had already finished.
final class FinishedEvent: BackendEvent {
    func wait() throws {}
}

/// What a device is and can hold.
public struct DeviceDescription: Sendable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// A CPU posing as a device.
        public static let software = Flags(rawValue: 1)
        public static let unifiedMemory = Flags(rawValue: 2)
        /// Buffers have a host address, which calls carry.
        public static let hostVisible = Flags(rawValue: 4)
        /// Launches have finished when they return.
        public static let synchronous = Flags(rawValue: 8)
        /// Several threads may launch on one queue at a time; only for synchronous devices.
        public static let concurrent = Flags(rawValue: 16)
    }

    public var name: String
    public var driver: String
    /// 16 bytes that are equal for one card through two APIs; empty if unknown.
    public var uuid: [UInt8]
    public var flags: Flags
    public var memoryBytes: UInt64
    /// The largest single block, in bytes.
    public var maxAllocationBytes: UInt64
    public var dtypes: Set<DType>
    /// (instruction, operand type) pairs the device cannot run though its dtypes suggest it.
    public var unsupportedInstructions: [Opcode: Set<ArithmeticType>]

    public init(
        name: String, driver: String, uuid: [UInt8] = [], flags: Flags = [], memoryBytes: UInt64,
        maxAllocationBytes: UInt64, dtypes: Set<DType>,
        unsupportedInstructions: [Opcode: Set<ArithmeticType>] = [:]
    ) {
        self.name = name
        self.driver = driver
        self.uuid = uuid
        self.flags = flags
        self.memoryBytes = memoryBytes
        self.maxAllocationBytes = maxAllocationBytes
        self.dtypes = dtypes
        self.unsupportedInstructions = unsupportedInstructions
    }
}

/// A kernel for one family (or operation) and one dtype.
public struct Kernel: Sendable {
    /// A launch written in Swift.
    public typealias Launch = @Sendable (_ queue: any BackendQueue, _ call: Call) throws -> Void
    /// A launch written in C, called with no Swift in between; its queue is the handle that the
    /// device's queues were told of by `adopt(handle:)`.
    public typealias RawLaunch =
        @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CressetCall>?) ->
        UnsafeMutablePointer<CressetStatus>?

    public var family: Family
    /// The operation, for `Family.override`: "aten::softmax.int".
    public var op: String?
    public var dtypes: Set<DType>
    public var priority: Int
    /// nil: can be launched; otherwise why not.
    public var supports: (@Sendable (Call) -> StaticString?)?

    enum Body: Sendable {
        case swift(Launch)
        case c(RawLaunch)
    }
    var body: Body

    public init(
        _ family: Family, op: String? = nil, dtypes: Set<DType>, priority: Int = 0,
        supports: (@Sendable (Call) -> StaticString?)? = nil, launch: @escaping Launch
    ) {
        self.family = family
        self.op = op
        self.dtypes = dtypes
        self.priority = priority
        self.supports = supports
        self.body = .swift(launch)
    }

    /// A kernel whose launch is a C function. Its queue argument is the kit's own handle, good as a
    /// key and for nothing else: only for synchronous host-visible devices.
    public init(
        _ family: Family, op: String? = nil, dtypes: Set<DType>, priority: Int = 0,
        supports: (@Sendable (Call) -> StaticString?)? = nil, rawLaunch: @escaping RawLaunch
    ) {
        self.family = family
        self.op = op
        self.dtypes = dtypes
        self.priority = priority
        self.supports = supports
        self.body = .c(rawLaunch)
    }
}

/// What the host offers a backend.
public struct Services: @unchecked Sendable {
    // The host promises that the table and everything it points to live as long as the process.
    private let raw: UnsafePointer<CressetServices>

    package init(raw: UnsafePointer<CressetServices>) { self.raw = raw }

    public enum LogLevel: Int32, Sendable {
        case debug = 0
        case notice, warning, error
    }

    public func log(_ level: LogLevel, _ message: String) { raw.pointee.log?(level.rawValue, message) }

    /// The user's setting of a backend option, or nil.
    public func option(_ name: String) -> String? { raw.pointee.option?(name).map { String(cString: $0) } }

    /// Folder for compiled kernels, nil if caching is off.
    public var cacheDirectory: String? { raw.pointee.cache_directory.map { String(cString: $0) } }

    /// Text of the portable functions.
    public var mathsSource: String { raw.pointee.maths_source.map { String(cString: $0) } ?? "" }

    /// Threads the host wants used at most.
    public var threadCount: Int { Int(raw.pointee.thread_count) }
}
