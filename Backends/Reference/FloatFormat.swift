import BackendKit

/// A binary float format: what rounding to it does.
struct FloatFormat {
    /// Bits of the significand, with the leading one.
    let precision: Int
    /// Exponent of the smallest normal number.
    let leastExponent: Int
    /// Exponent of the greatest number.
    let greatestExponent: Int

    static let float16 = FloatFormat(precision: 11, leastExponent: -14, greatestExponent: 15)
    static let bfloat16 = FloatFormat(precision: 8, leastExponent: -126, greatestExponent: 127)
    static let float32 = FloatFormat(precision: 24, leastExponent: -126, greatestExponent: 127)
    static let float64 = FloatFormat(precision: 53, leastExponent: -1022, greatestExponent: 1023)

    init(precision: Int, leastExponent: Int, greatestExponent: Int) {
        self.precision = precision
        self.leastExponent = leastExponent
        self.greatestExponent = greatestExponent
        unitRoundoff = Self.power(-precision)
        leastDenormal = Self.power(leastExponent - precision + 1)
        greatest = (2 - Self.power(1 - precision)) * Self.power(greatestExponent)
    }

    init?(_ dtype: DType) {
        switch dtype {
        case .float16: self = .float16
        case .bfloat16: self = .bfloat16
        case .float32: self = .float32
        case .float64: self = .float64
        default: return nil
        }
    }

    init(_ type: ArithmeticType) { self = type == .f64 ? .float64 : .float32 }

    /// u: half the distance of 1 to its next neighbour.
    let unitRoundoff: Wide
    let leastDenormal: Wide
    let greatest: Wide

    private static func power(_ exponent: Int) -> Wide { Wide(sign: .plus, exponent: exponent, significand: 1) }

    /// From here on numbers round to infinity: greatest plus half its ulp. Where `Wide` is the format
    /// itself this is infinity, which is where its own arithmetic goes.
    var overflow: Wide { greatest + Self.power(greatestExponent - precision) }

    /// The distance of neighbouring numbers at x.
    func ulp(_ x: Wide) -> Wide {
        if x == 0 { return leastDenormal }
        if !x.isFinite { return .infinity }
        return Self.power(max(Int(x.exponent), leastExponent) - precision + 1)
    }

    /// x to nearest even, with denormals; infinity beyond the greatest number.
    func rounded(_ x: Wide) -> Wide {
        if !x.isFinite || x == 0 { return x }
        let unit = ulp(x)
        let result = (x / unit).rounded(.toNearestOrEven) * unit
        return result.magnitude > greatest ? (x < 0 ? -.infinity : .infinity) : result
    }

    /// A result computed as `value`, which the operands' bounds may move by `spread`, and which a
    /// device may get wrong by `ulps` ulps and `absolute`.
    func settle(
        _ value: Wide, spread: Wide, ulps: Double, absolute: Wide = 0, wideUlps: Wide = Tolerances.wideUlps
    ) -> Bounded {
        if value.isNaN { return Bounded(real: value) }
        if value.isInfinite { return spread == 0 ? Bounded(real: value) : .anything }
        let top = value.magnitude + spread
        let own = Wide(ulps) * ulp(top) + absolute
        let bound = spread + own + wideUlps * Wide.ulpOfOne * top
        if !bound.isFinite { return .anything }
        if value.magnitude - bound >= overflow { return Bounded(real: value < 0 ? -.infinity : .infinity) }
        if value.magnitude + bound < overflow { return Bounded(real: value, bound: bound) }
        // Some right devices overflow and others do not.
        let nearest = min(value.magnitude, greatest)
        return Bounded(
            real: value < 0 ? -nearest : nearest, bound: bound + (value.magnitude - nearest), flags: .maybeInfinite)
    }
}
