import ArgumentParser
import CressetIO
import Glibc

/// `cresset bench-report`
struct BenchReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-report",
        abstract: "Turn lines of `bench` into a table, with PyTorch's beside them.",
        discussion: """
            FILES hold JSON lines of `cresset bench --probe` and, where there is a PyTorch, of its bench; several lines \
            for one workload count by their median. The table has two roofs for each workload: the time its bytes take at \
            the bandwidth of copies, and its operations at the peak of multiply-adds.
            """)

    @Argument(help: "Files of JSON lines.", completion: .file())
    var files: [String]

    @Option(help: "Also draw the ratios: an SVG file.", completion: .file(extensions: ["svg"]))
    var svg: String?

    func run() throws {
        var lines: [String] = []
        for file in files {
            guard let stream = fopen(file, "r") else {
                throw ValidationError("cannot read \(file): \(String(cString: strerror(errno)))")
            }
            defer { fclose(stream) }
            var line: UnsafeMutablePointer<CChar>?
            var capacity = 0
            while getline(&line, &capacity, stream) >= 0 {
                // getline's own, with a NUL at its end.
                if let line { lines.append(String(cString: line)) }
            }
            free(line)
        }
        let report = BenchReport(lines: lines)
        guard !report.rows.isEmpty else { throw ValidationError("there are no lines of a bench in these files") }
        print(report.text)
        if let svg {
            guard let stream = fopen(svg, "w") else {
                throw ValidationError("cannot write \(svg): \(String(cString: strerror(errno)))")
            }
            fputs(report.svg, stream)
            guard fclose(stream) == 0 else { throw ValidationError("cannot write \(svg)") }
        }
    }
}
