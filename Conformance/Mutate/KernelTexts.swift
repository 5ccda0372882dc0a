import Cresset

/// Mutants of what OpenCL and Vulkan devices compile: one line of kernel text, wherever it occurs.
struct KernelTexts {
    /// Distinct lines, each within the first text that has it.
    private var lines: [(line: String, edit: TextEdit, made: String, first: String?)] = []
    /// How OpenCL's and Vulkan's plugins say that a text does not compile.
    private static let refusals = ["could not compile", "did not compile"]
    /// What names a case in a log.
    static let mark = "\u{C}\ncase "

    /// `log` holds texts as Layers/text.h writes them, and the cases that want them; `maths` is not to be edited, as it is no kernel's.
    init(log: String, maths: String) {
        var known = Set(maths.split(separator: "\n").map(String.init))
        var shapes: [String: Int] = [:]
        var current: String?
        for text in log.split(separator: "\u{C}\n") {
            if text.hasPrefix("case ") {
                current = text.split(separator: "\n").first.map { String($0.dropFirst(5)) }
                continue
            }
            let bytes = Array(text.utf8)
            let all = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            var starts = [0]
            for line in all { starts.append(starts[starts.count - 1] + line.count + 1) }
            let new = all.map { known.insert(String(decoding: $0, as: UTF8.self)).inserted }
            guard new.contains(true) else { continue }
            for edit in TextEdits(String(text)).edits where new[edit.line - 1] {
                let bytes = Array(all[edit.line - 1]), start = starts[edit.line - 1]
                let line = String(decoding: bytes, as: UTF8.self)
                guard edit.range.upperBound <= start + bytes.count, !line.contains("#"), !line.contains("//") else {
                    continue
                }
                var moved = edit
                moved.range = edit.range.lowerBound - start..<edit.range.upperBound - start
                let made = String(decoding: moved.applied(to: bytes), as: UTF8.self)
                // Kernels differ in numbers: a few of each shape say as much as all.
                let shape = line.map { $0.isNumber ? "0" : "\($0)" }.joined() + "\(moved.kind)\(moved.replacement)"
                shapes[shape, default: 0] += 1
                if shapes[shape, default: 0] > 2 { continue }
                lines.append((line, moved, made, current))
            }
        }
    }

    func mutants(_ subject: String, plugin: String, preload: String?, environment: [(String, String)]) -> [Mutant] {
        lines.map { line, edit, made, first in
            let bytes = Array(line.utf8)
            let before = String(decoding: bytes[..<edit.range.lowerBound], as: UTF8.self)
            let after = String(decoding: bytes[edit.range.upperBound...], as: UTF8.self)
            let old = String(decoding: bytes[edit.range], as: UTF8.self)
            return Mutant(
                subject: subject, place: "kernel text", kind: edit.kind,
                text: "\(before.squeezed)⟦\(old.squeezed) → \(edit.replacement.squeezed)⟧\(after.squeezed)",
                preload: preload, plugin: plugin,
                environment: environment + [("CRESSET_TEXT_FROM", line), ("CRESSET_TEXT_TO", made)], first: first,
                refusals: Self.refusals,
                patience: 120)
        }
    }
}
