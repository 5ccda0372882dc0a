import BackendKit
import Glibc

/// Windows for short-time transforms, as `torch` makes them: from the left end, and periodic unless said otherwise.
extension Tensor {
    /// 0.5 - 0.5·cos(2πj/n)
    public static func hannWindow(
        _ length: Int, periodic: Bool = true, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        hammingWindow(length, periodic: periodic, alpha: 0.5, beta: 0.5, dtype: dtype, device: device)
    }

    /// α - β·cos(2πj/n)
    public static func hammingWindow(
        _ length: Int, periodic: Bool = true, alpha: Double = 0.54, beta: Double = 0.46, dtype: DType = .float32,
        device: Device? = nil
    ) -> Tensor {
        window("hamming_window", length, periodic, dtype, device) { alpha - beta * cosine(2, $0, $1) }
    }

    /// 0.42 - 0.5·cos(2πj/n) + 0.08·cos(4πj/n)
    public static func blackmanWindow(
        _ length: Int, periodic: Bool = true, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        window("blackman_window", length, periodic, dtype, device) {
            0.42 - 0.5 * cosine(2, $0, $1) + 0.08 * cosine(4, $0, $1)
        }
    }

    /// 1 - |2j/n - 1|
    public static func bartlettWindow(
        _ length: Int, periodic: Bool = true, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        window("bartlett_window", length, periodic, dtype, device) { 1 - Swift.abs(2 * $0 / $1 - 1) }
    }

    /// I₀(β·√(1 - (2j/n - 1)²))/I₀(β)
    public static func kaiserWindow(
        _ length: Int, periodic: Bool = true, beta: Double = 12, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        window("kaiser_window", length, periodic, dtype, device) { j, n in
            let x = 2 * j / n - 1
            return bessel0(beta * Swift.max(0, 1 - x * x).squareRoot()) / bessel0(beta)
        }
    }

    /// - Parameter body: the factor at place j of n, where a periodic window would come to its start again.
    private static func window(
        _ name: String, _ length: Int, _ periodic: Bool, _ dtype: DType, _ device: Device?,
        _ body: (_ j: Double, _ n: Double) -> Double
    ) -> Tensor {
        trapping { () throws(CressetError) in
            guard length >= 0, dtype.isFloatingPoint else {
                throw CressetError(
                    .argument, op: "aten::" + name,
                    "needs a length that is not negative and a floating dtype, got "
                        + "\(length) and \(dtype)")
            }
            if length == 1 { return Tensor.ones([1], dtype: dtype, device: device) }
            let n = Double(periodic ? length : length - 1)
            return Tensor((0..<length).map { body(Double($0), n) }, dtype: dtype, device: device)
        }
    }

    /// cos(k·π·j/n)
    private static func cosine(_ k: Double, _ j: Double, _ n: Double) -> Double { Glibc.cos(k * .pi * j / n) }

    /// I₀(x) = Σ (x²/4)ᵏ/(k!)² (Abramowitz & Stegun 9.6.12); all terms are positive.
    private static func bessel0(_ x: Double) -> Double {
        var (term, sum, k) = (1.0, 1.0, 1.0)
        while term > sum * 1e-17 {
            term *= x * x / (4 * k * k)
            sum += term
            k += 1
        }
        return sum
    }
}
