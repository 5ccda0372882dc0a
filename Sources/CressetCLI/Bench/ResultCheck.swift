import Cresset

/// Compares what a workload computes on a device with what it computes on the reference.
///
/// A guard against timing something wrong; the conformance suite is the proof. Inputs are the same bits on both,
/// as random numbers are on every device.
enum ResultCheck {
    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    static func run(_ workload: Workload, on device: Device) throws {
        guard device != .reference else { return }
        let (own, theirs) = (try results(workload, on: device), try results(workload, on: .reference))
        guard own.count == theirs.count else {
            throw Mismatch(description: "\(own.count) results, and \(theirs.count) on the reference")
        }
        for (i, (x, y)) in zip(own, theirs).enumerated() { try compare(x, y, i, device) }
    }

    private static func results(_ workload: Workload, on device: Device) throws -> [Tensor] {
        try catching {
            let before = Device.default
            Device.default = device
            defer { Device.default = before }
            manualSeed(0)
            return try workload.setup()().map { $0.detach().to(device: .reference) }
        }
    }

    /// What a result may be off by, as a share of its largest element: the error of sums over some thousand terms.
    private static func tolerance(_ dtype: DType) -> Double {
        switch dtype {
        case .float64, .complex128: 1e-11
        case .float32, .complex64: 1e-4
        case .float16, .bfloat16: 0.02
        default: 0
        }
    }

    private static func compare(_ x: Tensor, _ y: Tensor, _ i: Int, _ device: Device) throws {
        guard x.shape == y.shape, x.dtype == y.dtype else {
            throw Mismatch(
                description:
                    "result \(i) is \(x.dtype) \(x.shape) on \(device) and \(y.dtype) \(y.shape) on the reference")
        }
        if x.numel == 0 { return }
        let (a, b) = x.isComplex ? (x.viewAsReal(), y.viewAsReal()) : (x.to(.float64), y.to(.float64))
        let largest: Double = b.abs().max().item()
        let off: Double = (a - b).abs().max().item()
        guard off <= tolerance(x.dtype) * largest else {
            throw Mismatch(
                description:
                    "result \(i) differs by up to \(off) from the reference's, whose largest element is \(largest)")
        }
    }
}
