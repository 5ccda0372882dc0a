import Cresset
import CressetIO

/// What became of one case.
package enum Verdict: Sendable, Equatable {
    case passed
    case failed(String)
    /// Not done, for a reason that is no fault: never a pass.
    case unsupported(String)
}

/// What a run found out about a device.
package struct Report: Sendable {
    package struct Count: Sendable, Equatable {
        package var passed = 0
        package var failed = 0
        package var unsupported = 0
    }

    package struct Failure: Sendable {
        package var id: String
        package var op: String
        /// "failed" or "unsupported".
        package var status: String
        package var message: String
        /// A command that shows it again.
        package var command: String?
    }

    package var device: String
    package var driver: String
    package var ops: [String: Count] = [:]
    /// By operation and dtype, for a heat map.
    package var matrix: [String: [DType: Count]] = [:]
    package var cells: [Cell: Count] = [:]
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
    package var total: Int { passed + failed + unsupported }

    /// True only if something was run and all of it is right.
    package var isGood: Bool { passed > 0 && failed == 0 && (!unsupportedFails || unsupported == 0) }

    package mutating func add(
        _ verdict: Verdict, id: String, op: String, dtype: DType? = nil, cell: Cell? = nil, command: String? = nil
    ) {
        listener?(RunEvent.Entry(id: id, op: op, dtype: dtype, cell: cell, command: command), verdict)
        func count(_ total: inout Count) {
            switch verdict {
            case .passed: total.passed += 1
            case .failed: total.failed += 1
            case .unsupported: total.unsupported += 1
            }
        }
        count(&ops[op, default: Count()])
        if let dtype { count(&matrix[op, default: [:]][dtype, default: Count()]) }
        if let cell { count(&cells[cell, default: Count()]) }
        switch verdict {
        case .passed: break
        case .failed(let message):
            failures.append(Failure(id: id, op: op, status: "failed", message: message, command: command))
        case .unsupported(let message):
            failures.append(Failure(id: id, op: op, status: "unsupported", message: message, command: command))
        }
    }
}

// MARK: - JSON

extension Report {
    /// The report in the form of the case files' own.
    package var json: JSON {
        var ops = JSON.Object()
        for (op, count) in self.ops.sorted(by: { $0.key < $1.key }) { ops[op] = count.json }
        var matrix = JSON.Object()
        for (op, dtypes) in self.matrix.sorted(by: { $0.key < $1.key }) {
            var row = JSON.Object()
            for (dtype, count) in dtypes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                row[dtype.name] = count.json
            }
            matrix[op] = .object(row)
        }
        return [
            "device": .string(device), "driver": .string(driver), "total": .integer(total),
            "passed": .integer(passed), "failed": .integer(failed), "unsupported": .integer(unsupported),
            "cells": .integer(cells.count), "seconds": .number(seconds.rounded(toPlaces: 3)),
            "kernels": ["registered": .integer(kernels.registered), "run": .integer(kernels.run)],
            "compiled": .integer(compiled), "compiling_seconds": .number(compiling.rounded(toPlaces: 3)),
            "tier": tier.map { .string($0.rawValue) } ?? .null, "budget": budget.map { .number($0) } ?? .null,
            "elements": ["judged": .integer(elements.judged), "open": .integer(elements.open)],
            "ops": .object(ops), "failures": .array(failures.map(\.json)), "matrix": .object(matrix),
        ]
    }
}

extension Report.Count {
    fileprivate var json: JSON {
        ["passed": .integer(passed), "failed": .integer(failed), "unsupported": .integer(unsupported)]
    }
}

extension Report.Failure {
    fileprivate var json: JSON {
        var object = JSON.Object()
        object["id"] = .string(id)
        object["op"] = .string(op)
        object["status"] = .string(status)
        object["message"] = .string(message)
        if let command { object["command"] = .string(command) }
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
        if kernels.registered > 0 { text += "; \(kernels.run) of \(kernels.registered) registered kernels run" }
        text += "; \(seconds.rounded(toPlaces: 1)) s"
        if compiling > 0 {
            text += ", \(compiling.rounded(toPlaces: 1)) s of it to get kernels ready, \(compiled) of them not from the cache"
        }
        if let over = overrun, let budget, let tier {
            text += "; OVER THE BUDGET of \(Int(budget)) s for tier \(tier.rawValue) by \(over.rounded(toPlaces: 1)) s"
        }
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
        }
        for (op, count) in shown.sorted(by: { $0.key < $1.key }) where count > limit {
            text += "  … and \(count - limit) more of \(op)\n"
        }
        let reasons = Dictionary(grouping: failures.filter { $0.status == "unsupported" }, by: \.message)
        for (reason, cases) in reasons.sorted(by: { $0.key < $1.key }) {
            let ops = Set(cases.map(\.op)).sorted()
            text +=
                "unsupported: \(cases.count) cases of \(ops.prefix(4).joined(separator: ", "))"
                + (ops.count > 4 ? " and \(ops.count - 4) more" : "") + ": \(reason)\n"
        }
        return text
    }
}

extension String {
    fileprivate var indented: String {
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
