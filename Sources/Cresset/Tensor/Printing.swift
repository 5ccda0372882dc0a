import BackendKit

/// NumPy-style printing: aligned columns, `…` in the middle of long dims.
extension Tensor: CustomStringConvertible {
    /// The elements as NumPy prints them.
    public var description: String {
        var suffix = ""
        if dtype != .float32 && dtype != .int64 && dtype != .bool { suffix += ", dtype: \(dtype)" }
        if device != .cpu { suffix += ", device: \(device)" }
        if let name = gradFn { suffix += ", gradFn: \(name)" } else if requiresGrad { suffix += ", requiresGrad: true" }
        if isInvalid { return "tensor(invalid)" }
        do {
            return "tensor(" + (try Printer(self).text) + suffix + ")"
        } catch {
            return "tensor(<\(error)>\(suffix))"
        }
    }
}

private struct Printer {
    private static let edge = 3
    private static let threshold = 1000
    private let shape: Shape
    private let cells: [String]
    private let abbreviated: Bool
    private let width: Int

    init(_ tensor: Tensor) throws(CressetError) {
        let abbreviated = tensor.numel > Self.threshold
        self.abbreviated = abbreviated
        shape = tensor.shape
        // Only what is shown is fetched.
        var shown = tensor.detach()
        if abbreviated {
            for d in 0..<tensor.ndim where tensor.shape[d] > 2 * Self.edge {
                shown = try noGrad { () throws(CressetError) in
                    try Joining.cat([shown.narrow(d, 0, Self.edge), shown.slice(d, from: -Self.edge)], dim: d)
                }
            }
        }
        if tensor.dtype.isComplex {
            cells = Self.complexCells(try shown.complexElements(), tensor.dtype.toReal)
        } else {
            let numbers = try shown.doubles()
            cells = numbers.map(Self.formatter(numbers, tensor.dtype))
        }
        width = tensor.dtype.isComplex ? 0 : cells.map(\.count).max() ?? 0
    }

    /// Both parts by formatters of their own; the real ones aligned.
    private static func complexCells(_ numbers: [Complex<Double>], _ dtype: DType) -> [String] {
        let (re, im) = (numbers.map(\.real), numbers.map(\.imaginary))
        let parts = zip(re.map(formatter(re, dtype)), im.map(formatter(im, dtype)))
        let width = parts.map(\.0.count).max() ?? 0
        return parts.map { re, im in
            String(repeating: " ", count: width - re.count) + re + (im.hasPrefix("-") ? im : "+" + im) + "j"
        }
    }

    var text: String {
        if shape.isEmpty { return cells[0] }
        var cursor = 0
        return block(0, indent: 7, &cursor)
    }

    private func block(_ d: Int, indent: Int, _ cursor: inout Int) -> String {
        let size = shape[d]
        let cut = abbreviated && size > 2 * Self.edge
        let count = cut ? 2 * Self.edge : size
        var parts: [String] = []
        for i in 0..<count {
            if cut && i == Self.edge { parts.append("…") }
            if d == shape.count - 1 {
                let cell = cells[cursor]
                parts.append(String(repeating: " ", count: Swift.max(0, width - cell.count)) + cell)
                cursor += 1
            } else {
                parts.append(block(d + 1, indent: indent + 1, &cursor))
            }
        }
        if d == shape.count - 1 { return "[" + parts.joined(separator: ", ") + "]" }
        let gap = String(repeating: "\n", count: shape.count - 1 - d) + String(repeating: " ", count: indent + 1)
        return "[" + parts.joined(separator: "," + gap) + "]"
    }

    /// Integers plainly; floats with four decimals, or in scientific form when their range is wide.
    private static func formatter(_ cells: [Double], _ dtype: DType) -> (Double) -> String {
        if dtype == .bool { return { $0 != 0 ? "true" : "false" } }
        if dtype.isInteger { return { "\(Int64(exactly: $0) ?? 0)" } }
        let finite = cells.filter { $0.isFinite && $0 != 0 }.map(\.magnitude)
        let wide =
            (finite.max() ?? 0) >= 1e8 || ((finite.max() ?? 1) / (finite.min() ?? 1)) > 1e5
            || ((finite.min() ?? 1) < 1e-4)
        let whole = cells.allSatisfy { !$0.isFinite || $0 == $0.rounded() } && (finite.max() ?? 0) < 1e8
        return { x in
            if x.isNaN { return "nan" }
            if x.isInfinite { return x < 0 ? "-inf" : "inf" }
            if whole { return (x.sign == .minus && x == 0 ? "-" : "") + "\(Int64(x))." }
            return wide ? scientific(x) : fixed(x, 4)
        }
    }

    /// x with `digits` decimals.
    static func fixed(_ x: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (x.magnitude * scale).rounded(.toNearestOrEven)
        let whole = (scaled / scale).rounded(.down)
        let fraction = "\(Int64(scaled - whole * scale))"
        let sign = x < 0 ? "-" : ""
        return "\(sign)\(Int64(whole))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    private static func scientific(_ x: Double) -> String {
        if x == 0 { return fixed(0, 4) + "e+00" }
        var exponent = 0
        var m = x.magnitude
        while m >= 10 { (m, exponent) = (m / 10, exponent + 1) }
        while m < 1 { (m, exponent) = (m * 10, exponent - 1) }
        if fixed(m, 4) == "10.0000" { (m, exponent) = (1, exponent + 1) }
        let digits = "\(exponent.magnitude)"
        return (x < 0 ? "-" : "") + fixed(m, 4) + (exponent < 0 ? "e-" : "e+") + (digits.count < 2 ? "0" : "") + digits
    }
}
