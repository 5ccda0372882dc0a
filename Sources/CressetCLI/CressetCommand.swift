import ArgumentParser

/// The command `cresset`.
@main
struct CressetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cresset",
        abstract: "Tensors, training and conformance on pluggable backends.",
        version: "0.1.0",
        subcommands: [
            DevicesCommand.self, OpsCommand.self, ConformanceCommand.self, TrainCommand.self, DemoCommand.self,
            BenchCommand.self, BenchReportCommand.self,
            NewBackendCommand.self,
        ])
}
