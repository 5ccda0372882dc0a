import Cresset
import CressetIO

extension Report {
    /// A page that needs nothing from elsewhere: operations by dtypes, for several devices side by side.
    package static func page(_ reports: [Report]) -> String {
        // "<" would end the script where it stands in "</script>".
        let data = pageData(reports).serialized().split(separator: "<", omittingEmptySubsequences: false)
            .joined(separator: "\\u003c")
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>Cresset: conformance</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <style>\(ReportPage.style)</style></head><body>
            <header><h1>Conformance</h1><div class="devices">\(reports.map(\.card).joined(separator: "\n"))</div></header>
            \(ReportPage.controls)
            <main id="pane" tabindex="-1"></main>
            <section id="detail" aria-live="polite"></section>
            <noscript>The heat map and the failures are drawn by a script in this page.</noscript>
            <script type="application/json" id="data">\(data)</script>
            <script>\(ReportPage.script)</script>
            </body></html>

            """
    }

    /// What is known of the device as a whole.
    private var card: String {
        var facts = [
            "\(total.grouped) cases in \(cells.count.grouped) cells", "\(elements.judged.grouped) elements judged",
        ]
        if kernels.registered > 0 { facts.append("\(kernels.run) of \(kernels.registered) kernels run") }
        facts.append("\(seconds.rounded(toPlaces: 1)) s")
        if compiled > 0 { facts.append("\(compiled) kernels compiled") }
        let counts = [("passed", passed), ("failed", failed), ("expected", expected), ("unsupported", unsupported)]
            .filter { $0.0 == "passed" || $0.1 > 0 }
            .map { "<b class=\"\($0)\">\($1.grouped)</b> \($0)" }
        return """
            <div class="device \(isGood ? "good" : "bad")"><h2>\(device.escapedForMarkup)</h2>
            <p class="driver" title="\(driver.escapedForMarkup)">\(abi > 0 ? "ABI \(abi), " : "")\(driver.escapedForMarkup)</p><p>\(counts.joined(separator: " · "))</p>
            <p class="facts">\(facts.joined(separator: " · "))</p></div>
            """
    }

    // MARK: Data

    /// Of one operation and dtype, so many failures are in the page with all that is known of them.
    private static let shownFailures = 10

    private static func pageData(_ reports: [Report]) -> JSON {
        let ops = Set(reports.flatMap { $0.ops.keys }).sorted()
        let used = Set(reports.flatMap { $0.matrix.values.flatMap(\.keys) })
        let dtypes = Coverage.dtypes.filter(used.contains)
        let places = Dictionary(uniqueKeysWithValues: ops.enumerated().map { ($1, $0) })
        return [
            "dtypes": .array(dtypes.map { .string($0.name) }), "ops": .array(ops.map { .string($0) }),
            "devices": .array(
                reports.map { report in
                    [
                        "device": .string(report.device), "driver": .string(report.driver),
                        "rows": .array(ops.map { report.row($0, dtypes) }),
                        "failures": .array(report.failures(places, dtypes)),
                    ]
                }),
        ]
    }

    /// By dtype and, last, for what has none: [passed, failed, unsupported, expected, share, absolute, ulps], or 0.
    private func row(_ op: String, _ dtypes: [DType]) -> JSON {
        var rest = ops[op] ?? Count()
        func list(_ count: Count, _ worst: WorstError?) -> JSON {
            if count.total == 0 { return 0 }
            let counts = [count.passed, count.failed, count.unsupported, count.expected].map { JSON.integer($0) }
            let errors: [JSON] = ["share", "absolute", "ulps"].compactMap { worst?.json[$0] }
            return .array(counts + errors)
        }
        let cells = dtypes.map { dtype -> JSON in
            guard let count = matrix[op]?[dtype] else { return 0 }
            rest.passed -= count.passed
            rest.failed -= count.failed
            rest.unsupported -= count.unsupported
            rest.expected -= count.expected
            return list(count, worst[op]?[dtype])
        }
        return .array(cells + [list(rest, nil)])
    }

    private func failures(_ places: [String: Int], _ dtypes: [DType]) -> [JSON] {
        var shown: [[Int]: Int] = [:]
        return failures.compactMap { failure in
            let place = [
                places[failure.op] ?? 0, failure.dtype.flatMap(dtypes.firstIndex(of:)) ?? dtypes.count,
            ]
            shown[place, default: 0] += 1
            if shown[place, default: 0] > Self.shownFailures { return nil }
            var object = JSON.Object()
            object["at"] = .array(place.map { .integer($0) })
            object["id"] = .string(failure.id)
            object["status"] = .string(failure.status)
            object["message"] = .string(failure.message)
            if let command = failure.command { object["command"] = .string(command) }
            if let minimised = failure.minimised { object["minimised"] = minimised.json }
            return .object(object)
        }
    }
}

extension Int {
    /// "12,345"
    fileprivate var grouped: String {
        let digits = String(magnitude)
        var text = ""
        for (i, digit) in digits.enumerated() {
            if i > 0 && (digits.count - i) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return self < 0 ? "-" + text : text
    }
}
