import Cresset
import Glibc

/// Plugins the tests build.
enum Workshop {
    /// The checkout.
    static let root: String = {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        return parts.joined(separator: "/")
    }()

    /// A folder of this run's own. It stays until the process ends: plugins are never unloaded.
    static let folder: String = {
        var name = Array("/tmp/cresset-tensor-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { fatalError("no temporary folder can be made") }
        let path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        atexit { _ = Workshop.run("rm -rf '\(Workshop.folder)'") }
        return path
    }()

    /// Runs a shell command; its exit status and everything it wrote.
    static func run(_ command: String) -> (status: Int32, output: String) {
        guard let stream = popen("( \(command) ) 2>&1", "r") else { return (-1, "popen failed") }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 { bytes += buffer[..<count] }
        let status = pclose(stream)
        return (
            status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f), String(decoding: bytes, as: UTF8.self)
        )
    }

    /// A C backend of one file under another name, loaded.
    static func device(_ name: String, from source: String = "Examples/CustomBackend/naive_backend.c") throws -> Device
    {
        let path = "\(folder)/lib\(name).so"
        let (status, output) = run(
            """
            cc -O1 -shared -fPIC -DBACKEND_NAME='"\(name)"' -o '\(path)' '\(root)/\(source)' \
            -I'\(root)/Sources/CBackend/include' -I'\(root)/Examples/CustomBackend' -lm
            """)
        precondition(status == 0, output)
        return try Device(Registry.load(path: path))
    }

    /// The built command, which lies beside the test binary.
    static let command: String = {
        guard let path = realpath("/proc/self/exe", nil) else { return "cresset" }
        defer { free(path) }
        return String(cString: path).split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/") + "/cresset"
    }()
}

/// The error `body` throws, nil if it throws none.
func refusal(_ body: () throws -> Void) -> CressetError? {
    do {
        try body()
        return nil
    } catch {
        return error as? CressetError
    }
}

/// A tensor on the reference device.
func make(_ values: [Float], _ shape: Shape? = nil) -> Tensor { Tensor(values, shape: shape, device: .reference) }

/// A leaf that requires grad.
func leaf(_ values: [Float], _ shape: Shape? = nil) -> Tensor { make(values, shape).requiresGrad_() }

/// Elements and those of the gradient.
func elements(_ x: Tensor) -> [Float] { [Float](x.detach()) }
func gradient(_ x: Tensor) -> [Float]? { x.grad.map { [Float]($0) } }
