import Cresset
import CressetIO
import Glibc

/// What is known of a case beside its verdict.
package struct Evidence: Sendable, Equatable {
    /// The element of its results that used most of its bound; nil where none was compared.
    package var worst: WorstError?
    /// nil where nothing failed.
    package var kind: FailureKind?

    package init(worst: WorstError? = nil, kind: FailureKind? = nil) {
        self.worst = worst
        self.kind = kind
    }
}

/// In which way a case failed: a smaller one is the same failure if it fails in this way too.
package enum FailureKind: String, Sendable {
    /// Elements, a shape or a dtype differ from what is right.
    case mismatch
    /// The call gave an error.
    case error
    /// The call gave the error of a device that does not offer what was asked for.
    case refusal
    /// Two runs gave different bits.
    case unstable
    /// Memory was written that is none of the result's.
    case memory
    /// The process died or gave no answer.
    case lost
    /// What judges could not judge.
    case judge
}

/// How far an element is from what is right.
package struct WorstError: Sendable, Equatable {
    /// |got - right| in units of what the oracle allows: 0 where it is met exactly, above 1 where the
    /// result is wrong, infinite where nothing was allowed or no number is right.
    package var share: Double
    package var absolute: Double
    /// In units of the last place of what is right.
    package var ulps: Double

    package init(share: Double, absolute: Double, ulps: Double) {
        self.share = share
        self.absolute = absolute
        self.ulps = ulps
    }

    /// The larger of two, by the share of what is allowed, then by the last places.
    package static func larger(_ x: WorstError?, _ y: WorstError?) -> WorstError? {
        guard let x, let y else { return x ?? y }
        return (x.share, x.ulps) < (y.share, y.ulps) ? y : x
    }
}

extension WorstError {
    /// The worst element of a result; nil where shapes or dtypes differ or nothing is known of any element.
    ///
    /// Results of which all is exact cost a comparison of bytes, others one look at each element.
    package init?(_ got: HostTensor?, _ expected: Expected?) {
        guard let whole = got, let expected, whole.shape == expected.stored.shape,
            whole.dtype == expected.stored.dtype
        else { return nil }
        let got = whole.parts
        guard let bounds = expected.bounds else {
            if got.bytes == expected.stored.bytes {
                self.init(share: 0, absolute: 0, ulps: 0)
                return
            }
            self.init(got, expected.stored.parts.doubles, allowed: { _, _ in 0 })
            return
        }
        // (The flags are the oracle's: any value is right; infinity is right too.)
        self.init(got, bounds.values) { i, x in
            bounds.flags[i] & 1 != 0 || (bounds.flags[i] & 2 != 0 && x.isInfinite) ? .infinity : bounds.bounds[i]
        }
    }

    private init?(_ got: HostTensor, _ right: [Double], allowed: (Int, Double) -> Double) {
        let values = got.doubles
        var worst: (share: Double, place: Int)?
        for i in right.indices {
            let allowed = allowed(i, values[i])
            if allowed == .infinity { continue }
            let error = Self.distance(values[i], right[i])
            let share = error == 0 ? 0 : allowed == 0 ? .infinity : error / allowed
            if share > worst?.share ?? -1 { worst = (share, i) }
        }
        guard let worst else { return nil }
        let error = Self.distance(values[worst.place], right[worst.place])
        self.init(
            share: worst.share, absolute: error,
            ulps: error == 0 ? 0 : error.isFinite ? error / right[worst.place].ulp(of: got.dtype) : .infinity)
    }

    /// Infinite between a number and none.
    private static func distance(_ x: Double, _ y: Double) -> Double {
        if x == y || (x.isNaN && y.isNaN) { return 0 }
        let distance = (x - y).magnitude
        return distance.isNaN ? .infinity : distance
    }
}

// MARK: - JSON

extension WorstError {
    /// JSON has no infinity: it is written as null.
    package var json: JSON {
        [
            "share": .number(share.significant), "absolute": .number(absolute.significant),
            "ulps": .number(ulps.significant),
        ]
    }

    package init?(_ json: JSON?) {
        guard let json, json.objectValue != nil else { return nil }
        func number(_ key: String) -> Double { json[key]?.doubleValue ?? .infinity }
        self.init(share: number("share"), absolute: number("absolute"), ulps: number("ulps"))
    }
}

extension Double {
    /// Rounded to five digits, which is all that errors are told with.
    fileprivate var significant: Double {
        let scale = pow(10, 4 - log10(magnitude).rounded(.down))
        let rounded = (self * scale).rounded() / scale
        return rounded.isFinite ? rounded : self
    }
}
