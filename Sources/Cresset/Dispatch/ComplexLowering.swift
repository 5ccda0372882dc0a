import BackendKit
import CBackend

// Complex tensors are stored as pairs of real numbers, re and im, one after the other. No backend knows
// of them: here they become what every backend has.

extension Operand {
    /// The parts of a complex operand, each a strided real one; a real operand is its only part.
    var parts: [Operand] {
        guard dtype.isComplex else { return [self] }
        var re = self
        re.dtype = dtype.toReal
        re.offset *= 2
        for d in re.strides.indices { re.strides[d] *= 2 }
        var im = re
        im.offset += 1
        return [re, im]
    }

    /// The same as real numbers with one dim more, of size 2.
    var pairs: Operand {
        guard var pairs = parts.first, dtype.isComplex else { return self }
        pairs.shape.append(2)
        pairs.strides.append(1)
        return pairs
    }

    /// The same with twice as many columns, re and im in turn, of an operand whose columns are neighbours.
    var pairedColumns: Operand {
        var operand = pairs
        let last = shape.count - 1
        operand.shape.remove(at: last + 1)
        operand.strides.remove(at: last + 1)
        operand.shape[last] *= 2
        operand.strides[last] = 1
        return operand
    }
}

extension [Operand] {
    /// Complex operands as their parts, for programs that were made of them.
    var asParts: [Operand] { contains(where: \.dtype.isComplex) ? flatMap(\.parts) : self }
}

extension Primitive {
    /// The same work on real numbers; nil where there are no others.
    ///
    /// Programs over complex numbers are lowered where they are made (`PointwiseComplex.swift`); what comes
    /// here moves elements, or sums them, and does so with both parts alike.
    func lowered() throws(CressetError) -> [Primitive]? {
        guard inputs.contains(where: \.dtype.isComplex) || outputs.contains(where: \.dtype.isComplex) else {
            return nil
        }
        guard family == .gather || family == .scatter, case .index(var attributes) = attributes else {
            throw CressetError(
                .unsupported, op: op.text, "\(family) has no meaning for complex numbers: it must be lowered before")
        }
        if attributes.reduce != ScatterReduction.set.rawValue && attributes.reduce != ScatterReduction.add.rawValue {
            throw CressetError(
                .dtype, op: op.text, "only a set and a sum are defined for complex numbers at places of an index")
        }
        withUnsafeMutableBytes(of: &attributes.index_strides) { bytes in
            // As many Int64 as there can be indices; the places count in real numbers now.
            let strides = bytes.bindMemory(to: Int64.self)
            for i in strides.indices { strides[i] *= 2 }
        }
        let values = inputs + outputs
        let rank = values.map(\.shape.count).max() ?? 0
        var parts = [coalesced()]
        for i in parts.indices { parts[i].attributes = .index(attributes) }
        guard rank >= maxRank && parts[0].outputs[0].shape.count >= maxRank else {
            func paired(_ operand: Operand) -> Operand {
                if operand.dtype.isComplex { return operand.pairs }
                // An index says the same for both parts.
                var index = operand
                index.shape.append(2)
                index.strides.append(0)
                return index
            }
            parts[0].inputs = parts[0].inputs.map(paired)
            parts[0].outputs = parts[0].outputs.map(paired)
            return parts
        }
        // No room for another dim: one part after the other.
        parts.append(parts[0])
        for k in 0..<2 {
            parts[k].inputs = parts[k].inputs.map { $0.parts[$0.dtype.isComplex ? k : 0] }
            parts[k].outputs = parts[k].outputs.map { $0.parts[$0.dtype.isComplex ? k : 0] }
        }
        return parts
    }
}
