import Cresset
import CressetIO

/// What an operation on a device comes to, by the registry and the declarations.
package enum Resolution: Sendable, Equatable {
    /// A kernel of its own, by whom.
    case override(String)
    /// Made of these families or operations, and registered is what they come down to.
    case composed([String])
    /// Computed on the host, and copied back.
    case host([String])
    /// Not to be had, with the reason.
    case missing(String)
}

/// The coverage matrix: operation × dtype for one device.
package struct Coverage: Sendable {
    package let device: String
    /// By operation, for the dtypes it is declared for.
    package let cells: [String: [DType: Resolution]]

    init(device: String, cells: [String: [DType: Resolution]]) {
        self.device = device
        self.cells = cells
    }

    package init(of device: Device) throws(CressetError) {
        let held = Set(try device.properties.dtypes)
        let entries = try Registry.entries(on: device)
        var registered: [DType: Set<String>] = [:]
        var overrides: [String: [DType: String]] = [:]
        for entry in entries {
            if entry.isOverride {
                overrides[entry.key, default: [:]][entry.dtype] = entry.owner
            } else {
                registered[entry.dtype, default: []].insert(entry.key)
            }
        }
        var cells: [String: [DType: Resolution]] = [:]
        for op in Operators.all {
            for dtype in op.dtypes {
                let resolution: Resolution
                let families = op.families
                // (Complex tensors are computed as pairs of real numbers.)
                let missing = families.filter {
                    $0.isMinimum && !dtype.isComplex && !(registered[dtype] ?? []).contains($0.rawValue)
                }
                if !held.contains(dtype) {
                    resolution = .missing("\(device) does not hold \(dtype)")
                } else if let owner = overrides[op.name]?[dtype] {
                    resolution = .override(owner)
                } else if !missing.isEmpty {
                    let names = missing.map(\.rawValue).sorted().joined(separator: ", ")
                    resolution = .missing("\(device) registers no \(names) for \(dtype)")
                } else if families.contains(where: \.hasHostDefault) {
                    resolution = .host(op.composition)
                } else {
                    // (A view needs no kernel.)
                    resolution = .composed(op.composition)
                }
                cells[op.name, default: [:]][dtype] = resolution
            }
        }
        self.device = "\(device)"
        self.cells = cells
    }

    /// The order of columns.
    package static let dtypes: [DType] = [
        .float64, .float32, .float16, .bfloat16, .int64, .int32, .int16, .int8, .uint8, .bool, .complex128, .complex64,
    ]

    /// How many operations and dtypes resolve to an override, to a composition, to the host, to nothing.
    package var counts: (override: Int, composed: Int, host: Int, missing: Int) {
        var counts = (override: 0, composed: 0, host: 0, missing: 0)
        for resolution in cells.values.flatMap(\.values) {
            switch resolution {
            case .override: counts.override += 1
            case .composed: counts.composed += 1
            case .host: counts.host += 1
            case .missing: counts.missing += 1
            }
        }
        return counts
    }
}

extension Coverage {
    /// A table with a row for each operation.
    package func table(markdown: Bool) -> String {
        let names = cells.keys.sorted()
        let spellings = names.map { Operators.find($0)?.spelling ?? "" }
        let (width, wide) = (names.map(\.count).max() ?? 0, spellings.map(\.count).max() ?? 0)
        func row(_ first: String, _ second: String, _ others: [String]) -> String {
            if markdown { return "| " + ([first, second] + others).joined(separator: " | ") + " |\n" }
            func padded(_ text: String, _ width: Int) -> String {
                text + String(repeating: " ", count: max(0, width - text.count))
            }
            return padded(first, width) + "  " + padded(second, wide) + "  " + others.map { padded($0, 11) }.joined()
                + "\n"
        }
        var text = row("operation", "in Swift", Self.dtypes.map(\.name))
        if markdown { text += row("---", "---", Self.dtypes.map { _ in "---" }) }
        for (name, spelling) in zip(names, spellings) {
            let marks = Self.dtypes.map { dtype in
                switch cells[name]?[dtype] {
                case .override: "override"
                case .composed(let families): families.isEmpty ? "view" : "composed"
                case .host: "host"
                case .missing: "missing"
                case nil: markdown ? "" : "·"
                }
            }
            text += row(markdown ? "`\(name)`" : name, markdown ? "`\(spelling)`" : spelling, marks)
        }
        return text
    }

    package static func json(_ coverages: [Coverage]) -> JSON {
        var operations = JSON.Object()
        for op in Operators.all.sorted(by: { $0.name < $1.name }) {
            operations[op.name] = [
                "schema": .string(op.schema.text),
                "swift": .string(op.spelling),
                "dtypes": .array(dtypes.filter(op.dtypes.contains).map { .string($0.name) }),
                "differentiable": .bool(op.isDifferentiable),
                "composition": .array(op.composition.map { .string($0) }),
            ]
        }
        var devices = JSON.Object()
        for coverage in coverages {
            var ops = JSON.Object()
            for (name, cells) in coverage.cells.sorted(by: { $0.key < $1.key }) {
                var row = JSON.Object()
                for dtype in dtypes {
                    guard let cell = cells[dtype] else { continue }
                    row[dtype.name] = cell.json
                }
                ops[name] = .object(row)
            }
            devices[coverage.device] = .object(ops)
        }
        return ["operations": .object(operations), "devices": .object(devices)]
    }
}

extension Resolution {
    fileprivate var json: JSON {
        switch self {
        case .override(let owner): ["status": "override", "by": .string(owner)]
        case .composed(let families): ["status": "composed", "of": .array(families.map { .string($0) })]
        case .host(let families): ["status": "host", "of": .array(families.map { .string($0) })]
        case .missing(let reason): ["status": "missing", "reason": .string(reason)]
        }
    }
}

extension Operator {
    /// The families that its composition comes down to, through other operations.
    var families: Set<PrimitiveFamily> {
        var found: Set<PrimitiveFamily> = []
        var seen: Set<String> = [name]
        func walk(_ composition: [String]) {
            for part in composition {
                if let family = PrimitiveFamily(rawValue: part) {
                    found.insert(family)
                } else if seen.insert(part).inserted, let op = Operators.find(part) {
                    walk(op.composition)
                }
            }
        }
        walk(composition)
        return found
    }
}
