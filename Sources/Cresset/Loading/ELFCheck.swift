import Glibc

/// A look at a shared library's headers before the system's loader maps it.
///
/// The loader maps what the program headers say without comparing them with the file's length; the
/// first touch of a page beyond the end is then SIGBUS, in the middle of dlopen.
enum ELFCheck {
    /// Why the file must not be given to dlopen; nil for one that can be, and for one that is no ELF
    /// file at all, which dlopen refuses in its own words.
    static func refusal(path: String) -> String? {
        // Nonblocking, so that a fifo of that name does not keep us waiting.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { return nil }
        guard info.st_mode & S_IFMT == S_IFREG else { return "it is not a regular file" }
        return refusal(size: UInt64(max(info.st_size, 0))) { offset, count in
            var bytes = [UInt8](repeating: 0, count: count)
            let read = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, count, off_t(clamping: offset)) }
            return read == count ? bytes : nil
        }
    }

    /// The same of a file of `size` bytes that `read` gives parts of.
    static func refusal(size: UInt64, read: (_ offset: UInt64, _ count: Int) -> [UInt8]?) -> String? {
        guard size >= 4, let magic = read(0, 4), magic == [0x7f, 0x45, 0x4c, 0x46] else { return nil }
        guard let header = read(0, Header.size).map(Fields.init) else {
            return "the file is cut off: it is an ELF file of \(size) bytes, shorter than its header"
        }
        guard header.byte(4) == 2, header.byte(5) == 1 else { return "it is not a 64-bit little-endian ELF file" }
        let type = header.u16(16)
        guard type == 3 else { return "it is not a shared library (ELF type \(type), not 3)" }
        let machine = header.u16(18)
        guard ownMachine == nil || machine == ownMachine else {
            return "it is for another processor (ELF machine \(machine), this one is \(ownMachine ?? 0))"
        }

        let (segments, segmentCount) = (header.u64(32), UInt64(header.u16(56)))
        guard header.u16(54) == Header.segmentSize, segmentCount > 0 else { return "its program headers are malformed" }
        guard fits(segments, segmentCount * UInt64(Header.segmentSize), size) else {
            return cut(size, "its program headers", segments)
        }
        for i in 0..<segmentCount {
            let at = segments + i * UInt64(Header.segmentSize)
            guard let segment = read(at, Header.segmentSize).map(Fields.init) else { return cut(size, "a header", at) }
            let (kind, offset, bytes) = (segment.u32(0), segment.u64(8), segment.u64(32))
            guard kind == Header.load || kind == Header.dynamic else { continue }
            guard fits(offset, bytes, size) else { return cut(size, "a segment of \(bytes) bytes", offset) }
        }
        // Nothing to the loader, but it ends the file, so it tells of a cut that took no segment.
        let (sections, sectionBytes) = (header.u64(40), UInt64(header.u16(60)) * UInt64(header.u16(58)))
        guard sections == 0 || fits(sections, sectionBytes, size) else {
            return cut(size, "its section table", sections)
        }
        return nil
    }

    /// Sizes and kinds of the ELF64 format.
    private enum Header {
        static let size = 64
        static let segmentSize = 56
        static let load: UInt32 = 1
        static let dynamic: UInt32 = 2
    }

    /// This process's machine number, nil where we do not know it.
    private static var ownMachine: Int? {
        #if arch(x86_64)
            return 62
        #elseif arch(arm64)
            return 183
        #else
            return nil
        #endif
    }

    /// True when `count` bytes from `offset` lie within `size`; no sum that could overflow.
    private static func fits(_ offset: UInt64, _ count: UInt64, _ size: UInt64) -> Bool {
        offset <= size && count <= size - offset
    }

    private static func cut(_ size: UInt64, _ what: String, _ offset: UInt64) -> String {
        "the file is cut off: it has \(size) bytes, and \(what) at \(offset) lies beyond"
    }

    /// Little-endian numbers at fixed places of a header that was read whole.
    private struct Fields {
        let bytes: [UInt8]
        init(_ bytes: [UInt8]) { self.bytes = bytes }

        private func number(_ offset: Int, _ count: Int) -> UInt64 {
            bytes[offset..<(offset + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        func byte(_ offset: Int) -> UInt8 { bytes[offset] }
        func u16(_ offset: Int) -> Int { Int(number(offset, 2)) }
        func u32(_ offset: Int) -> UInt32 { UInt32(number(offset, 4)) }
        func u64(_ offset: Int) -> UInt64 { number(offset, 8) }
    }
}
