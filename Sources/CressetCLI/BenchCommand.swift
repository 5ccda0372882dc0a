import ArgumentParser
import Cresset
import Glibc

/// `cresset bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Time workloads, one JSON object a line.",
        discussion: """
            Names and timing are those of the PyTorch table it is compared with: two warm-up runs, then at least five \
            timed ones, each ending when the device has finished.
            """)

    @Option(help: "Only workloads whose name has a match of this regular expression.")
    var filter = ""

    @Option(help: "Threads the backends may use; 0 leaves it to them.")
    var threads = 0

    @Option(help: "Least time spent on one workload.")
    var seconds = 0.5

    @Option(help: "Where to run: \"cpu\", \"vulkan:1\", \"opencl:NVIDIA\", …; else CRESSET_DEVICE, else cpu.")
    var device: String?

    @Flag(help: "First measure what the processor can do: its copy bandwidth and its peak of multiply-adds.")
    var probe = false

    @Flag(help: "Print the names and run nothing.")
    var list = false

    @Flag(inversion: .prefixedNo, help: "Compare each workload's result with the reference's before it is timed.")
    var check = true

    func validate() throws {
        guard threads >= 0 else { throw ValidationError("--threads must not be negative, got \(threads)") }
        guard seconds >= 0 && seconds.isFinite else {
            throw ValidationError("--seconds must be a time, got \(seconds)")
        }
    }

    func run() throws {
        let pattern: Regex<AnyRegexOutput>
        do {
            pattern = try Regex(filter)
        } catch {
            throw ValidationError("--filter \(filter) is not a regular expression: \(error)")
        }
        let chosen = Workload.table.filter { $0.name.firstMatch(of: pattern) != nil }
        guard !chosen.isEmpty else { throw ValidationError("no workload's name matches \(filter)") }
        if list {
            for workload in chosen { print(workload.name) }
            return
        }
        if threads > 0 { setNumThreads(threads) }
        let device = try chosenDevice()
        Device.default = device
        if probe { for line in Probe.lines() { print(line) } }
        var failures = 0
        for workload in chosen {
            do {
                if check { try ResultCheck.run(workload, on: device) }
                manualSeed(0)
                let timing = try Timing.measure(workload.setup, on: device, seconds: seconds)
                print(timing.json(workload, device: "\(device)"))
                // Line by line even into a pipe: the reader may give up in the middle.
                fflush(nil)
            } catch {
                failures += 1
                complain("\(workload.name): \(error)")
            }
        }
        if failures > 0 { throw ExitCode.failure }
    }

    /// Said, or set from outside, or the default; an unknown one is an error that lists the known ones.
    private func chosenDevice() throws -> Device {
        if let device { return try Device(device) }
        if let set = getenv("CRESSET_DEVICE"), set.pointee != 0 { return try Device(String(cString: set)) }
        return Device.default
    }
}
