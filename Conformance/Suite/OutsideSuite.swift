import Cresset

/// The conformance suite for tests of other packages: of operations that are declared there.
///
///     let outcome = try Conformance.run("mylibrary::softcap", on: .vulkan)
///     #expect(outcome.failures.isEmpty && outcome.passed > 0)
public enum Conformance {
    /// What a run found.
    public struct Outcome: Sendable {
        public var passed: Int
        /// What failed: the case, and what was wrong with it.
        public var failures: [String]
        /// Cases that the device cannot run, each with the reason.
        public var unsupported: [String]
    }

    /// Runs every case of one operation on a device, in this process: forwards and backwards, in every dtype that
    /// the device holds, in every layout, with special values and with wrong arguments; and compares its first and
    /// second derivatives with differences.
    ///
    /// - Throws: an error if there is no such operation, or no such device.
    public static func run(_ operation: String, on device: Device) throws -> Outcome {
        guard Operators.find(operation) != nil else {
            throw CressetError(.argument, op: "Conformance.run", "there is no operation \(operation)")
        }
        let suite = try Suite(Selection(op: { $0 == operation }))
        suite.checksDifferences = true
        let report = try suite.run(on: device)
        func told(_ status: String) -> [String] {
            report.failures.filter { $0.status == status }.map { "\($0.id): \($0.message)" }
        }
        return Outcome(passed: report.passed, failures: told("failed"), unsupported: told("unsupported"))
    }
}
