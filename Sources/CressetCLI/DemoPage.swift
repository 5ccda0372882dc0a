import ConformanceSuite
import Cresset
import Glibc

/// The demo's page: one file, nothing loaded from elsewhere.
struct DemoPage {
    var rows: [DemoCommand.Row]
    var dataset: TrainCommand.DataSet
    var seed: UInt64

    /// Colours that stay apart for the colour-blind (Okabe and Ito), on light and dark ground.
    private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]

    var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>Cresset: every device, one model</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <style>\(style)</style></head><body>
        <h1>One model, every device</h1>
        <p>A multilayer perceptron trained on \(dataset == .digits ? "the 1,797 8×8 digits of the UCI set" : "MNIST")
        with seed \(seed): the same initial weights and batches everywhere, each device's own kernels.</p>
        \(results)
        <h2>Loss after each step</h2>
        \(curves)
        <h2>Difference from the reference's loss</h2>
        <p>Logarithmic; steps where the loss is the same bit for bit are not drawn.</p>
        \(differences)
        \(rows.contains { $0.report != nil } ? matrix : "")
        </body></html>
        """
    }

    private let style = """
        :root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fff; --faint: #d6d6da; --good: #2e9e6b; --bad: #d1495b }
        @media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --paper: #17171a; --faint: #3a3a40 } }
        body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
          margin: 2rem auto; padding: 0 1rem }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums } th, td { padding: .25rem .8rem; text-align: right;
          border-bottom: 1px solid var(--faint) } th:first-child, td:first-child { text-align: left }
        svg { width: 100%; height: auto } svg text { fill: currentColor; font: 13px system-ui, sans-serif }
        .matrix { overflow-x: auto } .matrix table { font-size: 12px } .matrix td, .matrix th { padding: .05rem .3rem; border: 0; text-align: center }
        .matrix th:first-child { text-align: left; font-weight: normal } .cell { display: inline-block; width: 1em; height: 1em;
          border-radius: 2px } .passed { background: var(--good) } .failed { background: var(--bad) } .none { background: var(--faint) }
        """

    private func colour(_ i: Int) -> String { Self.colours[i % Self.colours.count] }

    private func escaped(_ text: String) -> String {
        var result = ""
        for c in text {
            switch c {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            default: result.append(c)
            }
        }
        return result
    }

    private var results: String {
        let lines = rows.enumerated().map { i, row in
            """
            <tr><td><span style="color:\(colour(i))">●</span> \(row.device)</td><td style="text-align:left">\(escaped(row.name))</td>
            <td>\(fixed(100 * row.outcome.accuracy, 2)) %</td><td>\(fixed(row.outcome.seconds, 1))</td>
            <td>\(i == 0 ? "" : scientific(row.differences.first))</td><td>\(i == 0 ? "" : scientific(row.differences.all))</td>
            <td>\(row.report.map { "\($0.passed) of \($0.total)" } ?? "")</td></tr>
            """
        }
        return """
            <table><tr><th>device</th><th style="text-align:left">name</th><th>accuracy</th><th>seconds</th>
            <th>first epoch, off by</th><th>whole run, off by</th><th>conformance cases</th></tr>
            \(lines.joined(separator: "\n"))</table>
            """
    }

    // MARK: Curves

    private let width = 960.0
    private let height = 340.0
    private let margin = (left: 60.0, right: 110.0, top: 12.0, bottom: 34.0)

    private func x(_ step: Int, of count: Int) -> Double {
        margin.left + (width - margin.left - margin.right) * Double(step) / Double(max(count - 1, 1))
    }

    private func y(_ share: Double) -> Double { margin.top + (height - margin.top - margin.bottom) * (1 - share) }

    private func chart(_ ticks: [(Double, String)], _ lines: String) -> String {
        let steps = rows.map(\.outcome.losses.count).max() ?? 1
        let grid = ticks.map { share, label in
            """
            <line x1="\(margin.left)" x2="\(width - margin.right)" y1="\(fixed(y(share), 1))" y2="\(fixed(y(share), 1))" stroke="var(--faint)"/>
            <text x="\(margin.left - 8)" y="\(fixed(y(share) + 4, 1))" text-anchor="end">\(label)</text>
            """
        }
        let legend = rows.enumerated().map { i, row in
            "<text x=\"\(width - margin.right + 10)\" y=\"\(fixed(margin.top + 16 + 20 * Double(i), 1))\" style=\"fill:\(colour(i))\">\(row.device)</text>"
        }
        return """
            <svg viewBox="0 0 \(Int(width)) \(Int(height))" role="img">\(grid.joined())\(lines)\(legend.joined())
            <text x="\(margin.left)" y="\(height - 10)">step 1</text>
            <text x="\(width - margin.right)" y="\(height - 10)" text-anchor="end">step \(steps)</text></svg>
            """
    }

    private var curves: String {
        let top = rows.flatMap(\.outcome.losses).filter(\.isFinite).max() ?? 1
        let lines = rows.enumerated().map { i, row in
            let losses = row.outcome.losses
            let points = losses.enumerated().map { "\(fixed(x($0, of: losses.count), 1)),\(fixed(y($1 / top), 1))" }
            // Thinner on top of thicker, so that curves that coincide are all seen.
            let thickness = 1 + 2.5 * Double(rows.count - 1 - i) / Double(max(rows.count - 1, 1))
            return
                "<polyline fill=\"none\" stroke=\"\(colour(i))\" stroke-width=\"\(fixed(thickness, 1))\" points=\"\(points.joined(separator: " "))\"/>"
        }
        return chart([0, 0.25, 0.5, 0.75, 1].map { ($0, fixed($0 * top, 2)) }, lines.joined())
    }

    private var differences: String {
        // From 1e-9 to 1, one decade a line.
        let decades = 9.0
        let lines = rows.enumerated().dropFirst().map { i, row -> String in
            let dots = zip(row.outcome.losses, rows[0].outcome.losses).enumerated().compactMap {
                step, pair -> String? in
                let gap = abs(pair.0 - pair.1)
                guard gap > 0, gap.isFinite else { return nil }
                let share = min(max((log10(gap) + decades) / decades, 0), 1)
                return
                    "<circle cx=\"\(fixed(x(step, of: row.outcome.losses.count), 1))\" cy=\"\(fixed(y(share), 1))\" r=\"1.4\"/>"
            }
            return "<g fill=\"\(colour(i))\">\(dots.joined())</g>"
        }
        return chart((0...3).map { (Double($0) / 3, "1e\($0 * 3 - 9)") }, lines.joined())
    }

    // MARK: Matrix

    private var matrix: String {
        let reported = rows.filter { $0.report != nil }
        let ops = Set(reported.flatMap { $0.report.map { Array($0.matrix.keys) } ?? [] }).sorted()
        let dtypes = DType.allCases.filter { !$0.isComplex }
        let head = reported.map { "<th colspan=\"\(dtypes.count)\">\($0.device)</th>" }.joined()
        let names = reported.map { _ in dtypes.map { "<th title=\"\($0)\">\(Self.short($0))</th>" }.joined() }.joined()
        let lines = ops.map { op -> String in
            let cells = reported.map { row in
                dtypes.map { dtype -> String in
                    let count = row.report?.matrix[op]?[dtype]
                    let kind = count.map { $0.failed > 0 ? "failed" : $0.passed > 0 ? "passed" : "none" } ?? "none"
                    let title =
                        count.map { "\(op) \(dtype) on \(row.device): \($0.passed) passed, \($0.failed) failed" }
                        ?? "not claimed"
                    return "<td><span class=\"cell \(kind)\" title=\"\(escaped(title))\"></span></td>"
                }.joined()
            }.joined()
            return "<tr><th>\(escaped(op))</th>\(cells)</tr>"
        }
        return """
            <h2>Conformance</h2><p>Operations on float32, as a sample. Each square is one operation and dtype on one device: every layout and direction it claims
            was run and compared with the oracle. Green: all right; grey: not claimed.</p>
            <div class="matrix"><table><tr><th></th>\(head)</tr><tr><th></th>\(names)</tr>\(lines.joined())</table></div>
            """
    }

    private static func short(_ dtype: DType) -> String {
        switch dtype {
        case .bool: "b"
        case .uint8: "u8"
        case .int8: "i8"
        case .int16: "i16"
        case .int32: "i32"
        case .int64: "i64"
        case .float16: "f16"
        case .bfloat16: "bf"
        case .float32: "f32"
        default: "f64"
        }
    }
}
