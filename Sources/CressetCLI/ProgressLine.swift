import Cresset
import Glibc

/// A line on the terminal's error output that tells how far a long run is; nothing elsewhere.
final class ProgressLine: Sendable {
    private let title: String
    private let isOn: Bool
    /// The percentage that stands there.
    private let shown = Lock(-1)

    init(_ title: String, isOn: Bool) {
        self.title = title
        self.isOn = isOn && isatty(STDERR_FILENO) == 1
    }

    func show(_ done: Int, of total: Int, _ note: String = "") {
        let percent = 100 * done / max(total, 1)
        let isNews = shown.withLock { old in
            defer { old = percent }
            return old != percent
        }
        guard isOn, isNews else { return }
        let bar = String(repeating: "#", count: percent / 4) + String(repeating: "-", count: 25 - percent / 4)
        Self.write("\r\u{1B}[K\(title) [\(bar)] \(done) of \(total) \(note)")
    }

    func clear() {
        if isOn && shown.withLock({ $0 >= 0 }) { Self.write("\r\u{1B}[K") }
    }

    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
