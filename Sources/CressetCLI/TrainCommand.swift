import ArgumentParser

/// `cresset train`
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "train", abstract: "To come.")
}
