import Cresset
import CressetIO

/// What became of one case.
package enum Verdict: Sendable, Equatable {
    case passed
    case failed(String)
    /// Not done, for a reason that is no fault: never a pass.
    case unsupported(String)
    /// Failed, as the backend's file of expectations says it would: never a pass either.
    case expected(String)
}

/// What a run found out about a device.
package struct Report: Sendable {
    package struct Count: Sendable, Equatable {
        package var passed = 0
        package var failed = 0
        package var unsupported = 0
        /// Failed, as it was expected to.
        package var expected = 0
    }

    package struct Failure: Sendable {
        package var id: String
        package var op: String
        package var dtype: DType?
        /// "failed", "unsupported" or "expected".
        package var status: String
        package var message: String
        /// A command that shows it again.
        package var command: String?
        /// The smallest case that was found to fail so.
        package var minimised: MinimisedCase?
    }

    package var device: String
    package var driver: String
    /// The version of the boundary that its backend follows.
    package var abi = 0
    /// What its backend says will not be right.
    package var expectations = Expectations()
    package var ops: [String: Count] = [:]
    /// By operation and dtype, for a heat map.
    package var matrix: [String: [DType: Count]] = [:]
    package var cells: [Cell: Count] = [:]
    /// By operation and dtype: the element that used most of its bound.
    package var worst: [String: [DType: WorstError]] = [:]
    package var failures: [Failure] = []
    /// Entries of the device's registry, and how many of them did some of the work.
    package var kernels = (registered: 0, run: 0)
    /// Elements that were compared, and those of which the oracle could not say what is right.
    package var elements = (judged: 0, open: 0)
    package var seconds = 0.0
    /// Of these, how many went by while kernels were compiled or read from a cache.
    package var compiling = 0.0
    package var tier: Tier?
    /// Seconds that the run should take once its kernels are in the cache; nil where none was set.
    package var budget: Double?
    /// Kernels that the run had compiled, not counting those read from a cache.
    package var compiled = 0
    /// Not the suite's own judge, but one of those that `make kill-table` compares it with: proves nothing.
    package let judge = LooseJudge.chosen
    /// Unsupported cases count against the device: they were asked for by name.
    package var unsupportedFails = false

    /// What was asked for that is no verdict: times, claims.
    package var findings: [JSON] = []

    /// Told of everything that is added.
    var listener: (@Sendable (RunEvent.Entry, Verdict) -> Void)?

    package init(device: String, driver: String) {
        self.device = device
        self.driver = driver
    }

    package var passed: Int { ops.values.reduce(0) { $0 + $1.passed } }
    package var failed: Int { ops.values.reduce(0) { $0 + $1.failed } }
    package var unsupported: Int { ops.values.reduce(0) { $0 + $1.unsupported } }
    package var expected: Int { ops.values.reduce(0) { $0 + $1.expected } }
    package var total: Int { passed + failed + unsupported + expected }

    /// True only if something was run and all of it is right.
    package var isGood: Bool {
        judge == nil && passed > 0 && failed == 0 && (!unsupportedFails || unsupported == 0)
    }

    package mutating func add(
        _ verdict: Verdict, id: String, op: String, dtype: DType? = nil, cell: Cell? = nil, command: String? = nil,
        evidence: Evidence = Evidence()
    ) {
        let entry = RunEvent.Entry(id: id, op: op, dtype: dtype, cell: cell, command: command, evidence: evidence)
        // What was seen is told; whoever is told has expectations of his own.
        listener?(entry, verdict)
        let verdict = expectations.judge(entry, verdict)
        ops[op, default: Count()].add(verdict)
        if let dtype {
            matrix[op, default: [:]][dtype, default: Count()].add(verdict)
            if let larger = WorstError.larger(worst[op]?[dtype], evidence.worst) {
                worst[op, default: [:]][dtype] = larger
            }
        }
        if let cell { cells[cell, default: Count()].add(verdict) }
        guard let (status, message) = verdict.told else { return }
        failures.append(
            Failure(id: id, op: op, dtype: dtype, status: status, message: message, command: command))
    }

    /// In an order that does not tell which process was quicker.
    package mutating func sortFailures() { failures.sort { ($0.op, $0.id) < ($1.op, $1.id) } }

    /// A smaller case that fails as that one does.
    package mutating func minimise(_ id: String, _ minimised: MinimisedCase) {
        guard let i = failures.lastIndex(where: { $0.id == id }) else { return }
        failures[i].minimised = minimised
    }
}

extension Report.Count {
    fileprivate mutating func add(_ verdict: Verdict) {
        switch verdict {
        case .passed: passed += 1
        case .failed: failed += 1
        case .unsupported: unsupported += 1
        case .expected: expected += 1
        }
    }
}

extension Verdict {
    /// How reports name it, and its text; nil where it passed.
    var told: (status: String, message: String)? {
        switch self {
        case .passed: nil
        case .failed(let text): ("failed", text)
        case .unsupported(let text): ("unsupported", text)
        case .expected(let text): ("expected", text)
        }
    }
}

// MARK: - JSON

extension Report {
    /// The report in the form of the case files' own.
    package var json: JSON {
        var ops = JSON.Object()
        for (op, count) in self.ops.sorted(by: { $0.key < $1.key }) { ops[op] = .object(count.object) }
        var matrix = JSON.Object()
        for (op, dtypes) in self.matrix.sorted(by: { $0.key < $1.key }) {
            var row = JSON.Object()
            for (dtype, count) in dtypes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                var cell = count.object
                cell["worst"] = worst[op]?[dtype]?.json
                row[dtype.name] = .object(cell)
            }
            matrix[op] = .object(row)
        }
        return [
            "device": .string(device), "driver": .string(driver), "abi": .integer(abi), "total": .integer(total),
            "passed": .integer(passed), "failed": .integer(failed), "unsupported": .integer(unsupported),
            "expected": .integer(expected),
            "cells": .integer(cells.count), "seconds": .number(seconds.rounded(toPlaces: 3)),
            "kernels": ["registered": .integer(kernels.registered), "run": .integer(kernels.run)],
            "compiled": .integer(compiled), "compiling_seconds": .number(compiling.rounded(toPlaces: 3)),
            "tier": tier.map { .string($0.rawValue) } ?? .null, "budget": budget.map { .number($0) } ?? .null,
            "judge": .string(judge?.rawValue ?? "derived"),
            "elements": ["judged": .integer(elements.judged), "open": .integer(elements.open)],
            "ops": .object(ops), "failures": .array(failures.map(\.json)), "matrix": .object(matrix),
            "findings": .array(findings),
        ]
    }
}

extension Report.Count {
    fileprivate var object: JSON.Object {
        var object = JSON.Object()
        object["passed"] = .integer(passed)
        object["failed"] = .integer(failed)
        object["unsupported"] = .integer(unsupported)
        if expected > 0 { object["expected"] = .integer(expected) }
        return object
    }
}

extension Report.Failure {
    fileprivate var json: JSON {
        var object = JSON.Object()
        object["id"] = .string(id)
        object["op"] = .string(op)
        if let dtype { object["dtype"] = .string(dtype.name) }
        object["status"] = .string(status)
        object["message"] = .string(message)
        if let command { object["command"] = .string(command) }
        if let minimised { object["minimised"] = minimised.json }
        return .object(object)
    }
}

// MARK: - Text

extension Report {
    /// One line: how many cases and cells, and how they went.
    package var summary: String {
        var text = "\(device) (\(driver)): \(total) cases"
        if !cells.isEmpty { text += " in \(cells.count) cells" }
        text += ": \(passed) passed, \(failed) failed, \(unsupported) unsupported"
        if expected > 0 { text += ", \(expected) failed as expected" }
        if kernels.registered > 0 { text += "; \(kernels.run) of \(kernels.registered) registered kernels run" }
        text += "; \(seconds.rounded(toPlaces: 1)) s"
        if compiling > 0 {
            text +=
                ", \(compiling.rounded(toPlaces: 1)) s of it to get kernels ready, \(compiled) of them not from the cache"
        }
        if let over = overrun, let budget, let tier {
            text += "; OVER THE BUDGET of \(Int(budget)) s for tier \(tier.rawValue) by \(over.rounded(toPlaces: 1)) s"
        }
        if let judge { text += "; judged by tolerances like \(judge.rawValue)'s, which proves nothing" }
        return text
    }

    /// Seconds beyond the budget, which is for a run that finds its kernels in the cache.
    package var overrun: Double? {
        guard let budget else { return nil }
        let warm = compiled > 0 ? seconds - compiling : seconds
        return warm > budget ? warm - budget : nil
    }

    /// What failed, at most `limit` of an operation.
    package func details(limit: Int = 3) -> String {
        var text = ""
        var shown: [String: Int] = [:]
        for failure in failures where failure.status == "failed" {
            shown[failure.op, default: 0] += 1
            if shown[failure.op, default: 0] > limit { continue }
            text += "FAILED \(failure.id)\n  \(failure.message.indented)\n"
            if let command = failure.command { text += "  \(command)\n" }
            if let minimised = failure.minimised { text += "  \(minimised.text.indented)\n" }
        }
        for (op, count) in shown.sorted(by: { $0.key < $1.key }) where count > limit {
            text += "  … and \(count - limit) more of \(op)\n"
        }
        return text + grouped("unsupported", "unsupported") + grouped("expected", "failed as expected")
    }

    /// Cases that did not pass for a known reason, a line for each reason.
    private func grouped(_ status: String, _ title: String) -> String {
        // (Of an expected failure the first line is the reason.)
        let reasons = Dictionary(grouping: failures.filter { $0.status == status }) { failure in
            String(failure.message.prefix { $0 != "\n" })
        }
        var text = ""
        for (reason, cases) in reasons.sorted(by: { $0.key < $1.key }) {
            let ops = Set(cases.map(\.op)).sorted()
            text +=
                "\(title): \(cases.count) cases of \(ops.prefix(4).joined(separator: ", "))"
                + (ops.count > 4 ? " and \(ops.count - 4) more" : "") + ": \(reason)\n"
        }
        return text
    }
}

extension String {
    var indented: String {
        split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n  ")
    }
}

extension Error {
    /// The error without the line of code, which is the suite's own and takes long to find.
    var told: String {
        guard let error = self as? CressetError else { return "\(self)" }
        return "\(error.op): \(error.message)"
    }
}
