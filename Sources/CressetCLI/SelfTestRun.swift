import ArgumentParser
import Cresset
import CressetIO

/// `cresset conformance --selftest`: the check that a device passes at its first use, whatever is remembered of it.
struct SelfTestRun {
    /// Where to write what was found; - is the standard output.
    let json: String?

    func run(on devices: [Device]) throws {
        var isGood = true
        var found: [JSON] = []
        for device in devices {
            if try device.selfTest == .exempt {
                throw ValidationError("\(device) is what others are tested against; see `cresset conformance`.")
            }
            let clock = ContinuousClock()
            let start = clock.now
            let outcome = try SelfTest.run(on: device)
            let seconds = Double((clock.now - start) / .microseconds(100)) / 1e4
            // (A device for which there was nothing to check has proved nothing.)
            let passed = outcome.evidence == nil && outcome.checks > 0
            isGood = isGood && passed
            found.append([
                "device": .string("\(device)"), "passed": .bool(passed), "checks": .integer(outcome.checks),
                "left": .array(outcome.left.map { .string($0) }), "seconds": .number(seconds),
                "evidence": outcome.evidence.map { .string($0) } ?? .null,
            ])
            if json == "-" { continue }
            print("\(device): \(passed ? "passed" : "FAILED"), \(outcome.checks) checks in \(fixed(seconds, 3)) s")
            if let evidence = outcome.evidence { print("  \(evidence)") }
            for reason in outcome.left { print("  not checked: \(reason)") }
        }
        if let json {
            let text = JSON.array(found).serialized(pretty: true) + "\n"
            if json == "-" { print(text, terminator: "") } else { try FileSystem.replace(json, with: text) }
        }
        if !isGood { throw ExitCode.failure }
    }
}
