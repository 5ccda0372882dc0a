import Cresset

/// Calls with integers that no size has: they give a result or an error, never a trap.
enum ExtremeCalls {
    private static let integers: [Int] = [.max, .min, 1 << 62, -1 << 62, -1]

    /// The operation's first sample with each integer, and each element of a list, replaced.
    static func of(_ op: Operator, _ maker: inout SampleMaker) -> [[Value]] {
        guard !op.isCostly, let right = DerivedErrors.rightCall(op, &maker) else { return [] }
        var calls: [[Value]] = []
        for (i, value) in right.enumerated() {
            for extreme in integers {
                var call = right
                switch value {
                case .scalar(.int): call[i] = .scalar(Scalar(extreme))
                case .ints(let list) where !list.isEmpty: call[i] = .ints(list.dropLast() + [extreme])
                case .none where op.schema.arguments[i].type.hasPrefix("int"): call[i] = .scalar(Scalar(extreme))
                default: continue
                }
                calls.append(call)
            }
        }
        return calls
    }
}

extension Operator {
    /// True where a number is how many things are made one after another: then a large one is no mistake, and takes long.
    fileprivate var isCostly: Bool { schema.text.hasSuffix("Tensor[]") }
}
