/// One thing that a self-test computes on a device and on the reference.
struct SelfTestCheck {
    /// What is computed: "aten::matmul of float32".
    let name: String
    let run: (Device) throws(CressetError) -> Tensor

    /// A few pointwise operations, sums, a product in each float dtype, and what indices move: sizes beside those of
    /// tiles, views with offsets and strides. Every number is an integer that its dtype holds, and so is every partial
    /// sum, so the result has one right value, whatever the order of the sum; a product whose factors or sums have
    /// fewer digits than they should is wrong.
    static func all(for runtime: DeviceRuntime) -> [SelfTestCheck] {
        var checks: [SelfTestCheck] = []
        for dtype in [DType.float32, .float64, .float16, .bfloat16] where runtime.holds(dtype) {
            if checks.isEmpty {
                checks += elementary(dtype, large(dtype))
                if runtime.holds(.int64) { checks += indexed(dtype, large(dtype)) }
            }
            checks.append(product(dtype))
        }
        if runtime.holds(.int64) {
            checks.append(
                SelfTestCheck(name: "aten::mul of int64") { (device) throws(CressetError) in
                    try numbers([13, 7], 1 << 40, .int64, on: device) * numbers([7], 1 << 20, .int64, on: device)
                })
        }
        return checks
    }

    private static func elementary(_ dtype: DType, _ limit: Int) -> [SelfTestCheck] {
        [
            SelfTestCheck(name: "aten::add of \(dtype), transposed and broadcast") { (device) throws(CressetError) in
                try numbers([33, 7], limit, dtype, on: device).t() + numbers([1, 33], limit, dtype, on: device)
            },
            SelfTestCheck(name: "aten::mul of \(dtype) and a number, from an offset") { (device) throws(CressetError) in
                try numbers([300], limit, dtype, on: device)[3...] * 3
            },
            SelfTestCheck(name: "aten::sum of \(dtype) along a dim") { (device) throws(CressetError) in
                try numbers([67, 33], 9, dtype, on: device).sum(dim: 0)
            },
            SelfTestCheck(name: "aten::sum of \(dtype)") { (device) throws(CressetError) in
                try numbers([1031], 9, dtype, on: device).sum()
            },
        ]
    }

    private static func indexed(_ dtype: DType, _ limit: Int) -> [SelfTestCheck] {
        [
            SelfTestCheck(name: "aten::gather of \(dtype)") { (device) throws(CressetError) in
                try numbers([9, 17], limit, dtype, on: device).gather(0, places([5, 17], 9, on: device))
            },
            SelfTestCheck(name: "aten::scatter_add of \(dtype)") { (device) throws(CressetError) in
                try numbers([9, 17], 9, dtype, on: device).scatterAdd(
                    0, places([40, 17], 9, on: device), numbers([40, 17], 9, dtype, on: device))
            },
        ]
    }

    /// Numbers of so many digits that the next smaller dtype cannot hold them, and that leave room for sums.
    private static func large(_ dtype: DType) -> Int {
        switch dtype {
        case .float64: 1 << 30
        case .float32: 4095
        case .float16: 511
        default: 255
        }
    }

    private static func product(_ dtype: DType) -> SelfTestCheck {
        let large = large(dtype)
        let (rows, depth, columns) = (19, 35, 21)
        return SelfTestCheck(name: "aten::matmul of \(dtype) [\(rows), \(depth)] and [\(depth), \(columns)]") {
            (device) throws(CressetError) in
            // In every second term the left factor is the large one, in the others the right one.
            let a = try numbers([rows + 1, depth], dtype, on: device) { $0 % depth % 2 == 0 ? large : 3 }
            let b = try numbers([columns, depth], dtype, on: device) { $0 % depth % 2 == 0 ? 3 : large }
            return a[1...].matmul(b.t())
        }
    }

    // MARK: Operands

    private static func numbers(
        _ shape: Shape, _ limit: Int, _ dtype: DType, on device: Device
    ) throws(CressetError) -> Tensor {
        try numbers(shape, dtype, on: device) { _ in limit }
    }

    /// Integers from -limit to limit, made on the host: element i by a limit of its own.
    private static func numbers(
        _ shape: Shape, _ dtype: DType, on device: Device, limit: (Int) -> Int
    ) throws(CressetError) -> Tensor {
        // The generator of Numerical Recipes' "quick and dirty" kind; its high bits are used.
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(shape.elementCount)
        let values = (0..<shape.elementCount).map { i -> Int in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let limit = limit(i)
            return Int(state >> 33) % (2 * limit + 1) - limit
        }
        return try placed(values, shape, dtype, on: device)
    }

    private static func places(_ shape: Shape, _ count: Int, on device: Device) throws(CressetError) -> Tensor {
        try placed((0..<shape.elementCount).map { $0 * $0 % count }, shape, .int64, on: device)
    }

    private static func placed(
        _ values: [Int], _ shape: Shape, _ dtype: DType, on device: Device
    ) throws(CressetError) -> Tensor {
        let made = Tensor(values, shape: shape, device: .reference).to(dtype)
        return try made.copied(to: try device.runtime(for: "self-test"), op: "self-test")
    }
}
