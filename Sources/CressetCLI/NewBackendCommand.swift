import ArgumentParser
import CTemplates
import CressetIO
import Glibc

/// `cresset new-backend`
struct NewBackendCommand: ParsableCommand {
    enum Language: String, ExpressibleByArgument, CaseIterable {
        case c, swift
    }

    static let configuration = CommandConfiguration(
        commandName: "new-backend",
        abstract: "Write the start of a backend: it builds, loads and runs pointwise operations.")

    @Argument(help: "Name of the device type, as in \"NAME:0\": [a-z][a-z0-9_]*, at most 31 characters.")
    var name: String

    @Option(help: "What to write it in.")
    var language: Language

    @Option(help: "The folder to write, made if it is not there. Nothing in it is overwritten.")
    var path: String

    @Option(
        help: "With --language swift: path or URL of the Cresset package (default: the one this command was built in).")
    var cresset: String?

    func validate() throws {
        let first = name.utf8.first.map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) } ?? false
        let rest = name.utf8.allSatisfy { c in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(c) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c)
                || c == UInt8(ascii: "_")
        }
        guard first && rest && name.utf8.count <= 31 else {
            throw ValidationError("\"\(name)\" is not of the form [a-z][a-z0-9_]*, at most 31 characters")
        }
        guard !path.isEmpty else { throw ValidationError("--path names no folder") }
    }

    func run() throws {
        var words = ["@NAME@": name, "@TYPE@": Self.typeName(name)]
        if language == .swift { words.merge(try dependency()) { $1 } }
        let files = Self.templates(language).map { (path + "/" + Self.fill($0.path, words), Self.fill($0.text, words)) }
        // Looked at before anything is written, so that a refusal leaves nothing half-done.
        for (file, _) in files where access(file, F_OK) == 0 {
            throw ValidationError("\(file) is there already; nothing was written")
        }
        for (file, text) in files {
            try Self.makeFolders(above: file)
            try Self.write(text, to: file)
            print(file)
        }
        print("See \(path)/README.md for what to do next.")
    }

    // MARK: Templates

    private static func templates(_ language: Language) -> [(path: String, text: String)] {
        var found: [(path: String, text: String)] = []
        for k in 0... {
            let template = cresset_template(k)
            guard let own = template.language, let path = template.path, let text = template.text else { break }
            if String(cString: own) == language.rawValue {
                found.append((String(cString: path), String(cString: text)))
            }
        }
        return found
    }

    /// "my_chip" as "MyChip".
    private static func typeName(_ name: String) -> String {
        name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// The text with each @WORD@ replaced.
    private static func fill(_ text: String, _ words: [String: String]) -> String {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        var result = ""
        var i = parts.startIndex
        while i < parts.endIndex {
            result += parts[i]
            i += 1
            guard i < parts.endIndex else { break }
            if i + 1 < parts.endIndex, let word = words["@\(parts[i])@"] {
                result += word
                i += 1
            } else {
                result += "@"
            }
        }
        return result
    }

    /// How a Swift backend's package depends on Cresset.
    private func dependency() throws -> [String: String] {
        let place = try cresset ?? Self.ownPackage()
        let isURL = place.contains("://") || place.hasPrefix("git@")
        var parts = place.split(separator: "/").map(String.init)
        guard var package = parts.popLast() else { throw ValidationError("--cresset names no package") }
        if isURL {
            if package.hasSuffix(".git") { package.removeLast(4) }
            return ["@DEPENDENCY@": ".package(url: \"\(place)\", branch: \"main\")", "@PACKAGE@": package]
        }
        guard let resolved = realpath(place, nil) else {
            throw ValidationError("--cresset \(place): \(String(cString: strerror(errno)))")
        }
        defer { free(resolved) }
        let whole = String(cString: resolved)
        let identity = whole.split(separator: "/").last.map(String.init) ?? package
        return ["@DEPENDENCY@": ".package(path: \"\(whole)\")", "@PACKAGE@": identity]
    }

    /// The package whose build folder this command lies in.
    private static func ownPackage() throws -> String {
        var folder = FileSystem.executable
        while let slash = folder.lastIndex(of: "/") {
            folder = String(folder[..<slash])
            if access(folder + "/Package.swift", F_OK) == 0, access(folder + "/Sources/BackendKit", F_OK) == 0 {
                return folder
            }
        }
        throw ValidationError("say with --cresset where the Cresset package is: its folder or its URL")
    }

    // MARK: Files

    private static func makeFolders(above file: String) throws {
        for (i, c) in zip(file.indices, file) where c == "/" && i != file.startIndex {
            let folder = String(file[..<i])
            guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw failure(folder) }
        }
    }

    private static func write(_ text: String, to file: String) throws {
        // O_EXCL: never over a file that came meanwhile.
        let target = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard target >= 0 else { throw failure(file) }
        defer { close(target) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(target, $0.baseAddress, $0.count) }
            guard written > 0 else { throw failure(file) }
            rest = rest.dropFirst(written)
        }
    }

    private static func failure(_ path: String) -> ValidationError {
        ValidationError("\(path): \(String(cString: strerror(errno)))")
    }
}
