import Cresset
import Testing

/// The short way for pointwise calls gives what the general way gives.
@Suite struct QuickPathTests {
    /// Recording launches forces the general way.
    private func both(_ body: () -> Tensor) -> (quick: Tensor, general: Tensor) {
        _ = body()
        return (body(), recordingLaunches(body).0)
    }

    @Test func sameBitsShapesAndDTypes() {
        let devices = Device.all.filter { $0.type == "reference" || $0.type == "cpu" }
        for device in devices {
            for dtype in [DType.float32, .float64, .float16, .bfloat16, .int64, .int32, .int8, .uint8, .bool] {
                func tensor(_ shape: Shape) -> Tensor {
                    (Tensor.arange(.int(Int64(shape.elementCount)), device: device) * 3 % 5).reshape(shape).to(dtype)
                }
                let pairs: [(Tensor, Tensor)] = [
                    (tensor([7]), tensor([7])), (tensor([4, 6]), tensor([6])), (tensor([4, 1]), tensor([1, 6])),
                    (tensor([6, 4]).t(), tensor([4, 6])), (tensor([5, 8])[1..<4, 2...], tensor([3, 6])),
                    (tensor([]), tensor([3])), (tensor([]), tensor([])), (tensor([0, 3]), tensor([3])),
                    (tensor([2, 3, 4]), tensor([2, 3, 4])), (tensor([4, 6]), tensor([4, 6]).to(.float32)),
                ]
                for (x, y) in pairs {
                    for op: () -> Tensor in [
                        { x + y }, { x * y }, { x / (y + 1) }, { x .< y }, { x.maximum(y) }, { x + 2 }, { x * 0.5 },
                        { x .== 1 }, { x.exp() }, { 1 - x.to(.float32) },
                    ] {
                        let (quick, general) = both(op)
                        #expect(quick.dtype == general.dtype && quick.shape == general.shape)
                        #expect(
                            (try? quick.rawBytes()) == (try? general.rawBytes()),
                            "\(device) \(dtype) \(x.shape) \(y.shape)")
                    }
                }
            }
        }
    }

    @Test func errorsAreTheSame() throws {
        let (x, y) = (make([1, 2]), make([1, 2, 3]))
        for _ in 0..<2 {
            let error = try #require(refusal { _ = try catching { x + y } })
            #expect(error.kind == .shape && error.message.contains("do not broadcast"))
        }
        let invalid = refusal { _ = try catching { (x + y) + x } }
        #expect(invalid?.kind == .shape, "the first error, not the one it caused")
    }
}
