import Cresset
import CressetIO

/// What a device says of itself, with nothing run: no proof of anything.
package enum Support {
    package static func run(on device: Device, _ selection: Selection, _ context: RunContext) throws -> Report {
        let start = ContinuousClock.now
        let properties = try device.properties
        var report = Report(device: "\(device)", driver: properties.driver)
        context.listen(&report)
        let coverage = try Coverage(of: device).only { selection.matches($0) && (selection.dtype ?? $1) == $1 }
        let counts = coverage.counts
        var text = coverage.table(markdown: false)
        text += "dtypes: \(properties.dtypes.map(\.name).joined(separator: " "))\n"
        text +=
            "claimed: \(counts.override) operations and dtypes by kernels of their own, \(counts.composed) composed\n"
        for (reason, cells) in coverage.missing { text += "not claimed: \(cells.told): \(reason)\n" }
        for refusal in try Registry.refusals(on: device) { text += "refused registration: \(refusal)\n" }
        context.learn(
            [
                "text": .string(text), "claims": Coverage.json([coverage])["devices"] ?? .null,
                "kernels": .array(
                    try Registry.entries(on: device).map {
                        [
                            "key": .string($0.key), "dtype": .string($0.dtype.name), "priority": .integer($0.priority),
                            "by": .string($0.owner),
                        ]
                    }),
            ], &report)
        context.finish(&report, since: start)
        return report
    }

    /// The claims as a table.
    package static func text(_ report: Report) -> String {
        report.findings.compactMap { $0["text"]?.stringValue }.joined()
    }
}

extension Coverage {
    /// The cells that are wanted.
    fileprivate func only(_ isWanted: (String, DType) -> Bool) -> Coverage {
        var wanted: [String: [DType: Resolution]] = [:]
        for (op, row) in cells {
            let kept = row.filter { isWanted(op, $0.key) }
            if !kept.isEmpty { wanted[op] = kept }
        }
        return Coverage(device: device, cells: wanted)
    }

    /// What is missing, by the reason.
    fileprivate var missing: [(String, [String: [DType]])] {
        var reasons: [String: [String: [DType]]] = [:]
        for (op, row) in cells {
            for (dtype, resolution) in row {
                if case .missing(let why) = resolution { reasons[why, default: [:]][op, default: []].append(dtype) }
            }
        }
        return reasons.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

extension [String: [DType]] {
    /// "210 operations and dtypes (aten::abs, aten::add.Tensor, …)"
    fileprivate var told: String {
        let names = keys.sorted()
        let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
        return "\(values.reduce(0) { $0 + $1.count }) operations and dtypes (\(shown))"
    }
}

extension RunContext {
    /// Tells of something that is no verdict, and keeps it.
    func learn(_ finding: JSON, _ report: inout Report) {
        events?(.learned(finding))
        report.findings.append(finding)
    }
}
