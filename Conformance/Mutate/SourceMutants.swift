import Cresset
import Glibc

/// Mutants of C sources, each compiled to a library of its own.
struct SourceMutants: Sendable {
    let compiler: String
    /// Where originals are compiled to.
    let folder: String

    static let headers = "Sources/CBackend/include"
    static let kernels = "Backends/OpenBLAS/Kernels"
    static let example = "Examples/CustomBackend/naive_backend.c"
    /// The files of the cpu's kernels in which the work is done. (The others start threads, give memory, find OpenBLAS
    /// and choose an instruction set.)
    private static let files = [
        "attention.c", "execute.c", "fft.c", "gemm.c", "index.c", "matmul.c", "pointwise.c", "program.c",
        "recurrent.c", "reduce.c", "space.c", "status.c", "loops_attention.h", "loops_call.h", "loops_convert.h",
        "loops_elementwise.h", "loops_fft.h", "loops_fold.h", "loops_gemm.h", "loops_pack.h", "loops_recurrent.h",
        "loops_scatter.h",
    ]
    private static let all = [
        "attention", "batch_norm", "blas", "conv", "conv_slab", "conv_weight", "execute", "fft", "gemm", "index",
        "isa", "loops_avx2", "loops_avx512", "loops_pairs", "loops_scalar", "loss", "matmul", "memory", "norm",
        "pointwise", "pool", "program", "recurrent", "reduce", "rows", "scan", "softmax", "sort", "space", "status",
        "upsample", "window",
    ]
    /// Lines that say how much is worth doing at once, not what is done.
    private static let tuning = [
        "grain", "cost", "tile_work", "tile_columns > 96", "CPU_PARALLEL_BYTES", "GRAIN", "cpu_thread_count",
    ]
    /// Lines for the end of memory, which nothing brings about at will.
    private static let unreachable = ["no_memory", "(!memory)", "out of host memory"]

    private var flags: String { "-O1 -fPIC -w -std=gnu2x -D_GNU_SOURCE -I\(Self.headers)" }

    init(compiler: String, folder: String) throws {
        self.compiler = compiler
        self.folder = folder
        mkdir(folder, 0o755)
        try compile(Self.example, to: "\(folder)/naive.o")
        for name in Self.all { try compile("\(Self.kernels)/\(name).c", to: "\(folder)/\(name).o") }
    }

    private func compile(_ source: String, to object: String) throws {
        guard shell("\(flags) -I\(Self.kernels)/include -c -o \(object) \(source)") else {
            throw CressetError(.io, op: "mutate", "\(source) does not compile")
        }
    }

    private func shell(_ arguments: String) -> Bool { Files.shell("\(compiler) \(arguments)") }

    // MARK: The C example

    func naive() throws -> (unedited: Mutant, [Mutant]) {
        let bytes = try Files.bytes(Self.example)
        let right = Mutant(
            subject: "naive", place: "naive_backend.c", kind: "", text: "unedited",
            build: { folder in
                mkdir(folder, 0o755)
                return link("\(self.folder)/naive.o -lm", "\(folder)/plugin.so")
            }, plugin: "%/plugin.so")
        let wrong = edits(of: bytes).map { edit in
            var mutant = self.mutant(edit, of: bytes, "naive", "naive_backend.c")
            mutant.plugin = "%/plugin.so"
            mutant.build = { folder in
                mkdir(folder, 0o755)
                try Files.write(edit.applied(to: bytes), to: "\(folder)/naive_backend.c")
                let flags = "\(flags) -DBACKEND_NAME='\"mutant\"'"
                guard shell("\(flags) -c -o \(folder)/naive.o \(folder)/naive_backend.c") else { return .invalid }
                if try Files.bytes("\(folder)/naive.o") == Files.bytes("\(self.folder)/naive.o") { return .same }
                return link("\(folder)/naive.o -lm", "\(folder)/plugin.so")
            }
            return mutant
        }
        return (right, wrong)
    }

    private func link(_ objects: String, _ library: String) -> BuildOutcome {
        shell("-shared -o \(library) \(objects)") ? .built : .invalid
    }

    // MARK: The cpu's kernels

    func cpu(plugin: String) throws -> (unedited: Mutant, [Mutant]) {
        let right = Mutant(
            subject: "cpu", place: "", kind: "", text: "unedited",
            build: { folder in
                mkdir(folder, 0o755)
                return linkKernels(folder, exchanged: nil)
            }, preload: "%/kernels.so", plugin: plugin, environment: Self.scalar)
        let wrong = try Self.files.flatMap { file in
            let bytes = try Files.bytes("\(Self.kernels)/\(file)")
            // Headers hold the inner loops, which every instruction set compiles anew; the plainest will do.
            let unit = file.hasSuffix(".h") ? "loops_scalar" : String(file.dropLast(2))
            return edits(of: bytes).map { edit in
                var mutant = self.mutant(edit, of: bytes, "cpu", file)
                mutant.plugin = plugin
                mutant.preload = "%/kernels.so"
                mutant.environment = Self.scalar
                mutant.build = { folder in
                    mkdir(folder, 0o755)
                    guard Files.shell("rm -rf \(folder)/Kernels && cp -r \(Self.kernels) \(folder)/Kernels") else {
                        throw CressetError(.io, op: "mutate", "the kernels cannot be copied")
                    }
                    try Files.write(edit.applied(to: bytes), to: "\(folder)/Kernels/\(file)")
                    let source = "-I\(folder)/Kernels/include -c -o \(folder)/\(unit).o \(folder)/Kernels/\(unit).c"
                    guard shell("\(flags) \(source)") else { return .invalid }
                    if try Files.bytes("\(folder)/\(unit).o") == Files.bytes("\(self.folder)/\(unit).o") {
                        return .same
                    }
                    return linkKernels(folder, exchanged: unit)
                }
                return mutant
            }
        }
        return (right, wrong)
    }

    private static let scalar = [("CRESSET_CPU_ISA", "scalar")]

    private func linkKernels(_ folder: String, exchanged unit: String?) -> BuildOutcome {
        let objects = Self.all.map { $0 == unit ? "\(folder)/\($0).o" : "\(self.folder)/\($0).o" }
        return link("\(objects.joined(separator: " ")) -lm -lpthread -ldl", "\(folder)/kernels.so")
    }

    // MARK: Both

    private func edits(of bytes: [UInt8]) -> [TextEdit] {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return TextEdits(String(decoding: bytes, as: UTF8.self)).edits.filter { edit in
            let line = String(decoding: lines[edit.line - 1], as: UTF8.self)
            return !(Self.tuning + Self.unreachable).contains { line.contains($0) }
        }
    }

    private func mutant(_ edit: TextEdit, of bytes: [UInt8], _ subject: String, _ file: String) -> Mutant {
        let start = bytes[..<edit.range.lowerBound].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let end = bytes[edit.range.upperBound...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let before = String(decoding: bytes[start..<edit.range.lowerBound], as: UTF8.self)
        let after = String(decoding: bytes[edit.range.upperBound..<end], as: UTF8.self)
        let old = String(decoding: bytes[edit.range], as: UTF8.self)
        return Mutant(
            subject: subject, place: file, kind: edit.kind,
            text: "\(before.squeezed)⟦\(old.squeezed) → \(edit.replacement.squeezed)⟧\(after.squeezed)", plugin: "")
    }
}

extension String {
    /// On one line, with single spaces.
    var squeezed: String {
        split(whereSeparator: { $0.isWhitespace }).joined(separator: " ")
    }
}
