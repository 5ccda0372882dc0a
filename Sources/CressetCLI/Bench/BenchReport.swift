import Cresset
import CressetIO
import Glibc

/// What the lines of `cresset bench --probe`, and of PyTorch's bench, come to.
struct BenchReport {
    struct Row {
        var name: String
        /// Microseconds: the median of the medians of all lines.
        var ours: Double?
        var torch: Double?
        var bytes: Double
        var flops: Double

        var group: Substring { name.prefix { $0 != "/" } }
        /// PyTorch's time by ours: above 1, ours is faster.
        var ratio: Double? {
            guard let ours, let torch, ours > 0 else { return nil }
            return torch / ours
        }
    }

    /// What a time is bound by, and the least it can be.
    struct Bound {
        var name: String
        var microseconds: Double
    }

    private(set) var rows: [Row] = []
    /// By the name of the probe, a second: bytes of copies, operations.
    private(set) var rates: [String: Double] = [:]

    /// - Parameter lines: JSON objects; lines that are none are passed over.
    init(lines: [String]) {
        var ours: [String: [Double]] = [:]
        var torch: [String: [Double]] = [:]
        var work: [String: (bytes: Double, flops: Double)] = [:]
        var order: [String] = []
        for line in lines where line.hasPrefix("{") {
            guard let object = try? JSON.parse(line), let name = object["name"]?.stringValue else { continue }
            if let rate = object["rate"]?.doubleValue {
                rates[name] = Swift.max(rates[name] ?? 0, rate)
                continue
            }
            guard let median = object["median_us"]?.doubleValue else { continue }
            if ours[name] == nil && torch[name] == nil { order.append(name) }
            if object["torch"] != nil {
                torch[name, default: []].append(median)
            } else {
                ours[name, default: []].append(median)
                work[name] = (object["bytes"]?.doubleValue ?? 0, object["flops"]?.doubleValue ?? 0)
            }
        }
        rows = order.map { name in
            Row(
                name: name, ours: ours[name].map(Self.median), torch: torch[name].map(Self.median),
                bytes: work[name]?.bytes ?? 0, flops: work[name]?.flops ?? 0)
        }
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// The roof over a workload: the time its bytes take at the bandwidth of copies of that size, or its operations
    /// at the peak, whichever is longer; nil where neither is told.
    func bound(_ row: Row) -> Bound? {
        // (A copy of 4 MB moves 8; the caches hold some 24.)
        let probe = row.bytes <= 65_536 ? "copy_4k" : row.bytes <= 25_165_824 ? "copy_1m" : "copy_16m"
        let memory = rates["probe/" + probe].map { row.bytes / $0 * 1e6 } ?? 0
        let arithmetic = rates["probe/fma_f32"].map { row.flops / $0 * 1e6 } ?? 0
        guard memory > 0 || arithmetic > 0 else { return nil }
        return memory >= arithmetic
            ? Bound(name: "memory", microseconds: memory) : Bound(name: "arithmetic", microseconds: arithmetic)
    }

    /// The geometric mean of the ratios of some rows, nil if there is none.
    func geometricMean(_ rows: [Row]) -> Double? {
        let ratios = rows.compactMap(\.ratio)
        guard !ratios.isEmpty else { return nil }
        return exp(ratios.reduce(0) { $0 + log($1) } / Double(ratios.count))
    }

    var groups: [(name: Substring, rows: [Row])] {
        var names: [Substring] = []
        for row in rows where !names.contains(row.group) { names.append(row.group) }
        return names.map { name in (name, rows.filter { $0.group == name }) }
    }

    /// The table as text.
    var text: String {
        var lines = [
            columns("workload", "ours us", "torch us", "torch/ours", "GB/s", "GFLOP/s", "bound us", "by", "reached")
        ]
        for group in groups {
            for row in group.rows {
                let bound = bound(row)
                let seconds = (row.ours ?? 0) * 1e-6
                lines.append(
                    columns(
                        row.name, row.ours.map { fixed($0, 1) } ?? "missing", row.torch.map { fixed($0, 1) } ?? "-",
                        row.ratio.map { fixed($0, 2) } ?? "-",
                        row.bytes > 0 && seconds > 0 ? fixed(row.bytes / seconds / 1e9, 1) : "-",
                        row.flops > 0 && seconds > 0 ? fixed(row.flops / seconds / 1e9, 1) : "-",
                        bound.map { fixed($0.microseconds, 1) } ?? "-", bound?.name ?? "-",
                        bound.flatMap { bound in row.ours.map { fixed(100 * bound.microseconds / $0, 0) + " %" } }
                            ?? "-"
                    ))
            }
            if let mean = geometricMean(group.rows) {
                lines.append(columns("  geometric mean of \(group.name)", "", "", fixed(mean, 2), "", "", "", "", ""))
            }
        }
        if let mean = geometricMean(rows) {
            let compared = rows.compactMap(\.ratio)
            lines.append(
                "geometric mean of \(compared.count) workloads: \(fixed(mean, 2)); slower than PyTorch: "
                    + "\(compared.filter { $0 < 1 }.count); least: \(fixed(compared.min() ?? 0, 2))")
        }
        for (name, rate) in rates.sorted(by: { $0.key < $1.key }) {
            lines.append("\(name): \(fixed(rate / 1e9, 1)) \(name.contains("fma") ? "GFLOP/s" : "GB/s")")
        }
        return lines.joined(separator: "\n")
    }

    private func columns(_ name: String, _ rest: String...) -> String {
        let widths = [11, 11, 11, 8, 9, 10, 11, 9]
        return name.padded(44)
            + zip(rest, widths).map { text, width in
                String(repeating: " ", count: Swift.max(1, width - text.count)) + text
            }
            .joined()
    }

    /// Bars of the ratios on a logarithmic scale.
    var svg: String {
        let compared = rows.filter { $0.ratio != nil }
        let (left, height, width) = (300.0, 14.0, 900.0)
        let (least, most) = (0.25, 64.0)
        func x(_ ratio: Double) -> Double {
            let share = log(Swift.min(Swift.max(ratio, least), most) / least) / log(most / least)
            return left + share * (width - left - 60)
        }
        let bottom = 40 + Double(compared.count) * height
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(Int(width))\" height=\"\(Int(bottom + 20))\" "
                + "font-family=\"sans-serif\" font-size=\"10\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            "<text x=\"\(left)\" y=\"14\" font-size=\"12\">PyTorch's time by ours: right of 1, ours is faster</text>",
        ]
        for tick in [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64] {
            parts.append(
                "<line x1=\"\(x(tick))\" x2=\"\(x(tick))\" y1=\"32\" y2=\"\(bottom)\" stroke=\"\(tick == 1 ? "#333" : "#ddd")\"/>"
                    + "<text x=\"\(x(tick))\" y=\"28\" text-anchor=\"middle\">\(fixed(tick, tick < 1 ? 2 : 0))</text>")
        }
        for (i, row) in compared.enumerated() {
            guard let ratio = row.ratio else { continue }
            let y = 36 + Double(i) * height
            let (from, to) = (Swift.min(x(1), x(ratio)), Swift.max(x(1), x(ratio)))
            parts.append(
                "<text x=\"\(left - 6)\" y=\"\(y + 9)\" text-anchor=\"end\">\(row.name)</text>"
                    + "<rect x=\"\(from)\" y=\"\(y)\" width=\"\(to - from)\" height=\"\(height - 3)\" "
                    + "fill=\"\(ratio >= 1 ? "#2a7f62" : "#c0392b")\"/>"
                    + "<text x=\"\(to + 4)\" y=\"\(y + 9)\">\(fixed(ratio, 2))</text>")
        }
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }
}

extension String {
    fileprivate func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(1, width - count))
    }
}
