import Cresset
import CressetNN
import CressetOptim
import Glibc
import Synchronization
import Testing

/// A training loop in shadow mode.
private enum ShadowedTraining {
    /// Steps that were done until an error came, and the error.
    static func run(on device: Device, steps: Int) -> (steps: Int, error: CressetError?) {
        var done = 0
        do {
            try catchingNow {
                try withShadow(.reference) {
                    manualSeed(1)
                    let model = withDevice(device) { Sequential(Linear(5, 8), ReLU(), Linear(8, 3)) }
                    let optimizer = SGD(model.parameters, lr: 0.1, momentum: 0.9)
                    let x = Tensor.randn([9, 5], device: device)
                    let y = Tensor.randint(0, 3, [9], device: device)
                    for _ in 0..<steps {
                        try catching {
                            let hidden = model.forward(x)  // the line that is to be told
                            let loss = Losses.crossEntropy(hidden, y)
                            optimizer.zeroGrad()
                            loss.backward()
                            try optimizer.step()
                        }
                        done += 1
                    }
                }
            }
        } catch {
            return (done, error as? CressetError)
        }
        return (done, nil)
    }
    static let line = 23

    /// From its 50th call on this relu has one wrong element.
    static func seed(on device: Device) throws {
        let calls = Mutex(0)
        try Registry.register("aten::relu", on: device, dtypes: [.float32], name: "seeded relu") { arguments in
            guard let x = arguments[0].tensor else { return [] }
            let right = x.clamp(min: 0)
            let isWrong = calls.withLock { count in
                count += 1
                return count >= 50
            }
            if isWrong { right[3, 4] = Tensor.full([], 0.5, device: device) + right[3, 4] }
            return [right]
        }
    }
}

extension EveryDevice {
    @Test(arguments: everyDevice)
    func aRightTrainingLoopIsSilentInShadow(on device: Device) throws {
        let (steps, error) = ShadowedTraining.run(on: device, steps: 52)
        #expect(steps == 52 && error == nil, "\(error.map { "\($0)" } ?? "")")
    }

    /// In a process of its own, as the kernel stays.
    @Test func aSeededErrorIsFoundAtItsLine() async throws {
        let result = await #expect(processExitsWith: .exitCode(3), observing: [\.standardOutputContent]) {
            try ShadowedTraining.seed(on: .cpu)
            let (steps, error) = ShadowedTraining.run(on: .cpu, steps: 60)
            print(steps, error.map { "\($0)" } ?? "no error")
            fflush(nil)
            exit(error?.kind == .disagreement && steps == 49 ? 3 : 4)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.hasPrefix("49 aten::relu: cpu:0 and reference:1 disagree on the kernel of seeded relu"), "\(text)")
        #expect(text.contains("1 of 72 elements are wrong") && text.contains("at [3, 4]: got "), "\(text)")
        #expect(text.contains("\n  at ShadowTests.swift:\(ShadowedTraining.line)"), "\(text)")
    }
}
