import ArgumentParser

/// `cresset conformance`
struct ConformanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "conformance", abstract: "To come.")
}
