import ArgumentParser

/// `cresset new-backend`
struct NewBackendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "new-backend", abstract: "To come.")
}
