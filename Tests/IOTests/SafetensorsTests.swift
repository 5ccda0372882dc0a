import Cresset
import CressetIO
import Glibc
import Testing

@Suite struct SafetensorsTests {
    let folder = TemporaryFolder()

    /// A file with that header and so many bytes of data.
    func file(_ json: String, data: Int, count: Int? = nil) -> String {
        folder.file("test.safetensors", Self.bytes(json, data: data, count: count))
    }

    static func bytes(_ json: String, data: Int, count: Int? = nil) -> [UInt8] {
        let count = count ?? json.utf8.count
        return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(json.utf8)
            + [UInt8](repeating: 1, count: data)
    }

    @Test func savesAndLoads() throws {
        let path = folder.path + "/model.safetensors"
        let tensors = [
            "weight": Tensor([1, -2, 3.5, .infinity, .nan, 0] as [Float], shape: [2, 3], device: .reference),
            "label": Tensor([1, .max, .min] as [Int64], shape: [3], device: .reference),
            "empty": Tensor([] as [Float], shape: [0, 4], device: .reference),
            "scalar": Tensor([7] as [Float], shape: [], device: .reference),
            "größe 😀": Tensor([8] as [Float], shape: [1], device: .reference),
        ]
        try Safetensors.save(tensors, to: path, metadata: ["format": "pt", "a": "\"b\""])
        let loaded = try Safetensors.load(path, device: .reference)
        #expect(loaded.keys.sorted() == tensors.keys.sorted())
        for (name, tensor) in tensors {
            #expect(loaded[name]?.shape == tensor.shape)
            #expect(loaded[name]?.dtype == tensor.dtype)
            #expect(try loaded[name]?.rawBytes() == tensor.rawBytes())
        }
        let file = try SafetensorsFile(path: path)
        #expect(file.metadata == ["format": "pt", "a": "\"b\""])
        let label = try #require(file.description(of: "label"))
        #expect(label.dtype == .int64)
        #expect(label.shape == [3])
        #expect(label.byteCount == 24)
        #expect(file.description(of: "none") == nil)
        #expect(throws: CressetError.self) { try file.tensor("none", device: .reference) }
        // The data begins at a multiple of 8, and the same tensors give the same file.
        let bytes = contents(path)
        #expect(bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) } % 8 == 0)
        try Safetensors.save(tensors, to: path, metadata: ["a": "\"b\"", "format": "pt"])
        #expect(contents(path) == bytes)
        #expect(folder.names == ["model.safetensors"])
    }

    @Test func aFailedSaveLeavesTheOldFile() throws {
        let path = folder.file("model.safetensors", [1, 2, 3])
        let tensor = Tensor([1] as [Float], shape: [1], device: .reference)
        #expect(throws: CressetError.self) { try Safetensors.save(["__metadata__": tensor], to: path) }
        #expect(throws: CressetError.self) { try Safetensors.save(["a": tensor], to: folder.path) }
        #expect(throws: CressetError.self) { try Safetensors.save(["a": tensor], to: folder.path + "/none/x") }
        #expect(contents(path) == [1, 2, 3])
        #expect(folder.names == ["model.safetensors"])
    }

    @Test func readsWhatOthersWrite() throws {
        let json =
            #"{"b":{"shape":[2],"dtype":"I16","data_offsets":[4,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#
        let file = try SafetensorsFile(path: file(json, data: 8))
        #expect(file.names == ["a", "b"])
        #expect(try file.tensor("b", device: .reference).rawBytes() == [1, 1, 1, 1])
    }

    static let entry = #""dtype":"U8","shape":[4],"data_offsets":[0,4]"#

    @Test(arguments: [
        ("no object", "[]", 0),
        ("white space first", " {}", 0),
        ("text after it", "{} x", 0),
        ("trailing data", "{}", 1),
        ("data missing", "{\"a\":{\(entry)}}", 3),
        ("data left over", "{\"a\":{\(entry)}}", 5),
        ("same name", "{\"a\":{\(entry)},\"a\":{\(entry)}}", 4),
        ("same member", "{\"a\":{\(entry),\"dtype\":\"U8\"}}", 4),
        ("unknown member", "{\"a\":{\(entry),\"x\":1}}", 4),
        ("no dtype", #"{"a":{"shape":[4],"data_offsets":[0,4]}}"#, 4),
        ("unknown dtype", #"{"a":{"dtype":"F8","shape":[4],"data_offsets":[0,4]}}"#, 4),
        ("dtype of another kind", #"{"a":{"dtype":1,"shape":[4],"data_offsets":[0,4]}}"#, 4),
        ("negative size", #"{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}"#, 4),
        ("two negative sizes", #"{"a":{"dtype":"U8","shape":[-2,-2],"data_offsets":[0,4]}}"#, 4),
        ("fraction", #"{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}"#, 4),
        ("size against offsets", #"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}}"#, 4),
        ("overflow", #"{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0),
        ("overflow by the dtype", #"{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}"#, 0),
        ("overflow beside a zero", #"{"a":{"dtype":"U8","shape":[0,9223372036854775807,2],"data_offsets":[0,0]}}"#, 0),
        ("size of a UInt64", #"{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,4]}}"#, 4),
        ("rank 13", #"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#, 1),
        ("offsets backwards", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#, 4),
        ("negative offset", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}"#, 4),
        ("one offset", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4]}}"#, 4),
        ("three offsets", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}"#, 4),
        (
            "offsets beyond the file",
            #"{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}"#, 4
        ),
        ("overlap", "{\"a\":{\(entry)},\"b\":{\(entry)}}", 4),
        ("partial overlap", "{\"a\":{\(entry)},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}", 5),
        ("hole", "{\"a\":{\(entry)},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[5,6]}}", 6),
        ("hole before", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}}"#, 5),
        ("metadata of another kind", #"{"__metadata__":[]}"#, 0),
        ("metadata value of another kind", #"{"__metadata__":{"a":1}}"#, 0),
        ("metadata twice", #"{"__metadata__":{},"__metadata__":{}}"#, 0),
        ("metadata name twice", #"{"__metadata__":{"a":"","a":""}}"#, 0),
        ("deep", "{\"a\":" + String(repeating: "[", count: 100_000), 0),
        ("long shape", "{\"a\":{\"shape\":[" + String(repeating: "1,", count: 100_000) + "1]}}", 0),
    ])
    func refuses(what: String, json: String, data: Int) {
        let error = #expect(throws: CressetError.self, "\(what)") { try SafetensorsFile(path: file(json, data: data)) }
        #expect(error?.kind == .invalidFile)
    }

    @Test func refusesHeaderLengths() {
        for count in [3, 100_000_001, Int.max, -1, Int.min] {
            let path = file("{}", data: 0, count: count)
            let error = #expect(throws: CressetError.self) { try SafetensorsFile(path: path) }
            #expect(error?.kind == .invalidFile)
        }
        for count in 0..<10 {
            let path = folder.file("short", Array(Self.bytes("{}", data: 0)[..<count]))
            #expect(throws: CressetError.self) { try SafetensorsFile(path: path) }
        }
    }

    @Test func refusesABoolThatIsNone() throws {
        var bytes = Self.bytes(#"{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"#, data: 2)
        #expect(try Safetensors.load(folder.file("bool", bytes), device: .reference)["a"]?.rawBytes() == [1, 1])
        bytes[bytes.count - 1] = 2
        let path = folder.file("bool", bytes)
        #expect(throws: CressetError.self) { try Safetensors.load(path, device: .reference) }
    }

    @Test func refusesAFileThatShrinks() throws {
        let path = file("{\"a\":{\(Self.entry)}}", data: 4)
        let opened = try SafetensorsFile(path: path)
        truncate(path, 20)
        let error = #expect(throws: CressetError.self) { try opened.tensor("a", device: .reference) }
        #expect(error?.kind == .invalidFile)
    }

    @Test func refusesWhatIsNoFile() {
        let pipe = folder.path + "/pipe"
        mkfifo(pipe, 0o600)
        for path in [folder.path, folder.path + "/none", "/dev/zero", pipe, ""] {
            let error = #expect(throws: CressetError.self) { try SafetensorsFile(path: path) }
            #expect(error?.kind == .io)
        }
    }
}
