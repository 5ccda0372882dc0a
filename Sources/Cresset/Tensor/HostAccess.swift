import BackendKit

extension Tensor {
    /// The elements in row-major order as bytes, after everything before has been done.
    public func rawBytes() throws(CressetError) -> [UInt8] {
        try checkValid("rawBytes")
        let source = try noGrad { () throws(CressetError) in try contiguousCopyIfNeeded() }
        let count = numel * dtype.size
        var failure: CressetError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(CressetError) {
                try source.runtime.copyOut(
                    source.impl.storage, at: source.impl.offset * dtype.size,
                    to: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count), op: "copy to host")
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Throws where the shape of a result follows from values that there are not.
    func checkHasData(_ op: String) throws(CressetError) {
        guard !isMeta else {
            throw CressetError(
                .unsupported, op: op,
                "the shape of its result depends on the values of \(summary), and a tensor on the meta device has none")
        }
    }

    func contiguousCopyIfNeeded() throws(CressetError) -> Tensor {
        isContiguous ? self : try Copy.clone(self, op: "aten::contiguous")
    }

    /// The elements as an array of `Element`, converted to its dtype.
    func elements<Element: TensorElement>(_: Element.Type) throws(CressetError) -> [Element] {
        let converted = try noGrad { () throws(CressetError) in try self.converted(to: Element.dtype) }
        let bytes = try converted.rawBytes()
        return bytes.withUnsafeBytes { raw in
            // Element is trivial and the bytes are whole elements of its dtype.
            [Element](unsafeUninitializedCapacity: numel) { buffer, count in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
                count = raw.count / MemoryLayout<Element>.stride
            }
        }
    }

    /// The only element, as a number; an error if there is not exactly one.
    public func item() -> Double {
        trapping(default: 0) { () throws(CressetError) in
            if isInvalid { return 0 }
            guard numel == 1 else {
                throw CressetError(
                    .shape, op: "aten::item",
                    "a tensor of shape \(shape) has \(numel) elements; item() needs exactly one")
            }
            guard !dtype.isComplex else {
                throw CressetError(
                    .dtype, op: "aten::item", "a complex number is no Double; use itemComplex() for \(summary)")
            }
            if dtype == .int64 { return Double(try elements(Int64.self)[0]) }
            return try elements(Double.self, through: .float64)[0]
        }
    }

    /// The only element as a complex number.
    public func itemComplex() -> Complex<Double> {
        trapping(default: 0) { () throws(CressetError) in
            if isInvalid { return 0 }
            guard numel == 1 else {
                throw CressetError(.shape, op: "aten::item", "a tensor of shape \(shape) has \(numel) elements")
            }
            return try complexElements()[0]
        }
    }

    /// Every element as a complex number, whatever the dtype; converted on the host, as not every device
    /// has float64.
    package func complexElements() throws(CressetError) -> [Complex<Double>] {
        let dtype = self.dtype
        let bytes = try rawBytes()
        return bytes.withUnsafeBytes { raw in
            (0..<numel).map { i in
                dtype.isComplex
                    ? Complex(
                        HostElement.load(raw, 2 * i, dtype.toReal), HostElement.load(raw, 2 * i + 1, dtype.toReal))
                    : Complex(HostElement.load(raw, i, dtype))
            }
        }
    }

    /// The only element of an integer or bool tensor, exactly.
    public func itemInt() -> Int {
        trapping(default: 0) { () throws(CressetError) in
            if isInvalid { return 0 }
            guard numel == 1 else {
                throw CressetError(.shape, op: "aten::item", "a tensor of shape \(shape) has \(numel) elements")
            }
            return Int(try elements(Int64.self)[0])
        }
    }

    /// Elements as doubles, converted on the host so that devices without float64 serve too.
    func elements(_: Double.Type, through _: DType) throws(CressetError) -> [Double] {
        let dtype = self.dtype
        let bytes = try rawBytes()
        return bytes.withUnsafeBytes { raw in
            (0..<numel).map { HostElement.load(raw, $0, dtype) }
        }
    }

    /// Every element as a double, whatever the dtype.
    public func doubles() throws(CressetError) -> [Double] { try elements(Double.self, through: .float64) }
}

/// One element of host bytes as a double: of a complex one the real part.
package enum HostElement {
    package static func load(_ raw: UnsafeRawBufferPointer, _ i: Int, _ dtype: DType) -> Double {
        func at<T: BitwiseCopyable>(_: T.Type) -> T { raw.loadUnaligned(fromByteOffset: i * dtype.size, as: T.self) }
        switch dtype {
        case .bool: return at(UInt8.self) != 0 ? 1 : 0
        case .uint8: return Double(at(UInt8.self))
        case .int8: return Double(at(Int8.self))
        case .int16: return Double(at(Int16.self))
        case .int32: return Double(at(Int32.self))
        case .int64: return Double(at(Int64.self))
        case .float16: return half(at(UInt16.self))
        case .bfloat16: return Double(Float(bitPattern: UInt32(at(UInt16.self)) << 16))
        case .float32, .complex64: return Double(at(Float.self))
        case .float64, .complex128: return at(Double.self)
        }
    }

    /// IEEE binary16 by its fields.
    static func half(_ bits: UInt16) -> Double {
        let sign: Double = bits & 0x8000 != 0 ? -1 : 1
        let exponent = Int(bits >> 10 & 31)
        let fraction = Double(bits & 1023) / 1024
        if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
        if exponent == 0 { return sign * fraction * 0x1p-14 }
        return sign * (1 + fraction) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
    }
}

extension Array where Element: TensorElement {
    /// The elements of a tensor in row-major order: `[Float](x)`.
    public init(_ tensor: Tensor) {
        self = trapping(default: []) { () throws(CressetError) in
            if tensor.isInvalid { return [] }
            return try tensor.elements(Element.self)
        }
    }
}
