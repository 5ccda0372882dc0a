import Glibc
import Synchronization

/// Compiled kernels on disk, for all processes of a user.
///
/// A file holds its whole key and a checksum, so one that is damaged, truncated or another's is not
/// used and is written anew. A folder that cannot be read or written is no error: nothing is cached.
/// Has no state; any thread may use it.
public struct KernelCache: Sendable {
    /// What a binary depends on.
    public struct Key: Sendable, Hashable {
        /// All of it in one string.
        public let text: String
        let fileName: String

        /// `kind` tells backends apart; `device` and `driver` as in the device's description.
        public init(kind: String, source: String, options: String, device: String, driver: String) {
            var first = Hash(seed: 0xcbf2_9ce4_8422_2325)
            var second = Hash(seed: 0x9e37_79b9_7f4a_7c15, multiplier: 0xd134_2543_de82_ef95)
            for byte in source.utf8 {
                first.mix(byte)
                second.mix(byte)
            }
            self.init(
                text: [
                    kind, "kit \(KernelCache.version)", device, driver, options,
                    "source \(source.utf8.count) \(first.value) \(second.value)",
                ].joined(separator: "\n"))
        }

        /// A key again from its `text`, which one binary may hold to refer to another.
        public init(text: String) {
            self.text = text
            var first = Hash(seed: 0xcbf2_9ce4_8422_2325)
            var second = Hash(seed: 0x9e37_79b9_7f4a_7c15, multiplier: 0xd134_2543_de82_ef95)
            for byte in text.utf8 {
                first.mix(byte)
                second.mix(byte)
            }
            let kind = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
            fileName = "\(kind)-\(hexadecimal(first.value))\(hexadecimal(second.value)).bin"
        }
    }

    /// Changes when the meaning of rendered sources or the layout of files does.
    static let version = 1
    private static let magic: [UInt8] = Array("CRSSTKC1".utf8)
    private static let temporaryNumber = Atomic<Int>(0)

    private let directory: String?

    /// `directory` as `Services.cacheDirectory`; nil caches nothing.
    public init(directory: String?) { self.directory = directory }

    /// The binary saved under `key`, or nil.
    public func load(_ key: Key) -> [UInt8]? {
        guard let directory, let file = Self.read(directory + "/" + key.fileName) else { return nil }
        // magic · key length · payload length · checksum · key · payload
        let keyBytes = Array(key.text.utf8)
        let header = Self.magic.count + 24
        guard file.count >= header && file.starts(with: Self.magic) else { return nil }
        func word(_ i: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(file[Self.magic.count + i * 8 + $1]) << UInt64($1 * 8) }
        }
        guard word(0) == UInt64(keyBytes.count), word(1) <= UInt64(file.count),
            file.count == header + keyBytes.count + Int(word(1))
        else { return nil }
        let payload = header + keyBytes.count
        guard file[header..<payload].elementsEqual(keyBytes), Self.checksum(file[payload...]) == word(2) else {
            return nil
        }
        return Array(file[payload...])
    }

    /// Saves a binary; other processes see all of it or nothing.
    public func save(_ payload: [UInt8], for key: Key) {
        guard let directory else { return }
        let keyBytes = Array(key.text.utf8)
        var file = Self.magic
        for word in [UInt64(keyBytes.count), UInt64(payload.count), Self.checksum(payload[...])] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                file.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        file += keyBytes
        file += payload

        let number = Self.temporaryNumber.add(1, ordering: .relaxed).newValue
        let temporary = "\(directory)/.\(key.fileName).\(getpid()).\(number)"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return }
        let written = file.withUnsafeBytes { Self.writeAll($0, to: descriptor) }
        let closed = close(descriptor) == 0
        if !written || !closed || rename(temporary, directory + "/" + key.fileName) != 0 { unlink(temporary) }
    }

    /// Forgets a binary that the driver would not take.
    public func remove(_ key: Key) {
        if let directory { unlink(directory + "/" + key.fileName) }
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0,
            status.st_size < 1 << 30
        else { return nil }
        return [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { bytes, count in
            // The file may shrink meanwhile: what could not be read is not counted.
            while count < bytes.count, let base = bytes.baseAddress {
                let n = Glibc.read(descriptor, base + count, bytes.count - count)
                if n < 0 && errno == EINTR { continue }
                if n <= 0 { break }
                count += n
            }
        }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let n = write(descriptor, base + done, bytes.count - done)
            if n < 0 && errno == EINTR { continue }
            if n <= 0 { return false }
            done += n
        }
        return true
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash = Hash(seed: 0x8422_2325_cbf2_9ce4)
        for byte in bytes { hash.mix(byte) }
        return hash.value
    }
}

/// FNV-1a; another start and multiplier make another function.
private struct Hash {
    var value: UInt64
    let multiplier: UInt64
    init(seed: UInt64, multiplier: UInt64 = 0x100_0000_01b3) {
        value = seed
        self.multiplier = multiplier
    }
    mutating func mix(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* multiplier }
}

private func hexadecimal(_ x: UInt64) -> String {
    let digits = String(x, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
