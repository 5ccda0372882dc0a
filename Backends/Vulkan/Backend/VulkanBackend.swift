import BackendKit
import CBackend
import CVulkan
import Synchronization

/// Devices reached through Vulkan 1.2 compute, with kernels made from programs at run time.
public final class VulkanBackend: Backend {
    public static let name = "vulkan"
    public static let version = "1.0"

    /// What `start` found; nothing of it changes afterwards.
    private struct Started: @unchecked Sendable {
        // Pointers to a table and to messages' context that live as long as the process.
        var services: Services
        var instance: UnsafePointer<CvkInstance>
        var physical: [PhysicalDevice]
    }

    private let started = Mutex<Started?>(nil)
    private let opened = Mutex<[Int: VulkanDevice]>([:])

    public init() {}

    public func start(_ services: Services) throws {
        let remedy = "apt-get install libvulkan1 mesa-vulkan-drivers"
        let instance = UnsafeMutablePointer<CvkInstance>.allocate(capacity: 1)
        instance.initialize(to: CvkInstance())
        if let missing = cvk_load(instance) {
            throw BackendError(.other, "\(String(cString: missing)); to install it: \(remedy)")
        }
        let validate = isOn(services.option("validation"))
        let log = Unmanaged.passRetained(ValidationLog(services))  // for the life of the instance
        let made = cvk_create_instance(instance, validate, ValidationLog.receive, log.toOpaque())
        guard made == VK_SUCCESS else {
            throw BackendError(
                .other, "Vulkan could not be started (\(made.name)): is a driver installed? To install one: \(remedy)")
        }
        if validate && !instance.pointee.validating {
            services.log(
                .warning, "no VK_LAYER_KHRONOS_validation; to install it: apt-get install vulkan-validationlayers")
        }
        var count: UInt32 = 0
        try check(cvk_physical_devices(instance, &count, nil), "listing Vulkan devices")
        var handles = [VkPhysicalDevice?](repeating: nil, count: Int(count))
        try check(cvk_physical_devices(instance, &count, &handles), "listing Vulkan devices")
        guard count > 0 else {
            throw BackendError(.other, "Vulkan has no device: no driver is installed; to install one: \(remedy)")
        }
        var usable: [PhysicalDevice] = []
        for handle in handles.prefix(Int(count)) {
            guard let handle else { continue }
            let device = PhysicalDevice(handle, instance)
            if let reason = device.unusable {
                services.log(.notice, "vulkan: \(device.name) is left out: \(reason)")
            } else {
                usable.append(device)
            }
        }
        started.withLock { [usable] in
            $0 = Started(services: services, instance: UnsafePointer(instance), physical: usable)
        }
    }

    private func isOn(_ option: String?) -> Bool {
        switch option {
        case nil, "", "0", "false", "off", "no": false
        default: true
        }
    }

    private func state() throws -> Started {
        guard let state = started.withLock({ $0 }) else { throw BackendError(.invalid, "start was not called") }
        return state
    }

    public func devices() throws -> [DeviceDescription] { try state().physical.map(\.description) }

    public func open(_ index: Int) throws -> any BackendDevice {
        let state = try state()
        guard state.physical.indices.contains(index) else {
            throw BackendError(.invalid, "there is no device vulkan:\(index), only \(state.physical.count)")
        }
        return try opened.withLock { opened in
            if let device = opened[index] { return device }
            let device = try VulkanDevice(state.physical[index], state.instance, state.services)
            opened[index] = device
            return device
        }
    }
}

/// Where the validation layer's messages go.
private final class ValidationLog: Sendable {
    private let services: Services
    private let errors = Atomic<Int>(0)

    init(_ services: Services) { self.services = services }

    static let receive: CvkMessage = { context, isError, text in
        guard let context, let text else { return }
        // The instance holds a reference to the log for the life of the process.
        let log = Unmanaged<ValidationLog>.fromOpaque(context).takeUnretainedValue()
        if isError {
            let count = log.errors.add(1, ordering: .relaxed).newValue
            log.services.log(.error, "Vulkan validation error \(count): \(String(cString: text))")
        } else {
            log.services.log(.warning, "Vulkan validation: \(String(cString: text))")
        }
    }
}

/// The entry point of the plugin.
@_cdecl("cresset_backend_query")
public func query(_ oldest: UInt32, _ newest: UInt32) -> UnsafePointer<CressetBackend>? {
    BackendTable.make(VulkanBackend.self, oldest: oldest, newest: newest)
}
