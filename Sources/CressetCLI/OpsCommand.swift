import ArgumentParser

/// `cresset ops`
struct OpsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ops", abstract: "To come.")
}
