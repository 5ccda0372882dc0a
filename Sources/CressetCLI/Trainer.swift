import Cresset
import CressetData
import CressetNN
import CressetOptim
import Glibc

/// Trains a multilayer perceptron on images of digits and says how it went.
struct Trainer {
    var device: Device
    var epochs: Int
    var batchSize = 64
    var lr = 1e-3
    var hidden: [Int]
    var seed: UInt64
    /// Called with the share done (0 … 1) and the latest loss.
    var progress: (Double, Double) -> Void = { _, _ in }

    /// What one run gave.
    struct Outcome {
        /// Loss after every step, in order.
        var losses: [Double] = []
        var stepsPerEpoch = 0
        /// Share of the test images classified right, after every epoch.
        var accuracies: [Double] = []
        var seconds = 0.0
        var accuracy: Double { accuracies.last ?? 0 }
    }

    /// - Returns: the model and the outcome. The same seed gives the same initial weights and batches
    ///   on every device.
    func run(_ data: (train: TensorDataset, test: TensorDataset)) throws -> (Sequential, Outcome) {
        try catching {
            manualSeed(seed)
            let model = makeModel(inputs: data.train.inputs.size(1), classes: 10)
            let optimizer = Adam(model.parameters, lr: lr)
            let loader = DataLoader(data.train, batchSize: batchSize, shuffle: true, seed: seed)
            var outcome = Outcome()
            outcome.stepsPerEpoch = loader.count
            let start = Self.now()
            let total = Double(epochs * loader.count)
            for _ in 0..<epochs {
                for (images, labels) in loader {
                    // Linear decay to 0: the last steps settle instead of jumping about.
                    optimizer.lr = lr * (1 - Double(outcome.losses.count) / total)
                    let loss = Losses.crossEntropy(model(images), labels)
                    optimizer.zeroGrad()
                    loss.backward()
                    try optimizer.step()
                    outcome.losses.append(loss.item())
                    progress(Double(outcome.losses.count) / total, outcome.losses.last ?? 0)
                }
                outcome.accuracies.append(accuracy(of: model, on: data.test))
            }
            try device.synchronize()
            outcome.seconds = Self.now() - start
            return (model, outcome)
        }
    }

    private func makeModel(inputs: Int, classes: Int) -> Sequential {
        withDevice(device) {
            var layers: [Module] = []
            var width = inputs
            for size in hidden {
                layers += [Linear(width, size), ReLU()]
                width = size
            }
            return Sequential(layers + [Linear(width, classes)])
        }
    }

    /// Share of images whose largest logit is the label's, in batches.
    private func accuracy(of model: Module, on test: TensorDataset) -> Double {
        noGrad {
            var right = 0
            for (images, labels) in DataLoader(test, batchSize: 1000) {
                right += (model(images).argmax(dim: 1) .== labels).sum().itemInt()
            }
            return Double(right) / Double(Swift.max(test.count, 1))
        }
    }

    /// Seconds on the monotonic clock.
    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// A progress bar on a terminal; nothing elsewhere.
final class ProgressBar {
    private let label: String
    private let isTerminal = isatty(STDERR_FILENO) != 0
    private var shown = -1

    init(_ label: String) { self.label = label }

    func show(_ share: Double, _ note: String = "") {
        let width = 30
        let filled = Int((share * Double(width)).rounded(.down))
        guard isTerminal, filled != shown || share >= 1 else { return }
        shown = filled
        let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: width - filled)
        write("\r\(label) \(bar) \(Int(share * 100)) % \(note)\u{1B}[K")
    }

    func clear() { if isTerminal { write("\r\u{1B}[K") } }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// x with a fixed number of decimals.
func fixed(_ x: Double, _ decimals: Int) -> String {
    guard x.isFinite else { return "\(x)" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = Int64((x.magnitude * scale).rounded())
    let whole = scaled / Int64(scale)
    let fraction = "\(scaled % Int64(scale))"
    let sign = x < 0 && scaled != 0 ? "-" : ""
    return decimals == 0
        ? "\(sign)\(whole)" : "\(sign)\(whole)." + String(repeating: "0", count: decimals - fraction.count) + fraction
}

/// x in scientific form with two digits: "3.1e-07".
func scientific(_ x: Double) -> String {
    guard x != 0, x.isFinite else { return x == 0 ? "0" : "\(x)" }
    let exponent = Int(log10(x.magnitude).rounded(.down))
    return "\(fixed(x / pow(10, Double(exponent)), 1))e\(exponent)"
}
