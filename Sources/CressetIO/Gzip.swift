internal import CZlib
import Cresset

/// Inflates a gzip stream piece by piece.
///
/// Takes several members in a row; checks each one's checksum and length.
struct GzipInflater: ~Copyable {
    // zlib keeps a pointer back to its stream, so that must not move: it lives on the heap until deinit.
    private let stream: UnsafeMutablePointer<z_stream>
    private var betweenMembers = false
    private(set) var isFinished = false

    init() throws(FormatError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 bits of window, 16 for "gzip only".
        let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { throw FormatError("zlib does not start (\(status))") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Inflates from `input`, the whole stream, into `output`; `taken` counts the bytes of it that were used.
    ///
    /// Returns how many bytes of `output` were filled: all of them until the stream is at its end.
    mutating func inflate(
        _ input: [UInt8], from taken: inout Int, into output: inout [UInt8]
    ) throws(FormatError) -> Int {
        var filled = 0
        while filled < output.count && !isFinished {
            if betweenMembers {
                if taken == input.count {
                    isFinished = true
                    break
                }
                inflateReset(stream)
                betweenMembers = false
            }
            let (inCount, outCount) = (min(input.count - taken, 1 << 30), min(output.count - filled, 1 << 30))
            let status = input.withUnsafeBufferPointer { input in
                output.withUnsafeMutableBufferPointer { output in
                    // zlib reads at most avail_in bytes from next_in, writes at most avail_out to next_out, which is
                    // what the arrays hold from there on, and keeps neither pointer. It does not write to its input.
                    stream.pointee.next_in = input.baseAddress.map { UnsafeMutablePointer(mutating: $0 + taken) }
                    stream.pointee.avail_in = UInt32(inCount)
                    stream.pointee.next_out = output.baseAddress.map { $0 + filled }
                    stream.pointee.avail_out = UInt32(outCount)
                    return CZlib.inflate(stream, Z_NO_FLUSH)
                }
            }
            taken += inCount - Int(stream.pointee.avail_in)
            filled += outCount - Int(stream.pointee.avail_out)
            switch status {
            case Z_OK: break
            case Z_STREAM_END: betweenMembers = true
            // There was room, and all that is left was offered: it wants what is not there.
            case Z_BUF_ERROR: throw FormatError("the gzip data ends too early")
            case Z_MEM_ERROR: throw FormatError("no memory to inflate it")
            default:
                throw FormatError("damaged gzip data: \(stream.pointee.msg.map { String(cString: $0) } ?? "\(status)")")
            }
        }
        return filled
    }
}

/// gzip in memory.
package enum Gzip {
    /// True where `bytes` begin as gzip does.
    static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    /// Gives the content of `bytes` to `body` piece by piece.
    static func inflate(
        _ bytes: [UInt8], _ body: (ArraySlice<UInt8>) throws(FormatError) -> Void
    ) throws(FormatError) {
        var inflater = try GzipInflater()
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var taken = 0
        while !inflater.isFinished {
            let given = try inflater.inflate(bytes, from: &taken, into: &chunk)
            try body(chunk[..<given])
        }
    }

    /// The content of `bytes`, refused above `limit` bytes.
    package static func inflate(_ bytes: [UInt8], limit: Int) throws(CressetError) -> [UInt8] {
        try CressetError.about("gzip data", op: "Gzip.inflate") { () throws(FormatError) in
            var content: [UInt8] = []
            try inflate(bytes) { (chunk) throws(FormatError) in
                if content.count + chunk.count > limit { throw FormatError("more than \(limit) bytes") }
                content += chunk
            }
            return content
        }
    }
}
