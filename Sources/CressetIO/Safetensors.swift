import Cresset

/// Tensors by name in one file, in the format that the model hubs use.
public enum Safetensors {
    /// Reads every tensor of the file at `path` to `device`.
    public static func load(_ path: String, device: Device = .default) throws -> [String: Tensor] {
        let file = try SafetensorsFile(path: path)
        var tensors: [String: Tensor] = [:]
        for name in file.names { tensors[name] = try file.tensor(name, device: device) }
        return tensors
    }

    /// Writes `tensors` and `metadata` to `path`, which then holds all of it or, on an error, what it held before.
    public static func save(
        _ tensors: [String: Tensor], to path: String, metadata: [String: String] = [:]
    ) throws {
        var header = SafetensorsHeader()
        header.metadata = metadata
        var end = 0
        // Wide elements first keeps every tensor aligned to its element size.
        let ordered = tensors.sorted { (-$0.value.dtype.size, $0.key) < (-$1.value.dtype.size, $1.key) }
        for (name, tensor) in ordered {
            let (dtype, shape) = (tensor.dtype, Array(tensor.shape))
            guard SafetensorsHeader.name(of: dtype) != nil else {
                throw CressetError(.unsupported, op: op, "tensor '\(name)': safetensors has no \(dtype.name)")
            }
            guard name != SafetensorsHeader.metadataName else {
                throw CressetError(.argument, op: op, "no tensor can have the name \(name)")
            }
            guard let count = SafetensorsHeader.byteCount(dtype, shape) else {
                throw CressetError(.shape, op: op, "tensor '\(name)' has the size \(shape)")
            }
            header.entries[name] = .init(dtype: dtype, shape: shape, bytes: end..<end + count)
            end += count
        }
        let first = header.encoded
        guard first.count - 8 <= SafetensorsHeader.maxByteCount else {
            throw CressetError(.unsupported, op: op, "a header of \(first.count - 8) bytes is above the format's limit")
        }
        try FileWriter.replace(path, op: op) { file in
            try file.write(first)
            for (name, tensor) in ordered {
                let bytes = try tensor.rawBytes()
                guard bytes.count == header.entries[name]?.bytes.count else {
                    throw CressetError(.internal, op: op, "tensor '\(name)' gave \(bytes.count) bytes")
                }
                try file.write(bytes)
            }
        }
    }

    private static let op = "Safetensors.save"
}
