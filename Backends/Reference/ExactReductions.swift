import BackendKit

extension Exact {
    static func reduce(_ kind: Reduction, _ type: ArithmeticType, _ lanes: Block) -> Block {
        switch lanes {
        case .bool(let x): kind.isArgument ? .i64([argument(kind, x.map { $0 ? 1 : 0 })]) : .bool([combined(kind, x)])
        case .i32(let x): kind.isArgument ? .i64([argument(kind, x)]) : .i32([combined(kind, x)])
        case .i64(let x): kind.isArgument ? .i64([argument(kind, x)]) : .i64([combined(kind, x)])
        case .f32(let x): kind.isArgument ? .i64([argument(kind, x)]) : .f32([combined(kind, x)])
        case .f64(let x): kind.isArgument ? .i64([argument(kind, x)]) : .f64([combined(kind, x)])
        }
    }

    static func dot(_ type: ArithmeticType, _ x: Block, _ y: Block) -> Block {
        switch (x, y) {
        case (.i32(let x), .i32(let y)): .i32([dot(x, y)])
        case (.i64(let x), .i64(let y)): .i64([dot(x, y)])
        case (.f32(let x), .f32(let y)): .f32([dot(x, y)])
        case (.f64(let x), .f64(let y)): .f64([dot(x, y)])
        default: preconditionFailure("matmul of bools was refused")
        }
    }

    private static func combined<T: Arithmetic>(_ kind: Reduction, _ values: [T]) -> T {
        let combine = T.combine(kind.opcode)
        let identity: T = kind.identity()
        return pairwise(values.indices, upTo: 1, { run in run.reduce(identity) { combine($0, values[$1]) } }, combine)
    }

    private static func dot<T: FixedWidthInteger>(_ x: [T], _ y: [T]) -> T {
        x.indices.reduce(0) { $0 &+ x[$1] &* y[$1] }
    }

    private static func dot<T: BinaryFloatingPoint>(_ x: [T], _ y: [T]) -> T {
        pairwise(x.indices, upTo: 32, { run in run.reduce(0) { $0 + x[$1] * y[$1] } }, +)
    }

    /// Runs of at most `length` go one by one; longer ones are halved and the halves' results
    /// combined, so that rounding errors grow with the logarithm of the count.
    private static func pairwise<T>(
        _ range: Range<Int>, upTo length: Int, _ run: (Range<Int>) -> T, _ combine: (T, T) -> T
    ) -> T {
        if range.count <= length { return run(range) }
        let middle = range.lowerBound + range.count / 2
        return combine(
            pairwise(range.lowerBound..<middle, upTo: length, run, combine),
            pairwise(middle..<range.upperBound, upTo: length, run, combine))
    }

    /// The position of the first NaN, or else of the first of the greatest (least) values.
    private static func argument<T: Comparable>(_ kind: Reduction, _ values: [T]) -> Int64 {
        var best = 0
        for (i, value) in values.enumerated() {
            let isBetter = kind == .argmax ? values[best] < value : value < values[best]
            let isFirstNaN = value != value && values[best] == values[best]
            if isBetter || isFirstNaN { best = i }
        }
        return Int64(best)
    }
}

extension Reduction {
    /// The instruction that combines two values.
    var opcode: Opcode {
        switch self {
        case .sum: .add
        case .prod: .mul
        case .max, .argmax: .max
        case .min, .argmin: .min
        case .any: .or
        case .all: .and
        }
    }

    /// What an empty reduction gives.
    func identity<T: Arithmetic>() -> T {
        switch self {
        case .sum, .any: .zero
        case .prod, .all: .one
        case .max, .argmax: .least
        case .min, .argmin: .greatest
        }
    }
}
