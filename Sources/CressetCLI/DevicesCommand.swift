import ArgumentParser

/// `cresset devices`
struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "devices", abstract: "To come.")
}
