import Cresset
import Glibc
import Testing

/// What `cresset new-backend --language c` writes, built as its README says.
enum Skeleton {
    static func build(_ name: String) throws -> String {
        let folder = "\(Workshop.folder)/skeleton_\(name)"
        let (status, output) = Workshop.run(
            "'\(Workshop.command)' new-backend \(name) --language c --path '\(folder)' && make -C '\(folder)' CFLAGS='-O1 -Werror'"
        )
        #expect(status == 0, "\(output)")
        return "\(folder)/libcresset_backend_\(name).so"
    }
}

@Suite(.serialized) struct NewBackendTests {
    @Test func theSkeletonRuns() throws {
        #expect(try Registry.load(path: try Skeleton.build("my_chip2")) == "my_chip2")
        let device = try Device("my_chip2")
        let x = Tensor([1, -2, 3, -4, 5, -6] as [Float], shape: [2, 3], device: device)
        try catching {
            #expect([Float](x + 1) == [2, -1, 4, -3, 6, -5])
            #expect([Float](x.t() * 2) == [2, -8, -4, 10, 6, -12], "strides")
            #expect(
                [Float](x + Tensor([10, 20, 30] as [Float], device: device)) == [11, 18, 33, 6, 25, 24], "broadcasting")
            #expect([Bool](x .> 0) == [true, false, true, false, true, false])
            #expect([Float](x.relu().sqrt().square().round()) == [1, 0, 3, 0, 5, 0])
            #expect([Float](x[1..., 1...]) == [5, -6])
            #expect([Float](Tensor.full([2], 7, dtype: .float32, device: device)) == [7, 7])
        }
        // What it cannot do it says.
        let error = try #require(refusal { _ = try catching { x.exp() } })
        #expect(error.message.contains("call") && error.message.contains("my_chip2:0"), "\(error)")
    }

    @Test func refusesBadNamesAndOverwriting() throws {
        let folder = "\(Workshop.folder)/skeleton_twice"
        let command = "'\(Workshop.command)' new-backend --path '\(folder)' --language c"
        for name in ["3d", "Chip", "a-b", "''", "_x", String(repeating: "a", count: 32)] {
            #expect((1..<126).contains(Workshop.run("\(command) \(name)").status), "\(name)")
        }
        #expect(access(folder, F_OK) != 0, "a refusal writes nothing")
        #expect(Workshop.run("\(command) twice").status == 0)
        let again = Workshop.run("\(command) twice")
        #expect((1..<126).contains(again.status) && again.output.contains("there already"), "\(again.output)")
    }

    @Test func theHeaderIsTheOneInTheTree() throws {
        let folder = "\(Workshop.folder)/skeleton_header"
        #expect(Workshop.run("'\(Workshop.command)' new-backend header --language c --path '\(folder)'").status == 0)
        let header = "'\(Workshop.root)/Sources/CBackend/include/cresset_backend.h'"
        #expect(Workshop.run("cmp '\(folder)/cresset_backend.h' \(header)").status == 0)
    }
}
