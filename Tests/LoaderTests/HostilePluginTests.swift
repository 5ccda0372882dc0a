import Cresset
import Testing

/// What Tests/HostilePlugins/README.md promises of each plugin, in one process.
@Suite(.serialized) struct HostilePluginTests {
    /// Plugins whose file or table is refused, and what the reason must name.
    static let refusedOnLoading: [(name: String, reason: [String])] = [
        ("wrong_version", ["no ABI version between 1 and 1"]),
        ("future_version", ["99", "1 to 1"]),
        ("null_table_slots_0", ["NULL", "start"]),
        ("null_table_slots_1", ["NULL", "devices", "open_device", "kernels"]),
        ("null_table_slots_2", ["NULL", "allocate", "deallocate"]),
        ("null_table_slots_3", ["NULL", "create_queue", "copy_out", "synchronize"]),
        ("small_struct_size", ["struct_size 8"]),
        ("lies_zero", ["struct_size 0"]),
        ("bad_name_0", ["[a-z][a-z0-9_]*"]), ("bad_name_1", ["[a-z][a-z0-9_]*"]), ("bad_name_2", ["[a-z][a-z0-9_]*"]),
        ("bad_name_3", ["31 characters"]), ("bad_name_4", ["[a-z][a-z0-9_]*"]), ("bad_name_6", ["31 characters"]),
        ("no_entry", ["cresset_backend_query"]),
        ("not_a_library", ["not_a_library.so"]),
        ("empty", ["too short"]),
    ]

    @Test(arguments: refusedOnLoading) func refuses(_ plugin: (name: String, reason: [String])) throws {
        let path = Workshop.hostile(plugin.name)
        let error = try #require(refusal { try Registry.load(path: path) })
        #expect(error.kind == .plugin)
        #expect("\(error)".contains(path))
        for words in plugin.reason { #expect(error.message.contains(words), "\(error)") }
        // A second time: the same words, and the library is not entered again.
        let again = try #require(refusal { try Registry.load(path: path) })
        #expect(again.message.contains(error.message))
        #expect(Backends.attempts.contains { $0.path == path && $0.outcome == .failed && $0.detail == error.message })
        #expect(try stillWorks())
    }

    @Test func refusesCutFilesBeforeTheSystemLoaderDiesOfThem() throws {
        let path = Workshop.hostile + "/truncated/libcresset_backend_truncated.so"
        let error = try #require(refusal { try Registry.load(path: path) })
        #expect("\(error)".contains(path))
        #expect(error.message.contains("cut off") && error.message.contains("4096"), "\(error)")
        #expect(try stillWorks())
    }

    @Test func refusesTheNameOfAnother() throws {
        let first = Workshop.naive("naive")
        #expect(try Registry.load(path: first) == "naive")
        let second = Workshop.hostile("naive_again")
        let error = try #require(refusal { try Registry.load(path: second) })
        #expect("\(error)".contains(first) && "\(error)".contains(second), "\(error)")
        guard Device.all.contains(.cpu) else { return }
        #expect(refusal { try Registry.load(path: Workshop.hostile("bad_name_5")) } != nil)
    }

    @Test func missingFilesAreNoPlugins() throws {
        let path = Workshop.folder + "/libnosuch.so"
        #expect(refusal { try Registry.load(path: path) }?.message.contains("No such file") == true)
        #expect(refusal { try Registry.load(path: Workshop.folder) }?.message.contains("regular file") == true)
        // The file may come later.
        #expect(Workshop.run("cp '\(Workshop.naive("later"))' '\(path)'").status == 0)
        #expect(try Registry.load(path: path) == "later")
    }

    /// Plugins that load and whose devices then are not to be had: by name, or on opening.
    static let refusedOnUse: [(name: String, reason: [String])] = [
        ("start_fails", ["apt-get install libfoo"]),
        ("start_fails_without_message", ["code 1"]),
        ("device_count_lies_1", ["2147483648"]),
        ("device_count_lies_2", ["7", "1"]),
        ("devices_fail_0", ["the device fell off the bus"]),
        ("devices_fail_1", ["the device fell off the bus"]),
        ("devices_fail_2", ["no device handle"]),
        ("kernel_count_lies_1", ["2147483648"]),
        ("kernel_count_lies_2", ["7", "1"]),
    ]

    @Test(arguments: refusedOnUse) func reportsOnUse(_ plugin: (name: String, reason: [String])) throws {
        let path = Workshop.hostile(plugin.name)
        // Variants of one plugin share a name; the first to come keeps it, so each goes under its own.
        let type = try Registry.load(path: Self.renamed(path, plugin.name))
        for _ in 0..<2 {
            let error = try #require(
                refusal { try Device(type).synchronize() }, "\(type) should not be to be had")
            for words in plugin.reason { #expect(error.message.contains(words), "\(error)") }
        }
        #expect(try stillWorks())
    }

    /// The plugin built anew under a device type of its own.
    static func renamed(_ path: String, _ name: String) -> String {
        var parts = name.split(separator: "_").map(String.init)
        let variant = Int(parts.last ?? "")
        if variant != nil { parts.removeLast() }
        let source = parts.joined(separator: "_")
        let target = "\(Workshop.folder)/lib\(name).so"
        let root = Workshop.root
        let (status, output) = Workshop.run(
            """
            sed 's/^#define NAME .*/#define NAME "\(name)"/' '\(root)/Tests/HostilePlugins/\(source).c' > '\(target).c' && \
            cc -std=c11 -shared -fPIC -DVARIANT=\(variant ?? 0) -I'\(root)/Tests/HostilePlugins' \
            -I'\(root)/Sources/CBackend/include' -o '\(target)' '\(target).c'
            """)
        precondition(status == 0, output)
        return target
    }

    @Test func takesWhatIsGoodOfTheOdd() throws {
        #expect(try Registry.load(path: Workshop.hostile("larger_struct")) == "larger_struct")
        #expect(try Registry.load(path: Workshop.hostile("half_events")) == "half_events")
        for type in ["larger_struct", "half_events"] {
            // (Its kernels do nothing, for which it would be refused.)
            SelfTest.exempt(try Device(type))
            let x = Tensor([1, 2, 3] as [Float], device: try Device(type))
            #expect(try catching { [Float](x) } == [1, 2, 3])
        }

        #expect(try Registry.load(path: Workshop.hostile("unterminated_device_name")) == "unterminated_device_name")
        let properties = try Device("unterminated_device_name").properties
        #expect(properties.name.unicodeScalars.count == 128 && properties.driver.utf8.count == 128)

        // Says 3 devices and fills 1: there is 1.
        #expect(try Registry.load(path: Workshop.hostile("device_count_lies_0")) == "device_count_lies")
        try Device("device_count_lies:0").synchronize()
        #expect(refusal { _ = try Device("device_count_lies:1") } != nil)

        #expect(try Registry.load(path: Workshop.hostile("zero_devices")) == "zero_devices")
        #expect(!Device.all.contains { $0.type == "zero_devices" })
        #expect(refusal { _ = try Device("zero_devices") }?.message.contains("it has no device") == true)
        #expect(try stillWorks())
    }

    @Test func leavesOutBadKernelsAndKeepsTheRest() throws {
        #expect(try Registry.load(path: Workshop.hostile("kernel_bad_dtype")) == "kernel_bad_dtype")
        let device = try Device("kernel_bad_dtype")
        #expect(try Registry.entries(on: device).map(\.key) == ["pointwise"])
        let refusals = try Registry.refusals(on: device)
        #expect(refusals.count == 6)
        for (refusal, words) in zip(
            refusals,
            ["dtype 77", "family 4242", "no launch", "names no operation", "aten::no_such_operation", "struct_size"])
        {
            #expect(refusal.contains(words) && refusal.contains("kernel_bad_dtype"), "\(refusal)")
        }

        #expect(try Registry.load(path: Workshop.hostile("duplicate_kernels")) == "duplicate_kernels")
        let twice = try Device("duplicate_kernels")
        #expect(try Registry.entries(on: twice).map(\.dtype) == [.float32, .int32])
        let duplicate = try #require(try Registry.refusals(on: twice).first)
        #expect(duplicate.components(of: "duplicate_kernels 1.0").count == 4, "\(duplicate)")

        // Says 100 kernels and fills 1.
        #expect(try Registry.load(path: Workshop.hostile("kernel_count_lies_0")) == "kernel_count_lies")
        #expect(try Registry.entries(on: Device("kernel_count_lies")).count == 1)
        #expect(try stillWorks())
    }

    @Test func twoThirdPartiesAtOnce() throws {
        let (one, two) = (Workshop.naive("first_party"), Workshop.hostile("second_good"))
        #expect(try Registry.load(path: one) == "first_party")
        #expect(try Registry.load(path: two) == "second")
        #expect(try Registry.load(path: two) == "second", "loading the same file again is no error")
        for type in ["first_party", "second"] {
            let device = try Device(type)
            let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2], device: device)
            #expect(try catching { [Float](x.matmul(x) + x.sum()) } == [17, 20, 25, 32])
            #expect(try device.properties.origin.hasSuffix(".so"))
        }
        let mixed = refusal {
            try catching {
                _ = Tensor.ones([2], device: try Device("first_party")) + Tensor.ones([2], device: try Device("second"))
            }
        }
        #expect(mixed?.kind == .device)
    }

    @Test func moreDevicesThanThereAreNumbersForIsNoCrash() throws {
        var paths: [String] = []
        for name in ["crowd_0", "crowd_1"] {
            let path = "\(Workshop.folder)/lib\(name).so"
            let root = Workshop.root
            let (status, output) = Workshop.run(
                """
                sed -e 's/device_count_lies/\(name)/' -e 's/3, 1u << 31, 1/60, 60, 60/' -e 's/1, 1, 7/60, 60, 60/' \
                -e 's/fill_device(items);/for (int k = 0; k < 60; k++) fill_device(items + k);/' \
                '\(root)/Tests/HostilePlugins/device_count_lies.c' > '\(path).c' && \
                cc -std=c11 -shared -fPIC -I'\(root)/Tests/HostilePlugins' -I'\(root)/Sources/CBackend/include' \
                -o '\(path)' '\(path).c'
                """)
            #expect(status == 0, "\(output)")
            paths.append(path)
        }
        // In a process of its own: afterwards no other test could name a new device.
        let list = paths.joined(separator: ":")
        let (status, output) = Workshop.run("CRESSET_BACKEND_PATH='\(list)' '\(Workshop.command)' devices")
        #expect(status == 0 && output.contains("reference") && output.contains("crowd_0:50"), "\(output)")
        let last = Workshop.run(
            "CRESSET_SELFTEST=off CRESSET_BACKEND_PATH='\(list)' '\(Workshop.command)' bench --no-check --filter add_1$ --device crowd_1:59"
        )
        #expect(last.status == 0 || last.output.contains("limit"), "\(last.output)")
        #expect(last.status < 126, "\(last.output)")
    }
}

extension String {
    /// The pieces between occurrences of `separator`.
    func components(of separator: String) -> [String] {
        var pieces: [String] = [""]
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(separator) {
                pieces.append("")
                rest = rest.dropFirst(separator.count)
            } else {
                pieces[pieces.count - 1].append(rest.removeFirst())
            }
        }
        return pieces
    }
}
