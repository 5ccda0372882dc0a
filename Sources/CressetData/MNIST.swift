import Cresset
import CressetIO

/// LeCun, Cortes and Burges' handwritten digits, 28×28 pixels, from the four idx files.
public enum MNIST {
    /// Reads `train-` and `t10k-` `images-idx3-ubyte` and `labels-idx1-ubyte`, plain or `.gz`, from `directory`.
    ///
    /// Inputs are float32 [N, 784] from 0 to 1, row by row; targets are the digits, int64 [N].
    public static func load(
        directory: String, device: Device = .default
    ) throws -> (train: TensorDataset, test: TensorDataset) {
        try (
            part("train", of: directory, device: device),
            part("t10k", of: directory, device: device)
        )
    }

    private static func part(_ name: String, of directory: String, device: Device) throws -> TensorDataset {
        let (imagesPath, images) = try array("\(directory)/\(name)-images-idx3-ubyte")
        let (labelsPath, labels) = try array("\(directory)/\(name)-labels-idx1-ubyte")
        guard images.dtype == .uint8, images.shape.count == 3 else {
            throw invalid(imagesPath, "images should be uint8 of rank 3, not \(images.dtype.name) \(images.shape)")
        }
        guard labels.dtype == .uint8, labels.shape == [images.shape[0]] else {
            throw invalid(
                labelsPath, "labels should be uint8 [\(images.shape[0])], not \(labels.dtype.name) \(labels.shape)")
        }
        if let wrong = labels.bytes.first(where: { $0 > 9 }) {
            throw invalid(labelsPath, "a label is \(wrong); digits go from 0 to 9")
        }
        let scaled = (0..<256).map { Float($0) / 255 }
        return try TensorDataset(
            inputs: Tensor(
                images.bytes.map { scaled[Int($0)] }, shape: [images.shape[0], images.shape[1] * images.shape[2]],
                device: device),
            targets: Tensor(labels.bytes.map { Int64($0) }, shape: [images.shape[0]], device: device))
    }

    /// The array at `path` or `path`.gz, and which it was.
    private static func array(_ path: String) throws -> (path: String, IdxArray) {
        for candidate in [path, path + ".gz"] where FileSystem.exists(candidate) {
            return (candidate, try IdxArray.load(candidate))
        }
        throw CressetError(.io, op: "MNIST.load", "there is neither \(path) nor \(path).gz")
    }

    private static func invalid(_ path: String, _ message: String) -> CressetError {
        CressetError(.invalidFile, op: "MNIST.load", "\(path): \(message)")
    }
}
