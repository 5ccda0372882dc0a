import ArgumentParser
import ConformanceSuite
import Cresset
import CressetIO

/// `cresset demo`
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Train on handwritten digits on every device, prove the devices, and write a page about it.")

    @Option(help: ArgumentHelp("Folder of the page.", valueName: "dir"))
    var output = "demo"

    @Option(help: ArgumentHelp("Train on MNIST from this folder instead of the built-in digits.", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("Only these devices, separated by commas.", valueName: "list"))
    var devices: String?

    @Option(help: "Passes over the training images.")
    var epochs: Int?

    @Option(help: "Seed of initial weights and batch order.")
    var seed: UInt64 = 1

    @Flag(help: "Leave the conformance summary out.")
    var skipConformance = false

    /// Held-out images that must be classified right.
    private static let wantedAccuracy = 0.96
    /// Largest difference from the reference's losses over the first epoch.
    private static let wantedDifference = 1e-3

    /// What the demo found out about one device.
    struct Row {
        var device: Device
        var name: String
        var outcome: Trainer.Outcome
        /// Largest difference of the losses from the reference's: first epoch, whole run.
        var differences = (first: 0.0, all: 0.0)
        var report: Report?
    }

    func run() throws {
        let devices = try chosenDevices()
        print("Devices:")
        for device in devices { print("  \(device)  \(try device.properties.name)") }
        for backend in Backends.loaded where backend.failure != nil {
            print("  \(backend.name): not available: \(backend.failure ?? "")")
        }
        let dataset: TrainCommand.DataSet = data == nil ? .digits : .mnist
        print("\nTraining on \(dataset == .digits ? "1,797 images of handwritten digits" : "MNIST"), seed \(seed):")
        var rows: [Row] = []
        for device in devices { rows.append(try train(dataset, on: device, after: rows.first)) }
        print(table(rows))

        if !skipConformance {
            // One dtype: the whole of it takes minutes on a driver that compiles slowly.
            print("Conformance, float32 (all of it: cresset conformance --device NAME):")
            let suite = try Suite(Selection(dtype: .float32))
            for i in rows.indices {
                let bar = ProgressLine("\(rows[i].device)", isOn: true)
                suite.context.progress = { bar.show($0, of: $1) }
                let report = try suite.run(on: rows[i].device)
                bar.clear()
                print("  " + report.summary)
                rows[i].report = report
            }
        }
        let page = output + "/index.html"
        try FileSystem.makeFolder(output)
        try FileSystem.replace(page, with: DemoPage(rows: rows, dataset: dataset, seed: seed).html)
        print("\nThe curves and the matrix: \(page)")
        try judge(rows)
    }

    private func chosenDevices() throws -> [Device] {
        if let devices {
            let named = try devices.split(separator: ",").map { try Device(String($0)) }
            return named.contains(.reference) ? named : [.reference] + named
        }
        // The oracle is a judge, not a device to train on.
        return Device.all.filter { !($0.type == "reference" && $0.index > 0) }
    }

    private func train(_ dataset: TrainCommand.DataSet, on device: Device, after reference: Row?) throws -> Row {
        var trainer = Trainer.standard(dataset, device: device, seed: seed)
        trainer.epochs = epochs ?? trainer.epochs
        let bar = ProgressLine("  \(device)", isOn: true)
        trainer.progress = { bar.show($0, of: $1, "loss \(fixed($2, 4))") }
        let (_, outcome) = try trainer.run(try dataset.load(data, on: device))
        bar.clear()
        var row = Row(device: device, name: try device.properties.name, outcome: outcome)
        if let reference {
            let gaps = zip(outcome.losses, reference.outcome.losses).map { abs($0 - $1) }
            row.differences = (gaps.prefix(outcome.stepsPerEpoch).max() ?? 0, gaps.max() ?? 0)
        }
        print("  \(device): \(fixed(100 * outcome.accuracy, 2)) % in \(fixed(outcome.seconds, 1)) s")
        return row
    }

    private func table(_ rows: [Row]) -> String {
        let header = ["device", "accuracy", "seconds", "loss, last step", "first epoch, off by", "whole run, off by"]
        let cells = rows.map { row in
            [
                "\(row.device)", "\(fixed(100 * row.outcome.accuracy, 2)) %", fixed(row.outcome.seconds, 1),
                fixed(row.outcome.losses.last ?? .nan, 4), scientific(row.differences.first),
                scientific(row.differences.all),
            ]
        }
        let widths = header.indices.map { c in ([header] + cells).map { $0[c].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        }
        let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
        return "\n" + ([line(header), rule] + cells.map(line)).joined(separator: "\n")
            + "\n(off by: largest difference of a loss from the reference's at the same step)\n"
    }

    private func judge(_ rows: [Row]) throws {
        var failures: [String] = []
        for row in rows {
            if row.outcome.accuracy < Self.wantedAccuracy {
                failures.append("\(row.device): accuracy \(fixed(100 * row.outcome.accuracy, 2)) % is below 96 %")
            }
            if row.differences.first > Self.wantedDifference {
                failures.append(
                    "\(row.device): its losses differ by \(scientific(row.differences.first)) in the first epoch")
            }
            if let report = row.report, !report.isGood { failures.append("\(row.device): conformance failed") }
        }
        for failure in failures { print("FAILED  \(failure)") }
        if !failures.isEmpty { throw ExitCode.failure }
    }
}
