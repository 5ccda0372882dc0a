import Cresset

/// What the recurrent layers have in common: [time, batch, features], or [batch, time, features] with `batchFirst`.
///
/// Weights are uniform within 1/√hidden, as PyTorch makes them, under PyTorch's names: "weight_ih_l0",
/// "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"; those of the way back in time end in "_reverse".
public class RecurrentLayer: Module {
    public let hiddenSize: Int
    public let numLayers: Int
    public let batchFirst: Bool
    public let bidirectional: Bool
    public let dropout: Double
    /// The results of an LSTM are projected to this size; 0: they are not.
    public let projSize: Int
    private let hasBiases: Bool
    /// In the order in which the operation takes them.
    let weights: [(name: String, tensor: Tensor)]

    init(
        gates: Int, _ inputSize: Int, _ hiddenSize: Int, numLayers: Int, bias: Bool, batchFirst: Bool, dropout: Double,
        bidirectional: Bool, projSize: Int = 0, dtype: DType, device: Device?
    ) {
        checkArgument("\(Self.self)", hiddenSize > 0 && numLayers > 0 && projSize >= 0 && projSize < hiddenSize) {
            "sizes must be positive and the projection smaller than the state, got hidden \(hiddenSize), "
                + "layers \(numLayers), projection \(projSize)"
        }
        (self.hiddenSize, self.numLayers, self.batchFirst) = (hiddenSize, numLayers, batchFirst)
        (self.bidirectional, self.dropout, self.projSize) = (bidirectional, dropout, projSize)
        hasBiases = bias
        let out = projSize > 0 ? projSize : hiddenSize
        let bound = 1 / Double(hiddenSize).squareRoot()
        func uniform(_ shape: Shape) -> Tensor {
            Init.uniform_(Tensor.empty(shape, dtype: dtype, device: device), -bound, bound).requiresGrad_()
        }
        var made: [(String, Tensor)] = []
        for layer in 0..<numLayers {
            for suffix in bidirectional ? ["", "_reverse"] : [""] {
                let features = layer == 0 ? inputSize : out * (bidirectional ? 2 : 1)
                made.append(("weight_ih_l\(layer)\(suffix)", uniform([gates * hiddenSize, features])))
                made.append(("weight_hh_l\(layer)\(suffix)", uniform([gates * hiddenSize, out])))
                if bias {
                    made.append(("bias_ih_l\(layer)\(suffix)", uniform([gates * hiddenSize])))
                    made.append(("bias_hh_l\(layer)\(suffix)", uniform([gates * hiddenSize])))
                }
                if projSize > 0 { made.append(("weight_hr_l\(layer)\(suffix)", uniform([projSize, hiddenSize]))) }
            }
        }
        weights = made
        super.init()
    }

    public override var tensors: [(name: String, tensor: Tensor)] { weights }

    final var options: RecurrentOptions {
        RecurrentOptions(
            hasBiases: hasBiases, numLayers: numLayers, dropout: dropout, training: isTraining,
            bidirectional: bidirectional, batchFirst: batchFirst)
    }

    /// Zeros for every layer and direction: [layers·directions, batch, size].
    final func zeroState(_ x: Tensor, size: Int) -> Tensor {
        let count = numLayers * (bidirectional ? 2 : 1)
        let shape: Shape = x.ndim == 3 ? [count, x.size(batchFirst ? 0 : 1), size] : [count, size]
        return Tensor.zeros(shape, dtype: x.dtype, device: x.device)
    }
}

/// A long short-term memory (Hochreiter and Schmidhuber 1997), of several layers and in both directions of time.
public final class LSTM: RecurrentLayer {
    public init(
        _ inputSize: Int, _ hiddenSize: Int, numLayers: Int = 1, bias: Bool = true, batchFirst: Bool = false,
        dropout: Double = 0, bidirectional: Bool = false, projSize: Int = 0, dtype: DType = .float32,
        device: Device? = nil
    ) {
        super.init(
            gates: 4, inputSize, hiddenSize, numLayers: numLayers, bias: bias, batchFirst: batchFirst, dropout: dropout,
            bidirectional: bidirectional, projSize: projSize, dtype: dtype, device: device)
    }

    /// The results of all steps and the last states, from given ones or from zeros.
    public func callAsFunction(
        _ x: Tensor, _ state: (hidden: Tensor, cell: Tensor)?
    ) -> (output: Tensor, state: (hidden: Tensor, cell: Tensor)) {
        let start =
            state ?? (zeroState(x, size: projSize > 0 ? projSize : hiddenSize), zeroState(x, size: hiddenSize))
        let (output, hidden, cell) = x.lstm(start, weights.map(\.tensor), options)
        return (output, (hidden, cell))
    }

    /// The results of all steps, from zeros.
    public override func forward(_ x: Tensor) -> Tensor { self(x, nil).output }
}

/// Gated recurrent units (Cho et al. 2014), of several layers and in both directions of time.
public final class GRU: RecurrentLayer {
    public init(
        _ inputSize: Int, _ hiddenSize: Int, numLayers: Int = 1, bias: Bool = true, batchFirst: Bool = false,
        dropout: Double = 0, bidirectional: Bool = false, dtype: DType = .float32, device: Device? = nil
    ) {
        super.init(
            gates: 3, inputSize, hiddenSize, numLayers: numLayers, bias: bias, batchFirst: batchFirst, dropout: dropout,
            bidirectional: bidirectional, dtype: dtype, device: device)
    }

    /// The results of all steps and the last state, from a given one or from zeros.
    public func callAsFunction(_ x: Tensor, _ state: Tensor?) -> (output: Tensor, state: Tensor) {
        let (output, hidden) = x.gru(state ?? zeroState(x, size: hiddenSize), weights.map(\.tensor), options)
        return (output, hidden)
    }

    /// The results of all steps, from zeros.
    public override func forward(_ x: Tensor) -> Tensor { self(x, nil).output }
}

/// A recurrent layer h ← tanh(W·x + U·h + b), or with relu (Elman 1990).
public final class RNN: RecurrentLayer {
    public enum Nonlinearity: String, Sendable {
        case tanh, relu
    }
    public let nonlinearity: Nonlinearity

    public init(
        _ inputSize: Int, _ hiddenSize: Int, numLayers: Int = 1, nonlinearity: Nonlinearity = .tanh, bias: Bool = true,
        batchFirst: Bool = false, dropout: Double = 0, bidirectional: Bool = false, dtype: DType = .float32,
        device: Device? = nil
    ) {
        self.nonlinearity = nonlinearity
        super.init(
            gates: 1, inputSize, hiddenSize, numLayers: numLayers, bias: bias, batchFirst: batchFirst, dropout: dropout,
            bidirectional: bidirectional, dtype: dtype, device: device)
    }

    /// The results of all steps and the last state, from a given one or from zeros.
    public func callAsFunction(_ x: Tensor, _ state: Tensor?) -> (output: Tensor, state: Tensor) {
        let start = state ?? zeroState(x, size: hiddenSize)
        let list = weights.map(\.tensor)
        let (output, hidden) =
            nonlinearity == .tanh ? x.rnnTanh(start, list, options) : x.rnnRelu(start, list, options)
        return (output, hidden)
    }

    /// The results of all steps, from zeros.
    public override func forward(_ x: Tensor) -> Tensor { self(x, nil).output }
}
