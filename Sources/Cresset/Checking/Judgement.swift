/// How a device's result differs from what is right.
package struct Mismatch {
    package var text: String
    /// The elements that the text tells of, that with the largest absolute error first.
    package var places: [Int] = []

    package init(text: String, places: [Int] = []) {
        self.text = text
        self.places = places
    }
}

/// Compares results with what is right, element by element.
package enum Judgement {
    /// nil if `got` is right; with `zeros`, only if zeros have the right sign too.
    package static func compare(_ got: HostTensor?, _ expected: Expected?, zeros: Bool = false) -> Mismatch? {
        guard let expected else {
            return got == nil ? nil : Mismatch(text: "there is a gradient where none should be")
        }
        guard let whole = got else { return Mismatch(text: "there is no gradient") }
        let (got, stored) = (whole.parts, expected.stored.parts)
        guard got.shape == stored.shape else {
            return Mismatch(text: "the shape is \(got.shape), right is \(stored.shape)")
        }
        guard whole.dtype == expected.stored.dtype else {
            return Mismatch(text: "the dtype is \(whole.dtype), right is \(expected.stored.dtype)")
        }
        guard let bounds = expected.bounds else {
            if got.bytes == stored.bytes { return nil }
            return differences(got) { i in
                if !got.dtype.isFloatingPoint {
                    let (x, y) = (got.integer(i), stored.integer(i))
                    return x == y ? nil : Difference(got: Double(x), right: Double(y), bound: 0)
                }
                return difference(got.double(i), stored.double(i), 0, 0, zeros: zeros)
            }
        }
        return differences(got) { i in
            difference(got.double(i), bounds.values[i], bounds.bounds[i], bounds.flags[i], zeros: zeros)
        }
    }

    /// True if element `i` is what it may be; the sign of a zero is nobody's concern here.
    package static func isRight(_ got: HostTensor, _ expected: Expected, _ i: Int) -> Bool {
        if let bounds = expected.bounds {
            return difference(got.double(i), bounds.values[i], bounds.bounds[i], bounds.flags[i]) == nil
        }
        if !got.dtype.isFloatingPoint { return got.integer(i) == expected.stored.integer(i) }
        return difference(got.double(i), expected.stored.double(i), 0, 0) == nil
    }

    /// One element that is wrong.
    package struct Difference {
        var got: Double
        var right: Double
        var bound: Double

        var absolute: Double { got == right ? 0 : (got - right).magnitude }
        var relative: Double { absolute / right.magnitude }
    }

    /// nil if `x` is within `bound` of `value`; the flags are those of the oracle.
    private static func difference(
        _ x: Double, _ value: Double, _ bound: Double, _ flags: UInt8, zeros: Bool = false
    ) -> Difference? {
        if flags & 1 != 0 || bound == .infinity { return nil }
        if value.isNaN { return x.isNaN ? nil : Difference(got: x, right: value, bound: bound) }
        if zeros && flags == 0 && bound == 0 && x == 0 && value == 0 && x.sign != value.sign {
            return Difference(got: x, right: value, bound: bound)
        }
        if x == value || (x - value).magnitude <= bound { return nil }
        if flags & 2 != 0 && x.isInfinite && (x < 0) == (value < 0) { return nil }
        return Difference(got: x, right: value, bound: bound)
    }

    /// For results whose tolerance is given with them: |got - right| <= atol + rtol·|right|.
    package static func compare(_ got: HostTensor, _ right: HostTensor, rtol: Double, atol: Double) -> Mismatch? {
        guard got.shape == right.shape else {
            return Mismatch(text: "the shape is \(got.shape), right is \(right.shape)")
        }
        guard got.dtype == right.dtype else {
            return Mismatch(text: "the dtype is \(got.dtype), right is \(right.dtype)")
        }
        if got.bytes == right.bytes { return nil }
        if got.dtype.isComplex { return compareComplex(got, right, rtol: rtol, atol: atol) }
        return differences(got) { i in
            let (x, y) = (got.double(i), right.double(i))
            if got.dtype.isInteger, rtol == 0, atol == 0 {
                return got.integer(i) == right.integer(i) ? nil : Difference(got: x, right: y, bound: 0)
            }
            return difference(x, y, y.isFinite ? atol + rtol * y.magnitude : 0, 0)
        }
    }

    /// Of complex numbers the distance counts, not that of each part: |got - right| <= atol + rtol·|right|.
    private static func compareComplex(_ got: HostTensor, _ right: HostTensor, rtol: Double, atol: Double) -> Mismatch?
    {
        let (got, right) = (got.parts, right.parts)
        return differences(got) { i in
            let (re, im) = (right.double(i & ~1), right.double(i | 1))
            let size = (re * re + im * im).squareRoot()
            let (x, y) = (got.double(i), right.double(i))
            return difference(x, y, size.isFinite ? atol + rtol * size : 0, 0)
        }
    }

    // MARK: Telling

    /// The text about all elements that are wrong; nil if none is.
    private static func differences(_ got: HostTensor, _ at: (Int) -> Difference?) -> Mismatch? {
        var count = 0
        var worst: (absolute: (Int, Difference), relative: (Int, Difference), ulps: (Int, Difference))?
        /// NaN is worse than any number.
        func exceeds(_ x: Double, _ y: Double) -> Bool { x.isNaN ? !y.isNaN : x > y }
        for i in 0..<got.count {
            guard let difference = at(i) else { continue }
            count += 1
            guard let old = worst else {
                worst = ((i, difference), (i, difference), (i, difference))
                continue
            }
            if exceeds(difference.absolute, old.absolute.1.absolute) { worst?.absolute = (i, difference) }
            if exceeds(difference.relative, old.relative.1.relative) { worst?.relative = (i, difference) }
            if exceeds(difference.ulps(got.dtype), old.ulps.1.ulps(got.dtype)) { worst?.ulps = (i, difference) }
        }
        guard let worst else { return nil }
        let share = (100 * Double(count) / Double(got.count)).rounded(toPlaces: 1)
        var text = "\(count) of \(got.count) elements are wrong (\(share) %)"
        func tell(_ what: String, _ place: Int, _ d: Difference, _ error: Double) -> String {
            "\n  worst \(what) error \(error.short) at \(got.index(of: place)): got \(d.got.short(got.dtype)), right is "
                + d.right.short(got.dtype) + (d.bound > 0 ? " ± \(d.bound.short)" : "")
        }
        text += tell("absolute", worst.absolute.0, worst.absolute.1, worst.absolute.1.absolute)
        if got.dtype.isFloatingPoint {
            text += tell("relative", worst.relative.0, worst.relative.1, worst.relative.1.relative)
            text += tell("ulp", worst.ulps.0, worst.ulps.1, worst.ulps.1.ulps(got.dtype))
        }
        let told = got.dtype.isFloatingPoint ? [worst.absolute.0, worst.relative.0, worst.ulps.0] : [worst.absolute.0]
        return Mismatch(text: text, places: told.prefix(1) + Set(told.dropFirst()).subtracting(told.prefix(1)).sorted())
    }
}

extension Judgement.Difference {
    /// The error in units of the last place of the right number.
    func ulps(_ dtype: DType) -> Double { absolute / right.ulp(of: dtype) }
}

extension Double {
    /// The distance of neighbouring numbers of `dtype` around this one.
    package func ulp(of dtype: DType) -> Double {
        let (digits, least): (Int, Int) =
            switch dtype {
            case .float16: (11, -14)
            case .bfloat16: (8, -126)
            case .float32: (24, -126)
            case .float64: (53, -1022)
            default: (53, -1022)
            }
        guard isFinite else { return .nan }
        let exponent = self == 0 ? least : Swift.max(Int(self.exponent), least)
        return Double(sign: .plus, exponent: exponent - digits + 1, significand: 1)
    }

    /// Three significant digits or so.
    package var short: String {
        if isNaN { return "nan" }
        guard isFinite, self != 0, magnitude < 1e15 else { return "\(self)" }
        let power = Int(Self.log10Floor(magnitude))
        if power >= -3 && power < 6 { return "\(rounded(toPlaces: Swift.max(0, 3 - power)))" }
        let scaled = self / Self.power10(power)
        return "\(scaled.rounded(toPlaces: 2))e\(power)"
    }

    /// Enough digits to tell neighbours of the dtype apart.
    package func short(_ dtype: DType) -> String {
        if isNaN { return "nan" }
        if !dtype.isFloatingPoint { return isFinite && magnitude < 9e18 ? "\(Int64(self))" : "\(self)" }
        return dtype == .float64 ? "\(self)" : "\(Float(self))"
    }

    package func rounded(toPlaces places: Int) -> Double {
        let scale = Self.power10(places)
        return (self * scale).rounded() / scale
    }

    private static func power10(_ n: Int) -> Double {
        var result = 1.0
        for _ in 0..<Swift.abs(n) { result *= 10 }
        return n < 0 ? 1 / result : result
    }

    private static func log10Floor(_ x: Double) -> Int {
        var power = 0
        var x = x
        while x >= 10 && power < 400 {
            x /= 10
            power += 1
        }
        while x < 1 && power > -400 {
            x *= 10
            power -= 1
        }
        return power
    }
}
