import ArgumentParser

/// `cresset bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench", abstract: "To come.")
}
