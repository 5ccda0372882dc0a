import Cresset
import CressetIO

/// What ran where, as a page of the documentation: operation × device.
///
/// It holds nothing that a second run would change: no times, no dates.
package struct OpsTable {
    private struct Column {
        var device: String
        var driver: String
        var counts: [String: Int]
        /// By operation: cases, and the dtypes of which all passed.
        var rows: [String: (cases: Int, passed: [DType])]
    }
    private let columns: [Column]

    /// From reports as `cresset conformance --json` writes them: one, or a list.
    package init(_ reports: [JSON]) throws(CressetError) {
        var columns: [Column] = []
        for json in reports.flatMap({ $0.arrayValue ?? [$0] }) {
            guard let device = json["device"]?.stringValue, let driver = json["driver"]?.stringValue,
                let matrix = json["matrix"]?.objectValue
            else {
                throw CressetError(
                    .invalidFile, op: "OpsTable", "a report has members \"device\", \"driver\" and \"matrix\"")
            }
            var column = Column(device: device, driver: driver, counts: [:], rows: [:])
            for key in Self.keys { column.counts[key] = json[key]?.intValue ?? 0 }
            for (op, dtypes) in matrix {
                var row: (cases: Int, passed: [DType]) = (0, [])
                for dtype in Coverage.dtypes {
                    guard let cell = dtypes[dtype.name] else { continue }
                    let passed = cell["passed"]?.intValue ?? 0
                    let others = ["failed", "unsupported", "expected"].reduce(0) { $0 + (cell[$1]?.intValue ?? 0) }
                    row.cases += passed + others
                    if passed > 0 && others == 0 { row.passed.append(dtype) }
                }
                column.rows[op] = row
            }
            columns.append(column)
        }
        self.columns = columns
    }

    private static let keys = ["total", "passed", "failed", "expected", "unsupported"]

    package var markdown: String {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
        var text = """
            # Operations

            Every declared operation under PyTorch's name, how it is spelled in Swift (a method or static function of `Tensor`, an
            operator, or a function of a namespace), what it is made of, and what the conformance suite ran of it on each device: the
            number of cases (a case is one call, in one layout, forwards or backwards), and the dtypes of which every case passed,
            "all" being those the operation is declared for. Written by `make docs` from the reports of these runs.


            """
        text += line(["device", "driver"] + Self.keys) + line(Array(repeating: "---", count: Self.keys.count + 2))
        for column in columns {
            text += line(
                [column.device, column.driver.replacing("|", with: "\\|")]
                    + Self.keys.map { "\(column.counts[$0] ?? 0)" })
        }
        text += "\n" + line(["operation", "in Swift", "made of", "dtypes"] + columns.map(\.device))
        text += line(Array(repeating: "---", count: columns.count + 4))
        for op in Operators.all.sorted(by: { $0.name < $1.name }) {
            let declared = Coverage.dtypes.filter(op.dtypes.contains)
            let made = op.composition.isEmpty ? "a view" : op.composition.map { "`\($0)`" }.joined(separator: ", ")
            let cells = columns.map { column -> String in
                guard let row = column.rows[op.name], row.cases > 0 else { return "not run" }
                let dtypes = row.passed == declared ? "all" : row.passed.isEmpty ? "none" : Self.told(row.passed)
                return "\(dtypes) (\(row.cases))"
            }
            text += line(["`\(op.name)`", "`\(op.spelling)`", made, Self.told(declared)] + cells)
        }
        return text
    }

    /// Names of sets that occur often, else all names.
    private static func told(_ dtypes: [DType]) -> String {
        let sets: [(String, Set<DType>)] = [
            ("real", .real), ("numbers", .number), ("floats", .floating), ("integers", .integer),
        ]
        if let (name, _) = sets.first(where: { $0.1 == Set(dtypes) }) { return name }
        return dtypes.map(\.name).joined(separator: " ")
    }
}
