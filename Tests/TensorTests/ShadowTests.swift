import Cresset
import Glibc
import Synchronization
import Testing

/// Launches that are repeated on a second device.
@Suite(.serialized) struct ShadowTests {
    private static let seeded = Result { try Workshop.device("shadowed", from: "Tests/TensorTests/Plugins/seeded.c") }

    /// A device without an error, and one whose products are wrong from the given one on.
    private static func device(wrongFrom launch: Int) throws -> Device {
        let device = try seeded.get()
        SelfTest.exempt(device)
        setenv("SEEDED_LAUNCH", "\(launch)", 1)
        return device
    }

    private static let lineOfProduct = #line + 7
    /// Products until one is refused. (Code that stands in a macro's argument has no line.)
    private static func multiply(on device: Device) -> (steps: Int, error: CressetError?) {
        var steps = 0
        let error = refusal {
            let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3], device: device)
            for _ in 1...60 {
                try catching { withShadow { _ = x.matmul(x.t()) } }
                steps += 1
            }
        }
        return (steps, error)
    }

    /// The launch that was wrong and the user's line, also where the operation is made of several.
    @Test func productsAreFoundWrong() async throws {
        let result = await #expect(processExitsWith: .exitCode(5), observing: [\.standardOutputContent]) {
            let (steps, error) = try ShadowTests.multiply(on: ShadowTests.device(wrongFrom: 50))
            print(steps, error.map { "\($0)" } ?? "nothing was thrown")
            fflush(nil)
            exit(error?.kind == .disagreement ? 5 : 6)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.hasPrefix("49 aten::matmul: shadowed:0 and reference:1 disagree on this matmul"), "\(text)")
        #expect(text.contains("1 of 4 elements are wrong (25.0 %)"), "\(text)")
        #expect(text.contains("worst absolute error 0.125 at [1, 1]: got 77.125, right is 77.0"), "\(text)")
        #expect(
            text.contains("input 0: float32 [2, 3] strides [3, 1] offset 0 on shadowed:0, there 4.0, 5.0, 6.0"),
            "\(text)")
        #expect(text.contains("input 1: float32 [3, 2] strides [1, 3] offset 0"), "\(text)")
        #expect(text.contains("\n  at ShadowTests.swift:\(Self.lineOfProduct)"), "\(text)")
    }

    /// The environment is for all threads, and the error traps as others do.
    @Test func theEnvironmentIsForAllThreads() async throws {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            setenv("CRESSET_SHADOW", "reference", 1)
            let device = try ShadowTests.device(wrongFrom: 2)
            let x = Tensor.ones([3, 3], device: device)
            _ = x.matmul(x)
            await Task.detached { ShadowTests.square(x) }.value
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("aten::matmul: shadowed:0 and reference:1 disagree"), "\(text)")
        #expect(text.contains("at ShadowTests.swift:\(Self.lineOfSquare)"), "\(text)")
    }
    private static let lineOfSquare = #line + 3
    @inline(never)
    private static func square(_ x: Tensor) {
        _ = x.matmul(x)
    }

    @Test func aWrongEnvironmentIsAnErrorOfTheFirstCall() async throws {
        await #expect(processExitsWith: .exitCode(3)) {
            setenv("CRESSET_SHADOW", "nosuch", 1)
            let error = refusal { _ = try catching { make([1]) + 1 } }
            exit(error?.op == "CRESSET_SHADOW=nosuch" ? 3 : 4)
        }
    }

    /// Kernels registered by name are compared with what the operation is composed of.
    @Test func overridesAreCompared() throws {
        let device = try Workshop.device("overshadowed")
        let calls = Mutex(0)
        try Registry.register("aten::softmax.int", on: device, dtypes: [.float32], name: "Ann's kernel") { arguments in
            let isWrong = calls.withLock {
                $0 += 1
                return $0 > 3
            }
            guard let x = arguments[0].tensor else { return [] }
            let y = x.exp()
            let right = y / y.sum(dim: 1, keepdim: true)
            return [isWrong ? right + Tensor([0, 0, 0.25] as [Float], device: device) : right]
        }
        let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3], device: device)
        for _ in 0..<3 { _ = try catching { withShadow { x.softmax(dim: 1) } } }
        // (Not the same call again: of two equal closures the optimizer keeps one, with the line of the first.)
        let thrown = refusal { _ = try catching { withShadow { x.softmax(dim: -1) } } }
        let line = #line - 1
        let error = try #require(thrown)
        #expect(error.kind == .disagreement && error.op == "aten::softmax.int", "\(error)")
        #expect(error.message.contains("disagree on the kernel of Ann's kernel"), "\(error)")
        #expect(error.message.contains("2 of 6 elements are wrong"), "\(error)")
        #expect(error.location == "ShadowTests.swift:\(line)")
        // Nobody looks.
        _ = try catching { x.softmax(dim: 1) }
        _ = try catching { withShadow { withShadow(nil) { x.softmax(dim: 1) } } }
    }

    /// A device that is no oracle is compared bit by bit, and the oracle decides who is wrong.
    @Test func anyDeviceCanBeTheSecond() async throws {
        await #expect(processExitsWith: .exitCode(5)) {
            let wrong = try ShadowTests.device(wrongFrom: 1)
            let right = try Workshop.device("upright")
            func product(on device: Device, besides second: Device) -> CressetError? {
                refusal {
                    let x = Tensor([0.1, 0.2, 0.3, 0.7] as [Float], shape: [2, 2], device: device)
                    _ = try catching { withShadow(second) { x.matmul(x) } }
                }
            }
            let first = product(on: wrong, besides: right)
            let second = product(on: right, besides: wrong)
            let good =
                first?.message.contains("shadowed:0 and upright:0 disagree") == true
                && second?.message.contains("upright:0 is right, and on shadowed:0, its shadow") == true
                && product(on: right, besides: .reference) == nil
            exit(good ? 5 : 6)
        }
    }

    /// What moves, changes in place, meets in one place, is random or has no elements.
    @Test func whatIsRightIsSilent() throws {
        let device = try Workshop.device("silent")
        for second in [Device.reference, .cpu] {
            try catching {
                withShadow(second) {
                    let stream = RandomStream(seed: 5)
                    let x = Tensor.randn([7, 5], device: device, stream: stream)
                    let y = x.clone().requiresGrad_()
                    let index = Tensor([0, 3, 3, 6, 0], shape: [5], device: device)
                    let picked = y.indexSelect(dim: 0, index: index)
                    (picked.softmax(dim: 1) * picked).sum().backward()
                    x[1..., 2] = x[..<6, 0]
                    x[2...].t().add_(1)
                    x.uniform_(stream: stream)
                    x.scatterAdd_(0, Tensor([-0, 1, 1, 1, 6], shape: [1, 5], device: device), x[..<1].clone())
                    _ = [x.to(.float16).sum(dim: 0), x.to(.int64).argmax(dim: 1), x.sort(dim: 0).0, x.cumsum(dim: 1)]
                    _ = Tensor.zeros([0, 4], device: device).sum(dim: 0)
                    _ = [Float](x.nonzero().to(.float32))
                    _ = (x .> 0.5).sum().itemInt()
                    let nothing = Tensor.full([2, 3], .double(.nan), device: device)
                    _ = [nothing.amax(dim: [1]), nothing + 1, nothing.t().contiguous()]
                }
            }
        }
    }

    /// A wrong call is the same error as ever.
    @Test func otherErrorsStay() throws {
        let device = try Workshop.device("shadowless")
        let x = Tensor.ones([3], device: device)
        let index = Tensor([7], device: device)
        let error = refusal { _ = try catching { withShadow { x.indexSelect(dim: 0, index: index) } } }
        #expect(error?.kind == .index, "\(error.map { "\($0)" } ?? "nothing")")
    }
}
