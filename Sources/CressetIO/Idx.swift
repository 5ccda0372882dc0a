import Cresset

/// The array of an idx file, the format of MNIST.
public struct IdxArray: Sendable {
    public let dtype: DType
    public let shape: [Int]
    /// The elements, row-major, in this machine's byte order.
    public let bytes: [UInt8]

    /// Reads the idx file at `path`, plain or gzipped, refusing more than `limit` bytes.
    public static func load(_ path: String, limit: Int = 1 << 30) throws(CressetError) -> IdxArray {
        let file = try FileReader(path: path, op: op)
        // Beside its elements a file has a head of at most 20 bytes; gzip does not grow it by a thousandth.
        guard file.size <= limit + limit / 1000 + 1024 else {
            throw CressetError(.invalidFile, op: op, "\(path) has \(file.size) bytes, above the limit of \(limit)")
        }
        let bytes = try file.bytes(at: 0, count: file.size)
        return try CressetError.about(path, op: op) { () throws(FormatError) in
            try IdxArray(parsing: bytes, limit: limit)
        }
    }

    /// The array as a tensor.
    public func tensor(device: Device = .default) throws -> Tensor {
        try bytes.withUnsafeBytes { try Tensor(rawBytes: $0, shape: Shape(shape), dtype: dtype, device: device) }
    }

    private static let op = "IdxArray.load"
}

extension IdxArray {
    /// Reads the content of an idx file, plain or gzipped.
    package init(parsing bytes: [UInt8], limit: Int) throws(FormatError) {
        var parser = IdxParser(limit: limit)
        if Gzip.isGzip(bytes) {
            try Gzip.inflate(bytes) { (chunk) throws(FormatError) in try parser.add(chunk) }
        } else {
            try parser.add(bytes[...])
        }
        self = try parser.finish()
    }
}

/// Reads an idx file as its bytes come in; never holds more of them than came.
private struct IdxParser {
    private let limit: Int
    private var head: [UInt8] = []
    private var dtype: DType?
    private var shape: [Int] = []
    private var byteCount = 0
    private var content: [UInt8] = []

    init(limit: Int) { self.limit = limit }

    mutating func add(_ bytes: ArraySlice<UInt8>) throws(FormatError) {
        var bytes = bytes
        while dtype == nil, let byte = bytes.popFirst() {
            head.append(byte)
            try readHead()
        }
        guard bytes.count <= byteCount - content.count else {
            throw FormatError("more than the \(byteCount) bytes that \(shape) takes")
        }
        content += bytes
    }

    func finish() throws(FormatError) -> IdxArray {
        guard let dtype else { throw FormatError("too short for an idx file") }
        guard content.count == byteCount else {
            throw FormatError("\(content.count) bytes of elements, \(shape) takes \(byteCount)")
        }
        return IdxArray(dtype: dtype, shape: shape, bytes: Self.swapped(content, elementSize: dtype.size))
    }

    /// Two zeros, dtype, rank, then the sizes as big-endian Int32.
    private mutating func readHead() throws(FormatError) {
        guard head.count >= 4 else { return }
        guard head[0] == 0, head[1] == 0, let type = Self.dtype(head[2]) else {
            throw FormatError("not an idx file: it begins with \(head[..<4])")
        }
        let rank = Int(head[3])
        guard (1...4).contains(rank) else { throw FormatError("an idx file of rank \(rank); 1 to 4 are read") }
        guard head.count == 4 + 4 * rank else { return }
        var step = type.size
        for i in 0..<rank {
            let size = head[(4 + 4 * i)..<(8 + 4 * i)].reduce(0) { $0 << 8 | Int($1) }
            guard size <= Int(Int32.max) else { throw FormatError("size \(i) is negative") }
            shape.append(size)
            let (product, overflow) = step.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow, product <= limit else {
                throw FormatError("declares more than the limit of \(limit) bytes")
            }
            step = product
        }
        byteCount = shape.contains(0) ? 0 : step
        dtype = type
    }

    private static func dtype(_ code: UInt8) -> DType? {
        switch code {
        case 0x08: .uint8
        case 0x09: .int8
        case 0x0B: .int16
        case 0x0C: .int32
        case 0x0D: .float32
        case 0x0E: .float64
        default: nil
        }
    }

    /// From big-endian to little-endian.
    private static func swapped(_ bytes: [UInt8], elementSize size: Int) -> [UInt8] {
        if size == 1 { return bytes }
        var swapped = bytes
        for i in swapped.indices { swapped[i] = bytes[i / size * size + (size - 1 - i % size)] }
        return swapped
    }
}
