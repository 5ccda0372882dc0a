import Cresset
import Glibc

/// Files and commands the tests use.
enum Workshop {
    /// The checkout.
    static let root: String = {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        return parts.joined(separator: "/")
    }()

    /// A folder of this run's own. It stays until the process ends: plugins are never unloaded.
    static let folder: String = {
        var name = Array("/tmp/cresset-loader-XXXXXX".utf8CString)
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
        // A death by signal is told as 128 and the signal, as a shell does.
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
        return (code, String(decoding: bytes, as: UTF8.self))
    }

    /// Every plugin of Tests/HostilePlugins, built once.
    static let hostile: String = {
        let folder = Workshop.folder + "/hostile"
        let (status, output) = run("bash '\(root)/Tests/HostilePlugins/build.sh' '\(folder)'")
        precondition(status == 0, output)
        return folder
    }()

    static func hostile(_ name: String) -> String { "\(hostile)/libcresset_backend_\(name).so" }

    /// The example backend under another name.
    static func naive(_ name: String) -> String {
        let path = "\(folder)/lib\(name).so"
        let (status, output) = run(
            """
            cc -O1 -shared -fPIC -DBACKEND_NAME='"\(name)"' -o '\(path)' \
            '\(root)/Examples/CustomBackend/naive_backend.c' -I'\(root)/Sources/CBackend/include' -lm
            """)
        precondition(status == 0, output)
        return path
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

/// That the process still computes, on the device that is always there.
func stillWorks() throws -> Bool {
    let x = Tensor([1, 2, 3] as [Float], device: .reference)
    return try catching { [Float](x + x * 2) } == [3, 6, 9]
}
