import BackendKit
import CBackend
import Testing

@Suite struct IndexTests {
    @Test(arguments: bothDevices)
    func gatherRows(index: Int) throws {
        let device = try Driver.device(index)
        let table = try device.tensor([0, 1, 10, 11, 20, 21] as [Float16], .float16)
        let rows = try device.tensor([2, -3, 1] as [Int64], .int64).view([3, 2], strides: [1, 0])
        let output = try device.empty(.float16, [3, 2])
        var attributes = CressetIndexAttributes([(3, 2)])
        try device.launch(
            .gather, [table.view([3, 2], strides: [0, 1]), rows], [output], attributes: &attributes)
        #expect(try output.read() == [20, 21, 0, 1, 10, 11] as [Float16])
    }

    @Test(arguments: bothDevices)
    func gatherByTwoTensors(index: Int) throws {
        let device = try Driver.device(index)
        let values = try device.tensor((0..<12).map { Int8($0) }, .int8)
        let i = try device.tensor([0, 2, -1] as [Int32], .int32)
        let j = try device.tensor([-1, 0, 1] as [Int64], .int64)
        let output = try device.empty(.int8, [3])
        var attributes = CressetIndexAttributes([(3, 4), (4, 1)])
        try device.launch(
            .gather, [values.view([3], strides: [0]), i, j], [output], attributes: &attributes)
        #expect(try output.read() == [3, 8, 9] as [Int8])
    }

    @Test(arguments: bothDevices)
    func scatterIsOrdered(index: Int) throws {
        let device = try Driver.device(index)
        func scatter(_ reduce: ScatterReduction, _ initial: [Float]) throws -> [Float] {
            let target = try device.tensor(initial, .float32)
            let values = try device.tensor([1, 2, 3, 4] as [Float], .float32)
            let places = try device.tensor([1, 0, 1, -1] as [Int64], .int64)
            var attributes = CressetIndexAttributes([(3, 1)], reduce)
            try device.launch(
                .scatter, [values, places], [target.view([4], strides: [0])], attributes: &attributes)
            return try target.read()
        }
        #expect(try scatter(.set, [9, 9, 9]) == [2, 3, 4])
        #expect(try scatter(.add, [10, 10, 10]) == [12, 14, 14])
        #expect(try scatter(.mul, [10, 10, 10]) == [20, 30, 40])
        #expect(try scatter(.max, [2.5, 2.5, 2.5]) == [2.5, 3, 4])
        #expect(try scatter(.min, [2.5, 2.5, 2.5]) == [2, 1, 2.5])
        #expect(try scatter(.max, [.nan, 0, 0])[0].isNaN)
    }

    /// Every step is rounded to the dtype: 2048 + 1 stays 2048 in float16.
    @Test(arguments: bothDevices)
    func scatterRoundsEachStep(index: Int) throws {
        let device = try Driver.device(index)
        let target = try device.tensor([2048] as [Float16], .float16)
        let values = try device.tensor([1, 1, 1, 1] as [Float16], .float16)
        let places = try device.tensor([0, 0, 0, 0] as [Int64], .int64)
        var attributes = CressetIndexAttributes([(1, 1)], .add)
        try device.launch(.scatter, [values, places], [target.view([4], strides: [0])], attributes: &attributes)
        #expect(try target.read() == [2048] as [Float16])
        let bools = try device.tensor([0, 1] as [UInt8], .bool)
        let more = try device.tensor([1, 0] as [UInt8], .bool)
        var both = CressetIndexAttributes([(2, 1)], .add)
        let identity = try device.tensor([0, 1] as [Int64], .int64)
        try device.launch(.scatter, [more, identity], [bools.view([2], strides: [0])], attributes: &both)
        #expect(try bools.read() == [1, 1] as [UInt8])
    }

    @Test(arguments: bothDevices)
    func outOfRange(index: Int) throws {
        let device = try Driver.device(index)
        let values = try device.tensor((0..<5).map { Float($0) }, .float32)
        let places = try device.tensor([4, 7, -6, 0] as [Int64], .int64)
        let output = try device.tensor([-1, -1, -1, -1] as [Float], .float32)
        var attributes = CressetIndexAttributes([(5, 1)])
        try device.launch(
            .gather, op: "aten::index", [values.view([4], strides: [0]), places], [output],
            attributes: &attributes, site: 42)
        #expect {
            try device.synchronize()
        } throws: {
            guard let error = $0 as? BackendError else { return false }
            return error.kind == .index && error.op == "aten::index" && error.site == 42
                && error.message == "index 7 is out of range for size 5 (element 1 of the index tensor)"
        }
        try device.synchronize()  // once
        try device.launch(
            .gather, [values.view([4], strides: [0]), places], [output], attributes: &attributes)
        var event: OpaquePointer?
        try check(device.table.record(device.queue, &event))
        #expect(throws: BackendError.self) { try check(device.table.event_wait(event)) }
        try check(device.table.event_wait(event))
        device.table.event_release(event)
        try device.synchronize()
        let result: [Float] = try output.read()
        #expect(result[0] == 4 && result[3] == 0)
        // Skipped by a scatter; copying out reports it too.
        var add = CressetIndexAttributes([(5, 1)], .add)
        let more = try device.tensor([10, 20, 30, 40] as [Float], .float32)
        try device.launch(.scatter, [more, places], [values.view([4], strides: [0])], attributes: &add)
        #expect(throws: BackendError.self) { try values.read(Float.self) }
        #expect(try values.read() == [40, 1, 2, 3, 14] as [Float])
    }
}
