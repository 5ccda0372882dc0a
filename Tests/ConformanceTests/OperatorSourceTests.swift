import Foundation
import Testing

/// What the sources of the operations must look like.
@Suite struct OperatorSourceTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sources/Cresset/Operators")

    private func sources() throws -> [(name: String, lines: [Substring])] {
        let files = FileManager.default.enumerator(at: Self.folder, includingPropertiesForKeys: nil)
        return try (files?.allObjects ?? []).compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map {
            let text = try String(contentsOf: $0, encoding: .utf8)
            return ($0.lastPathComponent, text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    @Test func noFileIsLong() throws {
        let sources = try sources()
        #expect(sources.count > 80)
        for (name, lines) in sources { #expect(lines.count <= 600, "\(name) has \(lines.count) lines") }
    }

    /// Derivatives are found symbolically; one that is written by hand stands below the reason for it.
    @Test func everyHandWrittenDerivativeHasItsReason() throws {
        var found = 0
        for (name, lines) in try sources() {
            for (i, line) in lines.enumerated() {
                guard let place = line.range(of: "derivative: {"), !line.contains("///") else { continue }
                // (The mechanism itself, which makes one of `slope:`.)
                if name == "PointwiseComplex.swift" { continue }
                found += 1
                let isFirst = line[..<place.lowerBound].allSatisfy { $0 == " " }
                let above = i > 0 ? lines[i - 1].drop { $0 == " " } : ""
                // (A complex meaning's stands in its declaration, and says itself what it is.)
                let isComplex = line.contains("complex:") || above.contains("complex:")
                #expect(isFirst && above.hasPrefix("// ") || isComplex, "\(name):\(i + 1) says no reason: \(line)")
            }
        }
        #expect(found > 20 && found < 80, "\(found) derivatives are written by hand")
    }
}
