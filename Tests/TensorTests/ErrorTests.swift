import Cresset
import Glibc
import Testing

/// Errors of wrong calls.
@Suite struct ErrorTests {
    @Test func shapesWhoseStridesOverflowAreRefused() throws {
        let large = 1 << 62
        for shape: Shape in [[0, large, 4], [large, 4, 0], [large, 4], [4, large / 2], [-1], [2, -3]] {
            let error = try #require(refusal { _ = try catching { Tensor.zeros(shape, device: .reference) } })
            #expect(error.kind == .shape && error.message.contains("\(shape)"))
        }
        #expect(try catching { Tensor.zeros([0, 1 << 40, 4], device: .reference) }.strides == [1 << 42, 4, 1])
        let none = Tensor.zeros([0], device: .reference)
        #expect(refusal { _ = try catching { none.reshape([large, 4]) } }?.kind == .shape)
        #expect(refusal { _ = try catching { none.reshape([0, large, 4]) } }?.kind == .shape)
        #expect(refusal { _ = try catching { make([1], [1, 1]).expand([large, 4]) } }?.kind == .shape)
        #expect(
            refusal { _ = try catching { Tensor([1] as [Float], shape: [large, 4], device: .reference) } }?.kind
                == .shape)
    }

    /// The line of this file, not one of the library's.
    @Test func locationsAreTheCallers() throws {
        let (a, b) = (make([1, 2]), make([1, 2, 3]))
        let thrown = refusal { _ = try catching { a.matmul(b) } }
        #expect(thrown?.location == "ErrorTests.swift:\(#line - 1)")
        let added = refusal { _ = try catching { a + b } }
        #expect(added?.location == "ErrorTests.swift:\(#line - 1)")
        let reduced = refusal { _ = try catching { a.sum(dim: 4) } }
        #expect(reduced?.location == "ErrorTests.swift:\(#line - 1)")
        let inPlace = refusal { _ = try catching { a.add_(b) } }
        #expect(inPlace?.location == "ErrorTests.swift:\(#line - 1)")
        #expect(thrown?.description.contains("\n  at ErrorTests.swift:") == true)
    }

    private static let wrongLine = #line + 3
    @inline(never)
    private static func multiplyWrongly() {
        _ = make([1, 2]).matmul(make([1, 2, 3]))
    }

    @Test func trapsTellTheLine() async throws {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            ErrorTests.multiplyWrongly()
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("aten::matmul") && text.contains("ErrorTests.swift:\(Self.wrongLine)"), "\(text)")
    }

    /// In a process of its own, whose first call is that.
    @Test func wrongEnvironmentIsAnErrorOfTheFirstCall() async throws {
        let result = await #expect(processExitsWith: .exitCode(3), observing: [\.standardOutputContent]) {
            setenv("CRESSET_DEVICE", "nosuch", 1)
            let error = refusal { _ = try catching { Tensor.zeros([2]) } }
            print(error.map { "\($0)" } ?? "nothing was thrown")
            // It is told again, and other devices work.
            let again = refusal { _ = try catching { Tensor.ones([2]) } }
            fflush(nil)
            exit(again?.kind == .device && elements(make([1, 2])) == [1, 2] ? 3 : 4)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("CRESSET_DEVICE=nosuch") && text.contains("Known devices: reference:0"), "\(text)")
    }

    @Test func fallbackPoliciesAreParsed() {
        let policy = refusal { _ = try Fallback.parse("nosuch:1") }
        #expect(policy?.kind == .device)
        #expect(policy?.message.contains("must be \"refuse\" or name a device") == true)
        #expect(policy?.message.contains("Known devices: reference:0") == true)
        if case .run(on: .reference)? = try? Fallback.parse("reference") {} else { Issue.record("not the reference") }
        if case .refuse? = try? Fallback.parse("refuse") {} else { Issue.record("not refused") }
    }
}
