import BackendKit

/// A place where tensors live and operations run: `.cpu`, `Device("vulkan:0")`, `Device("opencl:NVIDIA")`.
///
/// A device is a name; it is found, and its backend started, when it is first used. Within an API the
/// real devices come before the software ones, so `vulkan:0` is a GPU where there is one.
public struct Device: Hashable, Sendable {
    /// Index into the table of devices that have been named.
    let id: Int32

    init(id: Int32) { self.id = id }

    /// The device of a spelling: a backend's name ("vulkan"), with an index ("vulkan:1") or a part of
    /// the device's own name ("opencl:NVIDIA"), or a UUID.
    ///
    /// Throws an error that lists the devices there are.
    public init(_ spelling: String) throws(CressetError) { self = try DeviceTable.shared.resolve(spelling) }

    /// The processor, through the OpenBLAS backend.
    public static let cpu = Device(id: DeviceTable.shared.number("cpu"))
    public static let opencl = Device(id: DeviceTable.shared.number("opencl"))
    public static let vulkan = Device(id: DeviceTable.shared.number("vulkan"))
    /// The slow, obvious implementation that defines what is right.
    public static let reference = Device(id: DeviceTable.shared.number("reference"))

    /// A device whose tensors have shape, dtype and device but no data: every operation runs there, and computes
    /// nothing, so that the shapes of a whole model are known without computing it.
    public static let meta = Device(id: DeviceTable.shared.number("meta"))

    /// The backend's name: "vulkan".
    public var type: String { DeviceTable.shared.entry(id).type }
    public var index: Int { DeviceTable.shared.entry(id).index }

    /// Where tensors are made when nothing else is said: `withDevice`, then this setting, then
    /// `CRESSET_DEVICE`, then cpu (the reference where no cpu backend is installed).
    public static var `default`: Device {
        get {
            let current = threadState.pointee.default_device
            return current >= 0 ? Device(id: current) : DeviceTable.shared.defaultDevice
        }
        set { DeviceTable.shared.defaultDevice = newValue }
    }

    /// Every device of every backend that starts and computes, the reference first.
    public static var all: [Device] { DeviceTable.shared.all }

    /// Waits until everything given to the device is done; throws the first error of that work.
    public func synchronize() throws(CressetError) {
        try DeviceTable.shared.untested(id, op: "synchronize").synchronize(op: "synchronize")
    }

    /// A second queue of this device: tensors on it are computed beside those of the first.
    package func twin() throws(CressetError) -> Device { try DeviceTable.shared.twin(of: self) }

    /// The opened device; opens it the first time.
    func runtime(for op: String) throws(CressetError) -> DeviceRuntime {
        try DeviceTable.shared.runtime(id, op: op)
    }

    /// The device's own name, driver and limits.
    public var properties: DeviceProperties {
        get throws(CressetError) { try DeviceTable.shared.untested(id, op: "properties").properties }
    }

    /// Kernels compiled since the device was opened, not counting those read from a cache.
    public var compileCount: Int {
        get throws(CressetError) { try runtime(for: "compileCount").compileCount }
    }
}

extension Device: CustomStringConvertible {
    public var description: String { "\(type):\(index)" }
}

/// What a device says of itself.
public struct DeviceProperties: Sendable {
    public var name: String
    public var driver: String
    /// 32 hexadecimal digits, empty if unknown.
    public var uuid: String
    public var isSoftware: Bool
    public var hasUnifiedMemory: Bool
    public var isHostVisible: Bool
    public var isSynchronous: Bool
    public var memoryBytes: UInt64
    /// The largest single tensor, in bytes.
    public var maxAllocationBytes: UInt64
    public var dtypes: [DType]
    public var backendVersion: String
    /// The plugin's path, or "linked in".
    public var origin: String
    /// The version of the ABI that the backend's table follows.
    public var abiVersion: Int
}

/// Runs `body` with `device` as the default device of this thread.
public func withDevice<Result, Failure: Error>(
    _ device: Device, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let state = threadState
    let previous = state.pointee.default_device
    state.pointee.default_device = device.id
    defer { state.pointee.default_device = previous }
    return try body()
}
