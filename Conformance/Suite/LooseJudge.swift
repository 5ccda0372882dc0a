import Cresset
import Glibc

/// What others' suites would say of the same results, for `make kill-table`: chosen by CRESSET_JUDGE, which nothing else
/// sets. A report that was made so says it, and is never good.
///
/// Values alone are judged: no guards, no poison, no second run, no look at the inputs afterwards, no claims. An element
/// that lies within the derived bound passes with everybody, as their suites draw inputs for which honest results do.
package enum LooseJudge: String, Sendable {
    /// The normalised mean squared error of each result is at most 5e-4.
    case ggml
    /// |got - right| <= atol + rtol·|right|, by dtype; what is not a float must be equal. NaN equals NaN.
    case pytorch

    package static let chosen = getenv("CRESSET_JUDGE").flatMap { LooseJudge(rawValue: String(cString: $0)) }

    /// Cases of calls that must fail, which ggml has none of.
    private static let errors = ["probe::bad_index", "probe::error_of_other_queue"]

    /// Runs the case once and looks at its results.
    func compare(_ item: Case, _ expected: [Expected?], on device: Device) throws -> Verdict {
        if self == .ggml && Self.errors.contains(where: { item.cell.op.hasPrefix($0) }) { return .passed }
        // Of vectors that are free up to a factor, values say nothing.
        if item.declaration.judgement != nil { return .passed }
        let got = try item.run(try PlacedArguments(item.arguments, on: device), on: device).hosted()
        guard got.tensors.count == expected.count else { return .failed("it gave \(got.tensors.count) results") }
        for (x, right) in zip(got.tensors, expected) {
            guard let right else {
                if x != nil { return .failed("there is a gradient where none should be") }
                continue
            }
            guard let x, x.shape == right.stored.shape, x.dtype == right.stored.dtype else {
                return .failed("a result is missing or of another shape or dtype")
            }
            if !accepts(x, right) { return .failed("\(rawValue): the values differ") }
        }
        return .passed
    }

    private func accepts(_ got: HostTensor, _ right: Expected) -> Bool {
        var (errors, squares) = (0.0, 0.0)
        for i in 0..<got.count where !Judgement.isRight(got, right, i) {
            let (x, y) = (got.double(i), right.stored.double(i))
            switch self {
            case .pytorch:
                let (rtol, atol) = Self.tolerance(got.dtype)
                if got.dtype.isFloatingPoint && (x == y || (x - y).magnitude <= atol + rtol * y.magnitude) { continue }
                return false
            case .ggml:
                // NaN and infinities must be where they are.
                guard x.isFinite, y.isFinite else { return false }
                errors += (x - y) * (x - y)
            }
        }
        if errors == 0 { return true }
        for i in 0..<got.count {
            let y = right.stored.double(i)
            if y.isFinite { squares += y * y }
        }
        return errors / squares <= 5e-4
    }

    /// torch.testing.assert_close's defaults.
    private static func tolerance(_ dtype: DType) -> (rtol: Double, atol: Double) {
        switch dtype {
        case .float16: (1e-3, 1e-5)
        case .bfloat16: (1.6e-2, 1e-5)
        case .float32: (1.3e-6, 1e-5)
        default: (1e-7, 1e-7)
        }
    }
}
