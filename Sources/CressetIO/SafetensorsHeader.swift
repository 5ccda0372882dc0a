import Cresset

/// The head of a safetensors file: eight bytes of length, then JSON that says where each tensor lies.
package struct SafetensorsHeader: Sendable {
    /// One tensor; `bytes` counts from the end of the header.
    package struct Entry: Sendable {
        package var dtype: DType
        package var shape: [Int]
        package var bytes: Range<Int>
    }

    package var metadata: [String: String] = [:]
    package var entries: [String: Entry] = [:]

    /// The format's own limit on the JSON.
    static let maxByteCount = 100_000_000
    static let metadataName = "__metadata__"
}

// MARK: - Dtypes

extension SafetensorsHeader {
    private static let dtypes: [(String, DType)] = [
        ("F64", .float64), ("F32", .float32), ("F16", .float16), ("BF16", .bfloat16), ("I64", .int64),
        ("I32", .int32), ("I16", .int16), ("I8", .int8), ("U8", .uint8), ("BOOL", .bool), ("C64", .complex64),
    ]

    static func dtype(named name: String) -> DType? { dtypes.first { $0.0 == name }?.1 }
    static func name(of dtype: DType) -> String? { dtypes.first { $0.1 == dtype }?.0 }

    /// Bytes of such a tensor, nil if an Int cannot hold them.
    ///
    /// A size of 0 does not excuse the others: strides are their products.
    static func byteCount(_ dtype: DType, _ shape: [Int]) -> Int? {
        var step = dtype.size
        for size in shape {
            let (product, overflow) = step.multipliedReportingOverflow(by: max(size, 1))
            if overflow { return nil }
            step = product
        }
        return shape.contains(0) ? 0 : step
    }
}

// MARK: - Reading

extension SafetensorsHeader {
    /// The length of the JSON from the file's first eight bytes, checked against the file's size.
    package static func jsonByteCount(_ prefix: [UInt8], fileSize: Int) throws(FormatError) -> Int {
        guard prefix.count == 8 else { throw FormatError("too short for a safetensors file") }
        let count = prefix.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard count <= UInt64(maxByteCount) else {
            throw FormatError("a header of \(count) bytes; at most \(maxByteCount) are allowed")
        }
        guard Int(count) <= fileSize - 8 else {
            throw FormatError("a header of \(count) bytes in a file of \(fileSize)")
        }
        return Int(count)
    }

    /// Reads the JSON of a file that has `dataByteCount` bytes after it.
    package init(json: [UInt8], dataByteCount: Int) throws(FormatError) {
        do throws(JSONError) {
            // The format wants '{' first; white space may only follow.
            guard json.first == ascii("{") else { throw JSONReader(json).error("'{' should stand here") }
            var reader = JSONReader(json, limits: .init(depth: 4))
            var seenMetadata = false
            try reader.readObject { (reader, name) throws(JSONError) in
                if name == Self.metadataName {
                    if seenMetadata { throw reader.error("\(name) stands twice") }
                    seenMetadata = true
                    metadata = try Self.readMetadata(&reader)
                } else {
                    if entries[name] != nil { throw reader.error("the tensor '\(name)' stands twice") }
                    entries[name] = try Self.readEntry(&reader, name)
                }
            }
            try reader.finish()
        } catch {
            throw FormatError("header: \(error)")
        }
        try checkLayout(dataByteCount: dataByteCount)
    }

    private static func readMetadata(_ reader: inout JSONReader) throws(JSONError) -> [String: String] {
        var metadata: [String: String] = [:]
        try reader.readObject { (reader, key) throws(JSONError) in
            if metadata[key] != nil { throw reader.error("the metadata entry '\(key)' stands twice") }
            metadata[key] = try reader.readString()
        }
        return metadata
    }

    private static func readEntry(_ reader: inout JSONReader, _ name: String) throws(JSONError) -> Entry {
        var dtype: DType?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.readObject { (reader, key) throws(JSONError) in
            switch key {
            case "dtype" where dtype == nil:
                let spelled = try reader.readString()
                dtype = Self.dtype(named: spelled)
                if dtype == nil { throw reader.error("tensor '\(name)' has the dtype \(spelled), not one of ours") }
            case "shape" where shape == nil: shape = try reader.readSizes(atMost: maxRank, "shape of '\(name)'")
            case "data_offsets" where offsets == nil: offsets = try reader.readSizes(atMost: 2, "offsets of '\(name)'")
            default: throw reader.error("tensor '\(name)' has an unknown or second member '\(key)'")
            }
        }
        guard let dtype, let shape, let offsets, offsets.count == 2 else {
            throw reader.error("tensor '\(name)' needs dtype, shape and two data_offsets")
        }
        guard let byteCount = byteCount(dtype, shape) else {
            throw reader.error("tensor '\(name)' has the shape \(shape), whose size is beyond all memory")
        }
        guard offsets[0] <= offsets[1], offsets[1] - offsets[0] == byteCount else {
            throw reader.error(
                "tensor '\(name)' has the offsets \(offsets), but \(dtype.name) \(shape) takes \(byteCount) bytes")
        }
        return Entry(dtype: dtype, shape: shape, bytes: offsets[0]..<offsets[1])
    }

    /// Tensors follow each other without overlap or hole and fill the data to its end.
    private func checkLayout(dataByteCount: Int) throws(FormatError) {
        var end = 0
        let ordered = entries.sorted {
            ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
                < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
        }
        for (name, entry) in ordered {
            if entry.bytes.lowerBound < end { throw FormatError("tensor '\(name)' overlaps the one before it") }
            if entry.bytes.lowerBound > end {
                throw FormatError("\(entry.bytes.lowerBound - end) bytes before tensor '\(name)' belong to none")
            }
            end = entry.bytes.upperBound
        }
        if end != dataByteCount {
            throw FormatError("tensors take \(end) bytes of data, the file has \(dataByteCount)")
        }
    }
}

extension JSONReader {
    /// An array of at most `limit` nonnegative integers.
    fileprivate mutating func readSizes(atMost limit: Int, _ what: String) throws(JSONError) -> [Int] {
        var sizes: [Int] = []
        try readArray { (reader) throws(JSONError) in
            if sizes.count == limit { throw reader.error("\(what): more than \(limit) numbers") }
            let size = try reader.readInteger()
            if size < 0 { throw reader.error("\(what): \(size) is negative") }
            sizes.append(size)
        }
        return sizes
    }
}

// MARK: - Writing

extension SafetensorsHeader {
    /// The file's first bytes: length and JSON, padded so that the data begins at a multiple of 8.
    var encoded: [UInt8] {
        var object = JSON.Object()
        if !metadata.isEmpty {
            var strings = JSON.Object()
            for key in metadata.keys.sorted() { strings[key] = metadata[key].map { .string($0) } }
            object[Self.metadataName] = .object(strings)
        }
        for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
            object[name] = [
                "dtype": Self.name(of: entry.dtype).map { .string($0) } ?? nil,
                "shape": .array(entry.shape.map { .integer($0) }),
                "data_offsets": [.integer(entry.bytes.lowerBound), .integer(entry.bytes.upperBound)],
            ]
        }
        var json = Array(JSON.object(object).serialized().utf8)
        json += [UInt8](repeating: ascii(" "), count: -json.count & 7)
        return (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) } + json
    }
}
