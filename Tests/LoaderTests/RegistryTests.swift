import Cresset
import Synchronization
import Testing

/// Kernels registered from Swift, and what happens where there is none.
@Suite(.serialized) struct RegistryTests {
    @Test func overridesAreUsedInOrderOfPriority() throws {
        let device = try Device(Registry.load(path: Workshop.naive("overridden")))
        let calls = Mutex<[String]>([])
        func register(_ name: String, priority: Int, accepts: @escaping @Sendable ([Value]) -> Bool = { _ in true })
            throws
        {
            try Registry.register(
                "aten::relu", on: device, dtypes: [.float32], priority: priority, name: name, accepts: accepts
            ) { arguments in
                calls.withLock { $0.append(name) }
                return [arguments[0].tensor.map { $0.clamp(min: 0) } ?? Tensor.zeros([])]
            }
        }
        let x = Tensor([-1, 2, -3, 4] as [Float], device: device)
        #expect([Float](x.relu()) == [0, 2, 0, 4])
        #expect(calls.withLock { $0 }.isEmpty)
        try register("low", priority: 1)
        try register("high, for matrices", priority: 2) { $0.first?.tensor?.ndim == 2 }
        #expect([Float](x.relu()) == [0, 2, 0, 4])
        #expect([Float](x.reshape([2, 2]).relu()) == [0, 2, 0, 4])
        #expect(calls.withLock { $0 } == ["low", "high, for matrices"])

        // Gradients do not depend on who computed the result.
        let leaf = Tensor([-1, 2] as [Float], device: device).requiresGrad_()
        leaf.relu().sum().backward()
        #expect(leaf.grad.map { [Float]($0) } == [0, 1])

        // Other dtypes and devices are not touched.
        calls.withLock { $0 = [] }
        #expect([Double](x.to(.float64).relu()) == [0, 2, 0, 4])
        #expect([Float](x.to(.reference).relu()) == [0, 2, 0, 4])
        #expect(calls.withLock { $0 }.isEmpty)
        let owners = try Registry.entries(on: device).filter { $0.key == "aten::relu" }.map(\.owner)
        #expect(owners == ["low", "high, for matrices"])
    }

    @Test func duplicatesAreRefusedWithBothNames() throws {
        let device = try Device(Registry.load(path: Workshop.naive("duplicated")))
        func register(_ name: String, _ op: String = "aten::sigmoid") throws {
            try Registry.register(op, on: device, dtypes: [.float32], priority: 3, name: name) { _ in
                [Tensor.ones([], device: device)]
            }
        }
        try register("Ann's kernel")
        let error = try #require(refusal { try register("Bob's kernel") })
        for words in ["Ann's kernel", "Bob's kernel", "aten::sigmoid", "float32", "duplicated:0"] {
            #expect(error.message.contains(words), "\(error)")
        }
        #expect(refusal { try register("a short name", "sigmoid") } != nil, "one operation, however it is spelled")
        let unknown = try #require(refusal { try register("no op", "aten::no_such_operation") })
        #expect(unknown.message.contains("aten::no_such_operation"))
        #expect(refusal { try register("a view", "aten::relu") } == nil)
    }

    @Test func failingKernelsNameTheirOwner() throws {
        struct Broken: Error {}
        let device = try Device(Registry.load(path: Workshop.naive("broken")))
        try Registry.register("aten::exp", on: device, dtypes: [.float32], name: "Cid's kernel") { _ in throw Broken() }
        let error = try #require(refusal { _ = try catching { Tensor.ones([2], device: device).exp() } })
        #expect(error.message.contains("Cid's kernel") && error.message.contains("Broken"), "\(error)")
    }

    /// The skeleton of `cresset new-backend` has pointwise kernels alone.
    @Test func fallbackIsRefusedOrReported() throws {
        let device = try Device(Registry.load(path: try Skeleton.build("partial")))
        let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2], device: device)
        #expect(try catching { [Float](x + x) } == [2, 4, 6, 8])

        let error = try #require(refusal { _ = try catching { x.matmul(x) } })
        #expect(error.kind == .unsupported)
        for words in ["partial:0", "matmul", "float32", "refuse"] { #expect(error.message.contains(words), "\(error)") }

        Fallback.policy = .run(on: .reference)
        defer { Fallback.policy = .refuse }
        for _ in 0..<2 {
            let y = try catching { x.matmul(x) }
            #expect(y.device == device && [Float](y) == [7, 10, 15, 22])
        }
        let placed = Fallback.placements.filter { $0.key.from == "partial:0" }
        #expect(placed.count == 1)
        #expect(placed.first?.key.op == "aten::matmul" && placed.first?.key.to == "reference:0")
        #expect(placed.first?.value == 2)
    }
}
