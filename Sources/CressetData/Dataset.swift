import Cresset

/// Samples that can be taken by number, many at a time.
public protocol Dataset {
    associatedtype Batch

    /// How many samples there are.
    var count: Int { get }

    /// The samples of these numbers, in this order.
    func batch(_ indices: ArraySlice<Int64>) -> Batch
}

/// Samples that lie in two tensors along their first dimension, on one device.
public struct TensorDataset: Dataset, Sendable {
    public typealias Batch = (inputs: Tensor, targets: Tensor)

    public let inputs: Tensor
    public let targets: Tensor

    /// A dataset of `inputs[i]`, `targets[i]`.
    public init(inputs: Tensor, targets: Tensor) throws(CressetError) {
        guard let n = inputs.shape.first, n == targets.shape.first else {
            throw CressetError(
                .shape, op: "TensorDataset",
                "inputs \(inputs.shape) and targets \(targets.shape) should have the same first size")
        }
        guard inputs.device == targets.device else {
            throw CressetError(
                .device, op: "TensorDataset",
                "inputs are on \(inputs.device), targets on \(targets.device); they should be on one device")
        }
        self.inputs = inputs
        self.targets = targets
    }

    public var count: Int { inputs.shape.first ?? 0 }

    /// Gathers on the dataset's device.
    public func batch(_ indices: ArraySlice<Int64>) -> Batch {
        let index = Tensor(Array(indices), shape: [indices.count], device: inputs.device)
        return (inputs.indexSelect(dim: 0, index: index), targets.indexSelect(dim: 0, index: index))
    }
}
