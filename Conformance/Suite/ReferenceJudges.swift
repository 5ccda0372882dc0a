import Cresset

/// What judges the reference, which cannot judge itself: PyTorch's results, differences, identities.
enum ReferenceJudges {
    static func run(_ selection: Selection, _ report: inout Report, progress: () -> Void) throws {
        let goldens = try CaseFile.embedded()
        for item in goldens.cases where selection.matches(item.op) {
            guard let dtype = item.dtype, (selection.dtype ?? dtype) == dtype else { continue }
            report.add(
                goldens.run(item, on: .reference), id: "golden/\(item.id)", op: item.op, dtype: dtype)
        }
        progress()
        try FiniteDifferences(selection).run(&report)
        progress()
        if selection.isWhole { Identities.run(on: .reference, &report) }
    }
}
