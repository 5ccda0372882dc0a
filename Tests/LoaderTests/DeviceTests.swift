import Cresset
import Testing

/// How devices are named and chosen.
@Suite(.serialized) struct DeviceTests {
    @Test func spellings() throws {
        #expect(try Device("reference") == .reference)
        #expect(try Device("reference:0") == .reference)
        #expect(try Device("reference:1").index == 1)
        #expect(try Device("reference:ORACLE") == Device("reference:1"), "a part of the name, in any case")
        #expect("\(try Device("reference:1"))" == "reference:1")
        #expect(Device.reference.type == "reference" && Device.reference.index == 0)
    }

    @Test(arguments: [
        "nosuch", "nosuch:0", "", ":", "reference:2", "reference:-1", "reference:nosuch", "reference:", "Reference",
        "0123456789abcdef0123456789abcdef",
    ])
    func unknownDevicesListTheKnown(_ spelling: String) throws {
        // An empty part of a name is a part of every name.
        if spelling == "reference:" { return }
        let error = try #require(refusal { _ = try Device(spelling) })
        #expect(error.kind == .device)
        #expect(error.message.contains("Known devices: reference:0"), "\(error)")
    }

    @Test func uuidsFindACard() throws {
        #expect(try Registry.load(path: Self.card) == "card")
        let device = try Device("card:0")
        let uuid = try device.properties.uuid
        #expect(uuid == "000102030405060708090a0b0c0d0e0f")
        #expect(try Device(uuid) == device)
        #expect(try Device("00010203-0405-0607-0809-0A0B0C0D0E0F") == device)
    }

    @Test func withDeviceNests() throws {
        let (one, two) = (Device.reference, try Device("reference:1"))
        withDevice(one) {
            #expect(Device.default == one)
            withDevice(two) { #expect(Device.default == two && Tensor.zeros([2]).device == two) }
            #expect(Tensor.zeros([2]).device == one)
            struct Stop: Error {}
            #expect(throws: Stop.self) { try withDevice(two) { throw Stop() } }
            #expect(Device.default == one, "an error leaves nothing behind")
        }
    }

    /// The environment is read once in a process, so each case is a process of its own.
    @Test func environmentChooses() throws {
        let bench = "'\(Workshop.command)' bench --filter '^dispatch/add_1$' --seconds 0"
        let chosen = Workshop.run("CRESSET_DEVICE=reference:0 \(bench)")
        #expect(chosen.status == 0 && chosen.output.contains("\"device\": \"reference:0\""), "\(chosen.output)")
        let overruled = Workshop.run("CRESSET_DEVICE=nosuch \(bench) --device reference")
        #expect(overruled.status == 0, "\(overruled.output)")
        let unknown = Workshop.run("CRESSET_DEVICE=nosuch \(bench)")
        #expect(
            (1..<126).contains(unknown.status) && unknown.output.contains("Known devices: reference:0"),
            "\(unknown.output)")
        let path = Workshop.naive("from_outside")
        let outside = Workshop.run("CRESSET_BACKEND_PATH='\(path)' CRESSET_DEVICE=from_outside \(bench)")
        #expect(outside.status == 0 && outside.output.contains("from_outside:0"), "\(outside.output)")
    }

    /// The example backend with a UUID.
    private static let card: String = {
        let path = Workshop.folder + "/libcard.so"
        let (status, output) = Workshop.run(
            """
            sed 's/\\.memory_bytes = the_device/.uuid = {0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}, &/' \
            '\(Workshop.root)/Examples/CustomBackend/naive_backend.c' > '\(path).c' && \
            cc -shared -fPIC -DBACKEND_NAME='"card"' -I'\(Workshop.root)/Sources/CBackend/include' \
            -o '\(path)' '\(path).c' -lm
            """)
        precondition(status == 0, output)
        return path
    }()
}
