/// A tensor's elements on the host: what a case is made of and what a device gave.
package struct HostTensor: Sendable, Equatable {
    package var dtype: DType
    package var shape: Shape
    /// Row-major.
    package var bytes: [UInt8]

    package init(dtype: DType, shape: Shape, bytes: [UInt8]) {
        self.dtype = dtype
        self.shape = shape
        self.bytes = bytes
    }

    /// The elements of a tensor, after everything before has been done.
    package init(_ tensor: Tensor) throws(CressetError) {
        self.init(dtype: tensor.dtype, shape: tensor.shape, bytes: try tensor.rawBytes())
    }

    package var count: Int { shape.elementCount }

    /// Complex elements as pairs of real ones in a last dim; others as they are.
    package var parts: HostTensor {
        dtype.isComplex ? HostTensor(dtype: dtype.toReal, shape: Shape(Array(shape) + [2]), bytes: bytes) : self
    }

    /// Element `i` as a double.
    package func double(_ i: Int) -> Double { bytes.withUnsafeBytes { HostElement.load($0, i, dtype) } }

    package var doubles: [Double] {
        bytes.withUnsafeBytes { raw in (0..<count).map { HostElement.load(raw, $0, dtype) } }
    }

    /// Element `i` of an integer tensor.
    package func integer(_ i: Int) -> Int64 {
        bytes.withUnsafeBytes { raw in
            switch dtype {
            // As it lies there: true is 1 and nothing else.
            case .bool: Int64(raw[i])
            case .int64: raw.loadUnaligned(fromByteOffset: 8 * i, as: Int64.self)
            default: Int64(HostElement.load(raw, i, dtype))
            }
        }
    }

    /// A contiguous tensor of these elements.
    package func tensor(on device: Device) throws(CressetError) -> Tensor {
        var failure: CressetError?
        let made = bytes.withUnsafeBytes { raw -> Tensor? in
            do throws(CressetError) {
                return try Tensor(rawBytes: raw, shape: shape, dtype: dtype, device: device)
            } catch {
                failure = error
                return nil
            }
        }
        if let failure { throw failure }
        guard let made else { throw CressetError(.internal, op: "HostTensor.tensor", "no tensor was made") }
        return made
    }

    // MARK: Rearranging

    /// For each element, in row-major order, of a tensor of `shape`: its place by these strides.
    static func places(_ shape: Shape, _ strides: Shape, from offset: Int = 0) -> [Int] {
        var places: [Int] = []
        places.reserveCapacity(shape.elementCount)
        var index = Shape(repeating: 0, count: shape.count)
        var place = offset
        for _ in 0..<shape.elementCount {
            places.append(place)
            for d in shape.indices.reversed() {
                index[d] += 1
                place += strides[d]
                if index[d] < shape[d] { break }
                place -= strides[d] * shape[d]
                index[d] = 0
            }
        }
        return places
    }

    private func picking(_ places: [Int], shape: Shape) -> HostTensor {
        let size = dtype.size
        var picked = [UInt8](repeating: 0, count: places.count * size)
        for (i, place) in places.enumerated() {
            for b in 0..<size { picked[i * size + b] = bytes[place * size + b] }
        }
        return HostTensor(dtype: dtype, shape: shape, bytes: picked)
    }

    /// All dims in the opposite order.
    package func reversingDims() -> HostTensor {
        let strides = Shape(shape.contiguousStrides.reversed())
        let reversed = Shape(shape.reversed())
        return picking(Self.places(reversed, strides), shape: reversed)
    }

    /// The last dim in front of the others.
    package func rotatingDims() -> HostTensor {
        func rotated(_ x: Shape) -> Shape { Shape(Array(x.suffix(1)) + Array(x.dropLast())) }
        let turned = rotated(shape)
        return picking(Self.places(turned, rotated(shape.contiguousStrides)), shape: turned)
    }

    /// The elements again and again, in sizes that `size` makes of the own ones.
    package func repeated(_ size: (Int) -> Int) -> HostTensor { repeated(to: Shape(shape.map(size))) }

    /// The first dim so many times as large.
    package func repeated(first factor: Int) -> HostTensor {
        var sizes = shape
        sizes[0] *= factor
        return repeated(to: sizes)
    }

    private func repeated(to sizes: Shape) -> HostTensor {
        if sizes == shape { return self }
        var places = [0]
        for d in shape.indices {
            let stride = shape.contiguousStrides[d]
            places = places.flatMap { place in (0..<sizes[d]).map { place + $0 % shape[d] * stride } }
        }
        return picking(places, shape: sizes)
    }

    /// The first slice of a dim; the dim stays, of size 1.
    package func first(along dim: Int) -> HostTensor {
        var sizes = shape
        sizes[dim] = 1
        return picking(Self.places(sizes, shape.contiguousStrides), shape: sizes)
    }

    /// The first elements as a tensor of one dim.
    package func prefix(_ count: Int) -> HostTensor {
        HostTensor(dtype: dtype, shape: [count], bytes: Array(bytes.prefix(count * dtype.size)))
    }

    /// A tensor of one dim with the first elements once more at its end.
    package func extended(by count: Int) -> HostTensor {
        HostTensor(
            dtype: dtype, shape: [self.count + count], bytes: bytes + bytes.prefix(count * dtype.size))
    }

    /// A larger tensor with these elements at the places that `offset` and `strides` give, and bytes
    /// between them that must have no part in any result.
    package func scattered(into base: Shape, offset: Int, strides: Shape) -> HostTensor {
        let size = dtype.size
        var spread = HostTensor.filler(base.elementCount, dtype)
        for (i, place) in Self.places(shape, strides, from: offset).enumerated() {
            for b in 0..<size { spread[place * size + b] = bytes[i * size + b] }
        }
        return HostTensor(dtype: dtype, shape: base, bytes: spread)
    }

    /// NaN for floats; for integers large numbers, which no index tensor may hold; true.
    package static func filler(_ count: Int, _ dtype: DType) -> [UInt8] {
        switch dtype {
        case .bool: [UInt8](repeating: 1, count: count)
        case _ where dtype.hasGradient: [UInt8](repeating: 0xFF, count: count * dtype.size)
        default: [UInt8](repeating: 0x5B, count: count * dtype.size)
        }
    }
}

extension HostTensor {
    /// "[2, 1]" for the place of element `i`.
    package func index(of i: Int) -> String {
        var rest = i
        var index: [Int] = []
        for size in shape.reversed() {
            index.append(rest % Swift.max(size, 1))
            rest /= Swift.max(size, 1)
        }
        return "[" + index.reversed().map(String.init).joined(separator: ", ") + "]"
    }
}

extension DType {
    /// An element that is 1 or true; nil of a dtype that has no number.
    package var bytesOfOne: [UInt8]? {
        (try? HostTensor(Tensor.ones([1], dtype: self, device: .reference)))?.bytes
    }
}
