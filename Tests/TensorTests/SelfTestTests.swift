import Cresset
import Glibc
import Testing

/// The check that a device passes at its first use.
@Suite(.serialized) struct SelfTestTests {
    /// In a process of its own: uses the device, and exits with 3 if it was refused, with 4 if it computed.
    private static func use() -> Int32 {
        // (This process's own are of no concern to the tests that run beside.)
        for name in ["CACHE", "SELFTEST"] {
            if let value = getenv("SEEDED_" + name) { setenv("CRESSET_" + name, value, 1) }
        }
        let path = getenv("SEEDED_PLUGIN").map { String(cString: $0) } ?? ""
        guard let device = try? Device(Registry.load(path: path)) else { return 5 }
        let refused = refusal { _ = try catching { Tensor.ones([2, 2], device: device) } }
        let again = refusal { _ = try catching { Tensor.ones([2, 2], device: device) } }
        // Whatever became of it, others go on.
        guard elements(make([1, 2]) + 1) == [2, 3], (refused == nil) == (again == nil) else { return 6 }
        let state = (try? device.selfTest).map { "\($0)" } ?? "none"
        print(refused.map { "\($0)" } ?? "it was not refused", "state:", state)
        fflush(nil)
        return refused == nil ? 4 : 3
    }

    /// The plugin and a cache folder, for the processes.
    private static func prepare(_ name: String) throws -> String {
        _ = try Workshop.device(name, from: "Tests/TensorTests/Plugins/seeded.c")
        let cache = "\(Workshop.folder)/\(name)-cache"
        setenv("SEEDED_PLUGIN", "\(Workshop.folder)/lib\(name).so", 1)
        setenv("SEEDED_CACHE", cache, 1)
        setenv("SEEDED_LAUNCH", "0", 1)
        return cache
    }

    private static func refuses(_ wanted: String...) async {
        let result = await #expect(processExitsWith: .exitCode(3), observing: [\.standardOutputContent]) {
            exit(SelfTestTests.use())
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        for part in wanted { #expect(text.contains(part), "\(text)") }
    }

    private static func admits() async {
        await #expect(processExitsWith: .exitCode(4)) { exit(SelfTestTests.use()) }
    }

    @Test func aWrongProductIsRefused() async throws {
        _ = try Self.prepare("mistaken")
        setenv("SEEDED_LAUNCH", "1", 1)
        await Self.refuses(
            "self-test of mistaken:0: ", "computes wrongly and is refused; other devices can be used",
            "aten::matmul of float32 [19, 35] and [35, 21]: 1 of 399 elements are wrong", "at [18, 20]: got ",
            "CRESSET_SELFTEST=off uses it all the same", "state: failed")
        setenv("SEEDED_SELFTEST", "off", 1)
        await Self.admits()
        setenv("SEEDED_SELFTEST", "sometimes", 1)
        await Self.refuses("must be \"once\", \"always\" or \"off\"")
        unsetenv("SEEDED_SELFTEST")
        // A repaired one is tested again, not refused for what it was.
        setenv("SEEDED_LAUNCH", "0", 1)
        await Self.admits()
    }

    @Test func aVerdictIsRemembered() async throws {
        let cache = try Self.prepare("remembered")
        func shell(_ command: String) { #expect(Workshop.run(command).status == 0, "\(command)") }
        await Self.admits()
        shell("cp -r '\(cache)' '\(cache).passed'")
        // From now on it is wrong, and nobody looks,
        setenv("SEEDED_LAUNCH", "1", 1)
        await Self.admits()
        // but where the driver is another,
        setenv("SEEDED_DRIVER", "naive 2.0", 1)
        await Self.refuses()
        unsetenv("SEEDED_DRIVER")
        // where that is wished,
        setenv("SEEDED_SELFTEST", "always", 1)
        await Self.refuses()
        unsetenv("SEEDED_SELFTEST")
        // where the cache is damaged,
        shell("rm -r '\(cache)' && cp -r '\(cache).passed' '\(cache)'")
        shell("for f in '\(cache)'/selftest-*; do printf X | dd of=$f conv=notrunc bs=1 seek=60; done")
        await Self.refuses()
        // and where the plugin is another file.
        shell("rm -r '\(cache)' && cp -r '\(cache).passed' '\(cache)'")
        shell("touch '\(Workshop.folder)/libremembered.so'")
        await Self.refuses()
        setenv("SEEDED_LAUNCH", "0", 1)
    }

    @Test func theCommandTells() throws {
        let cache = try Self.prepare("told")
        let command =
            "CRESSET_CACHE='\(cache)' CRESSET_BACKEND_PATH='\(Workshop.folder)/libtold.so' '\(Workshop.command)'"
        #expect(Workshop.run("\(command) devices").output.contains("self-test: not yet"))
        let passed = Workshop.run("\(command) conformance --selftest --device told")
        #expect(passed.status == 0 && passed.output.contains("told:0: passed, 11 checks"), "\(passed.output)")
        #expect(Workshop.run("\(command) devices").output.contains("self-test: passed"))
        let failed = Workshop.run("SEEDED_LAUNCH=1 \(command) conformance --selftest --device told")
        #expect(failed.status == 1 && failed.output.contains("told:0: FAILED"), "\(failed.output)")
        #expect(Workshop.run("\(command) devices").output.contains("self-test: failed"))
        #expect(Workshop.run("\(command) conformance --selftest --device reference").status == 64)
    }
}
