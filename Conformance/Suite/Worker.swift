import Cresset
import CressetIO

/// What a run tells of itself while it goes on, so that it can be told by another process.
package enum RunEvent: Sendable {
    /// A plugin's own code is about to be called outside of any case: "start of mychip (/path/…)".
    case calling(String)
    /// The devices there are, by their spellings.
    case devices([String])
    /// Nothing can be run, for this reason.
    case refused(String)
    /// A part of what was asked for that is no verdict: a time, a table of claims.
    case learned(JSON)
    /// Cases begin to be worked out or compiled together, which may take long.
    case preparing(total: Int)
    /// The device is open; failures are expected as this file says.
    case opened(driver: String, abi: Int, expectations: String?)
    /// This case is about to run, the `index`th.
    case starting(index: Int, Entry)
    /// Something was found out.
    case found(Entry, Verdict)
    /// A smaller case is looked for that fails as this one did.
    case minimising(Entry)
    case minimised(Entry, MinimisedCase)
    /// The case of this step on the way to a smaller one is about to run.
    case trying(Int)
    /// Registry entries that ran for the first time.
    case ran([KernelID])
    /// The end, with what is known of the whole.
    case finished(Report)

    /// A case, or something else that is judged.
    package struct Entry: Sendable {
        package var id: String
        package var op: String
        package var dtype: DType?
        package var cell: Cell?
        package var command: String?
        package var evidence = Evidence()

        package init(
            id: String, op: String, dtype: DType? = nil, cell: Cell? = nil, command: String? = nil,
            evidence: Evidence = Evidence()
        ) {
            (self.id, self.op, self.dtype, self.cell) = (id, op, dtype, cell)
            (self.command, self.evidence) = (command, evidence)
        }
    }
}

/// Where a run goes on that another process began.
package struct Resumption: Sendable {
    /// Cases that are done.
    package var done = 0
    /// Seconds that went by, for runs that end after so long.
    package var seconds = 0
    /// Registry entries that did some of the work.
    package var ran: Set<KernelID> = []

    package init() {}

    /// "12@3;pointwise|float32|0;…"
    package init?(_ text: String) {
        let parts = text.split(separator: ";")
        let numbers = (parts.first ?? "").split(separator: "@").map { Int($0) ?? -1 }
        guard numbers.count == 2, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        (done, seconds) = (numbers[0], numbers[1])
        for part in parts.dropFirst() {
            guard let kernel = KernelID(text: String(part)) else { return nil }
            ran.insert(kernel)
        }
    }

    package var text: String { (["\(done)@\(seconds)"] + ran.map(\.text).sorted()).joined(separator: ";") }
}

extension KernelID {
    fileprivate init?(text: String) {
        let parts = text.split(separator: "|").map(String.init)
        guard parts.count == 3, let dtype = DType(name: parts[1]), let priority = Int(parts[2]) else { return nil }
        self.init(key: parts[0], dtype: dtype, priority: priority)
    }

    fileprivate var text: String { "\(key)|\(dtype.name)|\(priority)" }
}

// MARK: - One line of JSON for each

extension RunEvent {
    package var line: String {
        let json: JSON =
            switch self {
            case .calling(let step): ["event": "calling", "step": .string(step)]
            case .devices(let names): ["event": "devices", "names": .array(names.map { .string($0) })]
            case .refused(let why): ["event": "refused", "message": .string(why)]
            case .learned(let json): ["event": "learned", "what": json]
            case .preparing(let total): ["event": "preparing", "total": .integer(total)]
            case .opened(let driver, let abi, let path):
                [
                    "event": "opened", "driver": .string(driver), "abi": .integer(abi),
                    "expectations": path.map { .string($0) } ?? .null,
                ]
            case .starting(let index, let entry):
                ["event": "starting", "index": .integer(index), "entry": entry.json]
            case .found(let entry, let verdict):
                if let (status, message) = verdict.told {
                    ["event": "found", "entry": entry.json, "verdict": .string(status), "message": .string(message)]
                } else {
                    ["event": "found", "entry": entry.json, "verdict": "passed"]
                }
            case .trying(let step): ["event": "trying", "step": .integer(step)]
            case .minimising(let entry): ["event": "minimising", "entry": entry.json]
            case .minimised(let entry, let smaller):
                ["event": "minimised", "entry": entry.json, "case": smaller.json]
            case .ran(let kernels): ["event": "ran", "kernels": .array(kernels.map { .string($0.text) })]
            case .finished(let report):
                [
                    "event": "finished", "device": .string(report.device), "driver": .string(report.driver),
                    "registered": .integer(report.kernels.registered), "run": .integer(report.kernels.run),
                    "judged": .integer(report.elements.judged), "open": .integer(report.elements.open),
                    "compiled": .integer(report.compiled), "compiling": .number(report.compiling),
                    "tier": report.tier.map { .string($0.rawValue) } ?? .null,
                    "budget": report.budget.map { .number($0) } ?? .null,
                ]
            }
        return json.serialized() + "\n"
    }

    /// nil where the line is none of these.
    package init?(line: String) {
        guard let json = try? JSON.parse(line), let event = json["event"]?.stringValue else { return nil }
        switch event {
        case "calling":
            guard let step = json["step"]?.stringValue else { return nil }
            self = .calling(step)
        case "devices": self = .devices((json["names"]?.arrayValue ?? []).compactMap(\.stringValue))
        case "refused": self = .refused(json["message"]?.stringValue ?? "")
        case "learned":
            guard let what = json["what"] else { return nil }
            self = .learned(what)
        case "preparing":
            guard let total = json["total"]?.intValue else { return nil }
            self = .preparing(total: total)
        case "opened":
            guard let driver = json["driver"]?.stringValue, let abi = json["abi"]?.intValue else { return nil }
            self = .opened(driver: driver, abi: abi, expectations: json["expectations"]?.stringValue)
        case "starting":
            guard let index = json["index"]?.intValue, let entry = Entry(json["entry"]) else { return nil }
            self = .starting(index: index, entry)
        case "found":
            guard let entry = Entry(json["entry"]) else { return nil }
            let message = json["message"]?.stringValue ?? ""
            switch json["verdict"]?.stringValue {
            case "passed": self = .found(entry, .passed)
            case "failed": self = .found(entry, .failed(message))
            case "unsupported": self = .found(entry, .unsupported(message))
            case "expected": self = .found(entry, .expected(message))
            default: return nil
            }
        case "trying":
            guard let step = json["step"]?.intValue else { return nil }
            self = .trying(step)
        case "minimising":
            guard let entry = Entry(json["entry"]) else { return nil }
            self = .minimising(entry)
        case "minimised":
            guard let entry = Entry(json["entry"]), let smaller = MinimisedCase(json["case"]) else { return nil }
            self = .minimised(entry, smaller)
        case "ran": self = .ran((json["kernels"]?.arrayValue ?? []).compactMap { KernelID(text: $0.stringValue ?? "") })
        case "finished":
            var report = Report(
                device: json["device"]?.stringValue ?? "", driver: json["driver"]?.stringValue ?? "")
            report.kernels = (json["registered"]?.intValue ?? 0, json["run"]?.intValue ?? 0)
            report.elements = (json["judged"]?.intValue ?? 0, json["open"]?.intValue ?? 0)
            report.compiled = json["compiled"]?.intValue ?? 0
            report.compiling = json["compiling"]?.doubleValue ?? 0
            report.tier = json["tier"]?.stringValue.flatMap(Tier.init(rawValue:))
            report.budget = json["budget"]?.doubleValue
            self = .finished(report)
        default: return nil
        }
    }
}

extension RunEvent.Entry {
    fileprivate var json: JSON {
        var object = JSON.Object()
        object["id"] = .string(id)
        object["op"] = .string(op)
        if let dtype { object["dtype"] = .string(dtype.name) }
        if let cell {
            object["layout"] = .string(cell.layout.rawValue)
            object["direction"] = .string(cell.direction.rawValue)
        }
        if let command { object["command"] = .string(command) }
        if let worst = evidence.worst { object["worst"] = worst.json }
        if let kind = evidence.kind { object["kind"] = .string(kind.rawValue) }
        return .object(object)
    }

    fileprivate init?(_ json: JSON?) {
        guard let json, let id = json["id"]?.stringValue, let op = json["op"]?.stringValue else { return nil }
        self.id = id
        self.op = op
        dtype = json["dtype"]?.stringValue.flatMap { DType(name: $0) }
        command = json["command"]?.stringValue
        evidence.worst = WorstError(json["worst"])
        evidence.kind = json["kind"]?.stringValue.flatMap(FailureKind.init(rawValue:))
        if let dtype, let layout = json["layout"]?.stringValue.flatMap(Layout.init(rawValue:)),
            let direction = json["direction"]?.stringValue.flatMap(Direction.init(rawValue:))
        {
            cell = Cell(op: op, dtype: dtype, layout: layout, direction: direction)
        }
    }
}

extension Report {
    /// Takes over what another process found out; the totals of the end are added.
    package mutating func take(_ event: RunEvent) {
        switch event {
        case .calling, .devices, .refused, .preparing, .starting, .ran, .minimising, .trying: break
        case .opened(let driver, let abi, _): (self.driver, self.abi) = (driver, abi)
        case .learned(let json): findings.append(json)
        case .found(let entry, let verdict):
            add(
                verdict, id: entry.id, op: entry.op, dtype: entry.dtype, cell: entry.cell, command: entry.command,
                evidence: entry.evidence)
        case .minimised(let entry, let smaller): minimise(entry.id, smaller)
        case .finished(let end):
            device = end.device
            driver = end.driver
            kernels = end.kernels
            elements.judged += end.elements.judged
            elements.open += end.elements.open
            compiled += end.compiled
            compiling += end.compiling
            (tier, budget) = (end.tier, end.budget)
        }
    }
}
