import Cresset

extension Case {
    /// The inputs' elements at these places of a result, where an element of it is made of those and no others.
    ///
    /// - Parameter places: of complex results, places of their parts.
    package func operands(at places: [Int], of got: HostTensor) -> String? {
        guard !places.isEmpty, isElementwise else { return nil }
        var inputs: [(name: String, tensor: HostTensor)] = []
        for (argument, value) in zip(declaration.schema.arguments, arguments) {
            guard case .tensor(let placed) = value else { continue }
            guard let view = try? placed.place(on: .reference).view, let tensor = try? HostTensor(view) else {
                return nil
            }
            inputs.append((argument.name, tensor))
        }
        // The gradient of what was broadcast is a sum over many places.
        let isAligned = inputs.allSatisfy { name, tensor in
            cell.direction == .forward ? tensor.shape.broadcasts(to: got.shape) : tensor.shape == got.shape
        }
        guard isAligned, !inputs.isEmpty else { return nil }
        let elements = Set(places.map { got.dtype.isComplex ? $0 / 2 : $0 }).sorted()
        return elements.map { place in
            let values = inputs.map { "\($0.name) = \($0.tensor.told($0.tensor.place(of: place, in: got.shape)))" }
            return "operands at \(got.index(of: place)): \(values.joined(separator: ", "))"
        }.joined(separator: "\n")
    }

    /// True where each element of a result depends on the inputs' elements at its own place alone.
    private var isElementwise: Bool { declaration.composition == [PrimitiveFamily.pointwise.rawValue] }
}

extension Shape {
    fileprivate func broadcasts(to other: Shape) -> Bool {
        count <= other.count && zip(reversed(), other.reversed()).allSatisfy { $0 == 1 || $0 == $1 }
    }
}

extension HostTensor {
    /// Which element is broadcast to element `i` of a tensor of `larger`.
    fileprivate func place(of i: Int, in larger: Shape) -> Int {
        var (rest, place, stride) = (i, 0, 1)
        for d in 0..<larger.count {
            let size = larger[larger.count - 1 - d]
            let index = rest % size
            rest /= size
            guard d < shape.count else { continue }
            let own = shape[shape.count - 1 - d]
            if own > 1 { place += index * stride }
            stride *= own
        }
        return place
    }
}
