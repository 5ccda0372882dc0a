import Cresset

/// How one device comes by each primitive family, as a table of dtypes.
package struct FamilyTable {
    /// The backend's name: devices of one backend have one table.
    package let title: String
    private let rows: [(family: PrimitiveFamily, cells: [DType: FamilyStatus])]

    package init(of device: Device) throws(CressetError) {
        title = device.type
        var cells: [PrimitiveFamily: [DType: FamilyStatus]] = [:]
        for (family, dtype, status) in try Registry.families(on: device) { cells[family, default: [:]][dtype] = status }
        rows = PrimitiveFamily.allCases.map { ($0, cells[$0] ?? [:]) }
    }

    /// What should be there and is not.
    package var missing: [String] {
        rows.flatMap { family, cells in
            Coverage.dtypes.compactMap { dtype in
                guard case .missing(let why) = cells[dtype] else { return nil }
                return "\(title): \(family.rawValue) for \(dtype): \(why)"
            }
        }
    }

    /// A section with the table, and after it why cells are absent.
    package var markdown: String {
        "## \(title)\n\n" + lines.joined(separator: "\n") + "\n\n"
            + reasons.map { "\($0)\n" }.joined()
    }

    private var lines: [String] {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
        return [line(["family"] + Coverage.dtypes.map(\.name)), line(Array(repeating: "---", count: 13))]
            + rows.map { family, cells in line([family.rawValue] + Coverage.dtypes.map { cells[$0]?.word ?? "missing" })
            }
    }

    private var reasons: [String] {
        rows.flatMap { family, cells in
            var order: [String] = []
            var dtypes: [String: [String]] = [:]
            for dtype in Coverage.dtypes {
                guard case .absent(let why) = cells[dtype] else { continue }
                if dtypes[why] == nil { order.append(why) }
                dtypes[why, default: []].append(dtype.name)
            }
            return order.map { why in
                "- \(family.rawValue), \((dtypes[why] ?? []).joined(separator: ", ")): \(why)."
            }
        }
    }

    /// The lines of this table that the section of its name in `text` does not have, and the reverse.
    package func differences(from text: String) -> [String] {
        let all = text.split(separator: "\n").map(String.init)
        guard let start = all.firstIndex(of: "## \(title)") else {
            return ["\(title): there is no section of that name"]
        }
        let section = all[(start + 1)...].prefix { !$0.hasPrefix("## ") }
        let now = lines + reasons
        return now.filter { !section.contains($0) }.map { "\(title) is now: \($0)" }
            + section.filter { !now.contains($0) }.map { "\(title) should be: \($0)" }
    }
}

extension FamilyStatus {
    fileprivate var word: String {
        switch self {
        case .native: "native"
        case .composed(let native): native.isEmpty ? "default" : "default; native: " + native.joined(separator: ", ")
        case .host: "host"
        case .absent: "absent"
        case .missing: "missing"
        }
    }
}
