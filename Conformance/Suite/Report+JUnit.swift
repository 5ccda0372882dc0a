import Cresset

extension Report {
    /// Reports as JUnit's XML: a suite a device, a test an operation and dtype.
    ///
    /// What is unsupported and what failed as expected is skipped, with the reason: neither is a pass.
    package static func junit(_ reports: [Report]) -> String {
        let suites = reports.map { (report: $0, tests: $0.tests) }
        let all = suites.flatMap(\.tests)
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            + "<testsuites name=\"conformance\" \(Test.counts(all)) "
            + "time=\"\(reports.reduce(0) { $0 + $1.seconds }.rounded(toPlaces: 3))\">\n"
            + suites.map { $0.report.suite($0.tests) }.joined() + "</testsuites>\n"
    }

    /// The cases of an operation and dtype; the dtype is nil for what has none, as claims.
    private struct Test {
        var op: String
        var dtype: DType?
        var count: Count
        var failures: [Failure]

        var isSkipped: Bool { count.failed == 0 && (count.expected > 0 || count.passed == 0) }

        static func counts(_ tests: [Test]) -> String {
            "tests=\"\(tests.count)\" failures=\"\(tests.count { $0.count.failed > 0 })\" errors=\"0\" "
                + "skipped=\"\(tests.count { $0.isSkipped })\""
        }
    }

    private var tests: [Test] {
        struct Key: Hashable {
            var op: String
            var dtype: DType?
        }
        let told = Dictionary(grouping: failures) { Key(op: $0.op, dtype: $0.dtype) }
        return ops.keys.sorted().flatMap { op -> [Test] in
            var tests: [Test] = []
            var rest = ops[op] ?? Count()
            for (dtype, count) in (matrix[op] ?? [:]).sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                tests.append(Test(op: op, dtype: dtype, count: count, failures: told[Key(op: op, dtype: dtype)] ?? []))
                rest = rest - count
            }
            if rest.total > 0 {
                tests.append(Test(op: op, dtype: nil, count: rest, failures: told[Key(op: op, dtype: nil)] ?? []))
            }
            return tests
        }
    }

    private func suite(_ tests: [Test]) -> String {
        let properties = [("driver", driver), ("abi", "\(abi)"), ("cases", "\(total)"), ("passed", "\(passed)")]
        return "  <testsuite name=\"\(device.escapedForMarkup)\" \(Test.counts(tests)) "
            + "time=\"\(seconds.rounded(toPlaces: 3))\">\n    <properties>\n"
            + properties.map { "      <property name=\"\($0)\" value=\"\($1.escapedForMarkup)\"/>\n" }.joined()
            + "    </properties>\n" + tests.map(element).joined() + "  </testsuite>\n"
    }

    private func element(_ test: Test) -> String {
        let name = test.dtype?.name ?? "all"
        let open =
            "    <testcase classname=\"\("\(device).\(test.op)".escapedForMarkup)\" name=\"\(name)\" "
            + "assertions=\"\(test.count.total)\""
        func text(of failures: [Failure]) -> String {
            failures.map { failure in
                "\(failure.id)\n\(failure.message)\n" + (failure.command.map { "\($0)\n" } ?? "")
                    + (failure.minimised.map { "\($0.text)\n" } ?? "")
            }.joined(separator: "\n")
        }
        if test.count.failed > 0 {
            let failed = test.failures.filter { $0.status == "failed" }
            let message = "\(test.count.failed) of \(test.count.total) cases failed: \(failed.first?.message ?? "")"
            return "\(open)>\n      <failure type=\"failed\" message=\"\(message.firstLine.escapedForMarkup)\">"
                + "\(text(of: failed).escapedForMarkup)</failure>\n    </testcase>\n"
        }
        guard let first = test.failures.first else { return "\(open)/>\n" }
        let reason = "\(first.status): \(first.message.firstLine)".escapedForMarkup
        if test.isSkipped { return "\(open)>\n      <skipped message=\"\(reason)\"/>\n    </testcase>\n" }
        return "\(open)>\n      <system-out>\(test.failures.count) cases are not counted, \(reason)</system-out>\n"
            + "    </testcase>\n"
    }
}

extension Report.Count {
    var total: Int { passed + failed + unsupported + expected }

    fileprivate static func - (x: Self, y: Self) -> Self {
        var rest = x
        rest.passed -= y.passed
        rest.failed -= y.failed
        rest.unsupported -= y.unsupported
        rest.expected -= y.expected
        return rest
    }
}

extension String {
    var firstLine: String { String(prefix { $0 != "\n" }) }
}
