import Cresset

/// A safetensors file whose tensors are read when they are asked for.
///
/// Opening reads and checks the header only.
public final class SafetensorsFile: Sendable {
    /// What the header says of a tensor.
    public struct Description: Sendable, Equatable {
        public let dtype: DType
        public let shape: [Int]
        public let byteCount: Int
    }

    /// The file's free-form entries, `__metadata__`.
    public let metadata: [String: String]
    /// The names of the tensors, sorted.
    public let names: [String]
    private let source: Source
    private let header: SafetensorsHeader
    private let dataStart: Int

    private enum Source: Sendable {
        case file(FileReader)
        case memory([UInt8], name: String)

        var path: String {
            switch self {
            case .file(let reader): reader.path
            case .memory(_, let name): name
            }
        }
    }

    /// Opens the file at `path` and checks that its header agrees with itself and with the file's size.
    public init(path: String) throws(CressetError) {
        let reader = try FileReader(path: path, op: Self.op)
        let prefix = try reader.bytes(at: 0, count: min(8, reader.size))
        let count = try CressetError.about(path, op: Self.op) { () throws(FormatError) in
            try SafetensorsHeader.jsonByteCount(prefix, fileSize: reader.size)
        }
        let json = try reader.bytes(at: 8, count: count)
        header = try CressetError.about(path, op: Self.op) { () throws(FormatError) in
            try SafetensorsHeader(json: json, dataByteCount: reader.size - 8 - count)
        }
        source = .file(reader)
        dataStart = 8 + count
        metadata = header.metadata
        names = header.entries.keys.sorted()
    }

    /// The same for a file's bytes in memory; `name` stands for the path in messages.
    package init(bytes: [UInt8], name: String) throws(CressetError) {
        let (header, count) = try CressetError.about(name, op: Self.op) { () throws(FormatError) in
            let count = try SafetensorsHeader.jsonByteCount(Array(bytes.prefix(8)), fileSize: bytes.count)
            let json = Array(bytes[8..<8 + count])
            return (try SafetensorsHeader(json: json, dataByteCount: bytes.count - 8 - count), count)
        }
        self.header = header
        source = .memory(bytes, name: name)
        dataStart = 8 + count
        metadata = header.metadata
        names = header.entries.keys.sorted()
    }

    private static let op = "SafetensorsFile"

    /// Dtype and shape of the tensor of that name, nil if there is none.
    public func description(of name: String) -> Description? {
        header.entries[name].map { .init(dtype: $0.dtype, shape: $0.shape, byteCount: $0.bytes.count) }
    }

    /// Reads the tensor of that name to `device`.
    public func tensor(_ name: String, device: Device = .default) throws -> Tensor {
        guard let entry = header.entries[name] else {
            let some = names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
            throw CressetError(
                .argument, op: Self.op,
                "\(source.path) has no tensor '\(name)'; it has \(names.count): \(some)\(names.count > 8 ? ", …" : "")")
        }
        let memory = try RawMemory(byteCount: entry.bytes.count, op: Self.op)
        switch source {
        case .file(let reader): try reader.read(at: dataStart + entry.bytes.lowerBound, into: memory.bytes)
        case .memory(let bytes, _):
            // The header was checked against the bytes' number.
            memory.bytes.copyBytes(
                from: bytes[dataStart...][(dataStart + entry.bytes.lowerBound)...].prefix(entry.bytes.count))
        }
        if entry.dtype == .bool, let bad = memory.bytes.first(where: { $0 > 1 }) {
            throw CressetError(
                .invalidFile, op: Self.op, "\(source.path): tensor '\(name)' is BOOL and holds the byte \(bad)")
        }
        // The copy is over when the initialiser returns, and `memory` lives beyond it.
        return try withExtendedLifetime(memory) {
            try Tensor(
                rawBytes: UnsafeRawBufferPointer(memory.bytes), shape: Shape(entry.shape), dtype: entry.dtype,
                device: device)
        }
    }
}
