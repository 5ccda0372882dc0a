import CressetIO
import Testing

@Suite struct JSONTests {
    @Test func readsEveryKind() throws {
        let value = try JSON.parse(
            #" { "a": [1, -2, 3.5, 1e3, -0, 9223372036854775807, 9223372036854775808], "b": {"": null}, "c": true } "#)
        #expect(
            value["a"]
                == [1, -2, 3.5, 1000.0, .number(-0.0), .integer(.max), .number(9_223_372_036_854_775_808)])
        #expect(value["a"]?[4]?.doubleValue?.sign == .minus)
        #expect(value["b"]?[""]?.isNull == true)
        #expect(value["c"]?.boolValue == true)
        #expect(value.objectValue?.keys == ["a", "b", "c"])
    }

    @Test func readsStrings() throws {
        #expect(try JSON.parse(#""\"\\\/\b\f\n\r\té€😀\u00e9\u20AC\ud83d\ude00""#) == "\"\\/\u{8}\u{c}\n\r\té€😀é€😀")
    }

    @Test(arguments: [
        "", " ", "nul", "truefalse", "[", "]", "{", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{a:1}", "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":2}", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x10", "1e999",
        "NaN", "Infinity", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "\"a\nb\"", "1 2", "[1] x", "'a'", "// 1",
    ])
    func refuses(_ text: String) {
        #expect(throws: JSONError.self) { try JSON.parse(text) }
    }

    @Test func refusesWhatIsNotUTF8() {
        #expect(throws: JSONError.self) { try JSON.parse(bytes: [0x22, 0xFF, 0x22]) }
        // An overlong '/', and half of a surrogate pair.
        #expect(throws: JSONError.self) { try JSON.parse(bytes: [0x22, 0xC0, 0xAF, 0x22]) }
        #expect(throws: JSONError.self) { try JSON.parse(bytes: [0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test func limitsDepthAndCount() throws {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSON.parse(deep) }
        #expect(throws: JSONError.self) { try JSON.parse(String(repeating: "{\"\":", count: 100_000)) }
        _ = try JSON.parse("[[[]]]", limits: .init(depth: 3))
        #expect(throws: JSONError.self) { try JSON.parse("[[[[]]]]", limits: .init(depth: 3)) }
        #expect(throws: JSONError.self) { try JSON.parse("[0,0,0]", limits: .init(values: 3)) }
    }

    @Test func saysWhere() {
        let error = #expect(throws: JSONError.self) { try JSON.parse("{\n  \"a\": [1,\n    x]\n}") }
        #expect(error?.line == 3)
        #expect(error?.column == 5)
        #expect(error?.offset == 17)
    }

    @Test func writesWhatItReads() throws {
        let value: JSON = [
            "text": "\"\\\n\u{1} é😀", "numbers": [0, -1, 0.1, 1e300, .number(.leastNonzeroMagnitude), .integer(.min)],
            "none": [nil, true, false, [:], []],
        ]
        #expect(try JSON.parse(value.serialized()) == value)
        #expect(try JSON.parse(value.serialized(pretty: true)) == value)
        #expect(JSON.array([1, "a"]).description == #"[1,"a"]"#)
        let members: JSON = ["b": 1, "a": [2]]
        #expect(members.serialized(pretty: true) == "{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}")
        #expect(JSON.number(.nan).description == "null")
    }
}
