import Synchronization

/// Told before each of the rare calls into a plugin's own code, so that who watches this process from
/// outside knows where it died.
package enum PluginSteps {
    private static let listener = Mutex<(@Sendable (String) -> Void)?>(nil)

    /// Sets who is told; nobody is by default.
    package static func tell(_ listener: (@Sendable (String) -> Void)?) {
        Self.listener.withLock { $0 = listener }
    }

    /// "start of mychip (/path/libmychip.so)"
    static func note(_ step: @autoclosure () -> String) {
        guard let listener = listener.withLock({ $0 }) else { return }
        listener(step())
    }
}

extension Device {
    /// The devices of one backend, which is started; the others are left alone.
    package static func all(of type: String) throws(CressetError) -> [Device] {
        try DeviceTable.shared.devices(of: type)
    }
}
