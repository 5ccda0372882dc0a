import Cresset

/// How long one workload took.
struct Timing {
    /// Microseconds of every timed run, in order.
    var runs: [Double]

    var median: Double {
        let sorted = runs.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// Two warm-ups, then runs until there are five and `seconds` have passed, at most 2,000.
    static func measure(_ setup: Workload.Setup, on device: Device, seconds: Double) throws -> Timing {
        // What the device cannot do shows in the warm-ups, where it is thrown; the timed runs do without
        // the cost of a `catching`.
        let run = try catching {
            let run = setup()
            _ = try run()
            _ = try run()
            return run
        }
        try device.synchronize()
        let clock = ContinuousClock()
        let start = clock.now
        var runs: [Double] = []
        while runs.count < 5 || microseconds(clock.now - start) < seconds * 1e6 {
            let begin = clock.now
            let results = try run()
            try device.synchronize()
            runs.append(microseconds(clock.now - begin))
            withExtendedLifetime(results) {}
            if runs.count == 2000 { break }
        }
        return Timing(runs: runs)
    }

    private static func microseconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) * 1e6 + Double(attoseconds) * 1e-12
    }

    func json(_ workload: Workload, device: String) -> String {
        func rounded(_ x: Double) -> Double { (x * 100).rounded() / 100 }
        var text = "{\"name\": \"\(workload.name)\", \"median_us\": \(rounded(median)), "
        text += "\"min_us\": \(rounded(runs.min() ?? 0)), \"runs\": \(runs.count), \"device\": \"\(device)\""
        if workload.bytes > 0 { text += ", \"bytes\": \(Int(workload.bytes))" }
        if workload.flops > 0 { text += ", \"flops\": \(Int(workload.flops))" }
        return text + "}"
    }
}
