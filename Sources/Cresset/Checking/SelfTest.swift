import BackendKit
import Glibc

/// What is known of whether a device computes what it should.
public enum SelfTestState: Sendable, Equatable {
    /// The reference, which says what is right, and devices that the conformance suite judges.
    case exempt
    /// CRESSET_SELFTEST=off.
    case off
    /// Not yet; it will be tested when it is first used.
    case untested
    case passed
    /// With the evidence.
    case failed(String)
}

extension SelfTestState: CustomStringConvertible {
    public var description: String {
        switch self {
        case .exempt: "not needed"
        case .off: "off (CRESSET_SELFTEST=off)"
        case .untested: "not yet, at its first use"
        case .passed: "passed"
        case .failed(let evidence): "failed, it is tested again when it is used: \(evidence)"
        }
    }
}

/// A quick numeric check of a device at its first use.
///
/// A device that computes wrongly is refused with the evidence. A device that passed is not tested again for as long as
/// its driver, its UUID and its backend's file stay the same: the cache folder remembers. `CRESSET_SELFTEST` says
/// otherwise: "off" tests nothing, "always" tests in every process.
package enum SelfTest {
    /// Changes when the checks do.
    private static let version = 1

    private enum Policy { case once, always, off }
    private static let policy: Result<Policy, CressetError> = {
        switch Environment["CRESSET_SELFTEST"] {
        case nil, "once": .success(.once)
        case "always": .success(.always)
        case "off": .success(.off)
        case let text?:
            .failure(
                CressetError(.argument, op: "CRESSET_SELFTEST=\(text)", "must be \"once\", \"always\" or \"off\""))
        }
    }()

    /// Devices that somebody else judges.
    private static let exempted = Lock(Set<Device>())

    /// Opens the device without a test, also where it failed one before: for whoever tests it in earnest.
    package static func exempt(_ device: Device) {
        exempted.withLock { _ = $0.insert(device) }
        DeviceTable.shared.forgetRefusal(of: device)
    }

    private static func isExempt(_ runtime: DeviceRuntime) -> Bool {
        runtime.backend.isLinkedIn || exempted.withLock { $0.contains(runtime.device) }
    }

    /// Throws where a device that is about to be used computes wrongly.
    static func admit(_ runtime: DeviceRuntime) throws(CressetError) {
        if isExempt(runtime) { return }
        let policy = try policy.get()
        if policy == .off { return }
        if policy == .once && remembered(runtime) == .passed { return }
        // (What failed before may have been repaired, so it is tested again.)
        guard let evidence = try run(on: runtime).evidence else { return }
        throw CressetError(
            .device, op: "self-test of \(runtime.name)",
            "\(DeviceTable.name(runtime.info)) (\(DeviceTable.driver(runtime.info))) computes wrongly and is refused; "
                + "other devices can be used.\n  \(evidence)\n  CRESSET_SELFTEST=off uses it all the same; "
                + "`cresset conformance --device \(runtime.name)` tells all that is wrong")
    }

    /// What is known, without testing.
    static func state(of runtime: DeviceRuntime) -> SelfTestState {
        if isExempt(runtime) { return .exempt }
        if case .success(.off) = policy { return .off }
        return remembered(runtime) ?? .untested
    }

    // MARK: Testing

    /// What a test found.
    package struct Outcome: Sendable {
        /// Checks that were made: those for which the device has kernels.
        package var checks = 0
        /// Checks that could not be made, and why.
        package var left: [String] = []
        /// nil if all is right.
        package var evidence: String?
    }

    /// Tests the device, whatever is known, and remembers what was found.
    package static func run(on device: Device) throws(CressetError) -> Outcome {
        try run(on: try DeviceTable.shared.untested(device.id, op: "self-test"))
    }

    private static func run(on runtime: DeviceRuntime) throws(CressetError) -> Outcome {
        // Nobody watches, records or catches what happens here, and the tape is off.
        let outcome = try DeviceTable.shared.testing(runtime) { () throws(CressetError) in
            try withLayer(Layer.watched | Layer.guarding, false) { () throws(CressetError) in
                try noGrad { () throws(CressetError) in try check(runtime) }
            }
        }
        if let evidence = outcome.evidence {
            remember(.failed(evidence), runtime)
        } else if outcome.checks > 0 {
            remember(.passed, runtime)
        }
        return outcome
    }

    private static func check(_ runtime: DeviceRuntime) throws(CressetError) -> Outcome {
        var outcome = Outcome()
        if let wrong = try copies(runtime) {
            outcome.evidence = wrong
            return outcome
        }
        let checks = SelfTestCheck.all(for: runtime)
        // What is right; and so it is known what to compile, all together.
        let (right, launches) = recordingLaunches {
            checks.map { check in Result { () throws(CressetError) in try result(of: check, on: .reference) } }
        }
        do throws(CressetError) {
            try launches.prepare(launches.kinds, on: runtime.device)
        } catch {
            // Then each launch tells for itself.
            Log.notice("self-test of \(runtime.name): \(error.message)")
        }
        for (check, right) in zip(checks, right) {
            let got: HostTensor
            do throws(CressetError) {
                got = try result(of: check, on: runtime.device)
            } catch {
                // That a device does not do something, or says that it cannot, is told to whoever asks for it.
                outcome.left.append("\(check.name): \(error.message)")
                continue
            }
            outcome.checks += 1
            if let wrong = Judgement.compare(got, Expected(exact: try right.get())) {
                outcome.evidence = "\(check.name): \(wrong.text)"
                return outcome
            }
        }
        return outcome
    }

    private static func result(of check: SelfTestCheck, on device: Device) throws(CressetError) -> HostTensor {
        do {
            return try HostTensor(try catchingFirst { try check.run(device) })
        } catch let error as CressetError {
            throw error
        } catch {
            throw CressetError(.internal, op: "self-test", "\(error)")
        }
    }

    /// Bytes in and out, at offsets, beside bytes that must stay; nil if they arrive.
    private static func copies(_ runtime: DeviceRuntime) throws(CressetError) -> String? {
        let count = 1024
        let storage = try Storage(runtime, bytes: count, op: "self-test")
        let due = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 256) }
        for (bytes, offset) in [(due.map { $0 ^ 0xFF }, 0), (Array(due[..<516]), 0), (Array(due[516...]), 516)] {
            try storage.write(bytes, at: offset, op: "self-test")
        }
        for range in [0..<count, 516..<636, 260..<265] {
            let bytes = try storage.bytes(in: range, op: "self-test")
            if let i = range.first(where: { bytes[$0 - range.lowerBound] != due[$0] }) {
                return "copies: byte \(i) of \(count), copied out in \(range), is "
                    + "\(bytes[i - range.lowerBound]); \(due[i]) was written"
            }
        }
        return nil
    }

    // MARK: Remembering

    private static let cache = KernelCache(directory: HostServices.cacheDirectory)

    /// All that a verdict depends on.
    private static func key(_ runtime: DeviceRuntime) -> KernelCache.Key {
        let backend = runtime.backend
        return KernelCache.Key(
            kind: "selftest", source: "",
            options: "version \(version), \(backend.name) \(backend.version)",
            device: "\(DeviceTable.name(runtime.info)) \(DeviceTable.uuid(runtime.info))",
            driver: DeviceTable.driver(runtime.info))
    }

    /// What is remembered is for one plugin file: one that was built anew is another.
    private static func remembered(_ runtime: DeviceRuntime) -> SelfTestState? {
        guard let bytes = cache.load(key(runtime)) else { return nil }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\n", maxSplits: 2).map(String.init)
        guard parts.count >= 2, parts[0] == runtime.backend.fileIdentity else { return nil }
        switch parts[1] {
        case "passed": return .passed
        case "failed": return .failed(parts.count > 2 ? parts[2] : "")
        default: return nil
        }
    }

    private static func remember(_ state: SelfTestState, _ runtime: DeviceRuntime) {
        let verdict: String
        switch state {
        case .passed: verdict = "passed"
        case .failed(let evidence): verdict = "failed\n\(evidence)"
        default: return
        }
        cache.save(Array("\(runtime.backend.fileIdentity)\n\(verdict)".utf8), for: key(runtime))
    }
}

extension LoadedBackend {
    var isLinkedIn: Bool { origin == "linked in" }

    /// Tells a plugin from one that was built anew: its path, size and time.
    fileprivate var fileIdentity: String {
        var info = stat()
        guard !isLinkedIn, stat(origin, &info) == 0 else { return origin }
        return "\(origin) \(info.st_size) \(info.st_mtim.tv_sec).\(info.st_mtim.tv_nsec)"
    }
}

extension Device {
    /// What is known of whether the device computes what it should; tests nothing.
    public var selfTest: SelfTestState {
        get throws(CressetError) {
            SelfTest.state(of: try DeviceTable.shared.untested(id, op: "selfTest"))
        }
    }
}
