import Glibc

/// Writes a line to standard error, in one piece.
func complain(_ text: String) {
    let line = Array("cresset: \(text)\n".utf8)
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
