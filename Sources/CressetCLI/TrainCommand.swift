import ArgumentParser
import Cresset
import CressetData
import CressetIO
import CressetNN

/// `cresset train`
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a classifier of handwritten digits on a device.")

    enum DataSet: String, ExpressibleByArgument, CaseIterable {
        case digits
        case mnist
    }

    @Argument(help: "digits: 1,797 images of 8×8 pixels, built in. mnist: 28×28, from --data.")
    var dataset: DataSet

    @Option(help: "Where to train: cpu, vulkan:0, opencl:NVIDIA, … Default: CRESSET_DEVICE, else cpu.")
    var device: String?

    @Option(help: ArgumentHelp("Folder with MNIST's four idx files, plain or .gz.", valueName: "dir"))
    var data: String?

    @Option(help: "Passes over the training images.")
    var epochs: Int?

    @Option(help: "Seed of initial weights and batch order.")
    var seed: UInt64 = 1

    @Option(help: "Images in a step.")
    var batchSize: Int?

    @Option(help: "Learning rate of Adam at the start; it falls to 0 linearly.")
    var lr: Double?

    @Option(help: ArgumentHelp("Load this backend first.", valueName: "path"))
    var plugin: [String] = []

    @Option(help: ArgumentHelp("Save the trained parameters as safetensors.", valueName: "path"))
    var save: String?

    @Flag(help: "Print the outcome as JSON.")
    var json = false

    func validate() throws {
        if dataset == .mnist && data == nil {
            throw ValidationError("mnist needs --data with the folder of its idx files.")
        }
        if let epochs, epochs < 1 { throw ValidationError("--epochs must be at least 1.") }
        if let batchSize, batchSize < 1 { throw ValidationError("--batch-size must be at least 1.") }
    }

    func run() throws {
        for path in plugin { try Registry.load(path: path) }
        let device = try self.device.map { try Device($0) } ?? Device.default
        var trainer = Trainer.standard(dataset, device: device, seed: seed)
        trainer.epochs = epochs ?? trainer.epochs
        trainer.batchSize = batchSize ?? trainer.batchSize
        trainer.lr = lr ?? trainer.lr
        let bar = ProgressLine("\(device)", isOn: true)
        trainer.progress = { bar.show($0, of: $1, "loss \(fixed($2, 4))") }

        let (model, outcome) = try catching { try trainer.run(try dataset.load(data, on: device)) }
        bar.clear()
        if json {
            let report: JSON = [
                "device": .string("\(device)"), "accuracy": .number(outcome.accuracy),
                "accuracies": .array(outcome.accuracies.map { .number($0) }), "seconds": .number(outcome.seconds),
                "losses": .array(outcome.losses.map { .number($0) }),
            ]
            print(report.serialized())
        } else {
            for (i, accuracy) in outcome.accuracies.enumerated() {
                let end = (i + 1) * outcome.stepsPerEpoch
                let mean =
                    outcome.losses[(end - outcome.stepsPerEpoch)..<end].reduce(0, +) / Double(outcome.stepsPerEpoch)
                print("epoch \(i + 1): loss \(fixed(mean, 4)), test accuracy \(fixed(100 * accuracy, 2)) %")
            }
            print(
                "\(device): \(fixed(100 * outcome.accuracy, 2)) % of the test images in \(fixed(outcome.seconds, 1)) s")
        }
        if let save { try Safetensors.save(model.stateDict(), to: save) }
    }
}

extension TrainCommand.DataSet {
    /// Training and test images on a device.
    func load(_ folder: String?, on device: Device) throws -> (train: TensorDataset, test: TensorDataset) {
        switch self {
        case .digits: return try Digits.load(device: device)
        case .mnist: return try MNIST.load(directory: folder ?? ".", device: device)
        }
    }
}

extension Trainer {
    /// Settings that reach the expected accuracy.
    static func standard(_ dataset: TrainCommand.DataSet, device: Device, seed: UInt64) -> Trainer {
        switch dataset {
        case .digits: Trainer(device: device, epochs: 25, batchSize: 64, lr: 1e-2, hidden: [64], seed: seed)
        case .mnist: Trainer(device: device, epochs: 3, batchSize: 128, lr: 4e-3, hidden: [256, 64], seed: seed)
        }
    }
}
