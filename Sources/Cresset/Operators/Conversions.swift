import BackendKit

/// Other dtypes, devices and layouts: what is declared of `Tensor/Copy.swift`.
extension Tensor {
    /// The elements with another dtype on another device; the tensor itself where nothing changes, unless a copy is asked for.
    public func to(
        _ dtype: DType? = nil, device: Device? = nil, nonBlocking: Bool = false, copy: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::to.device"
            try checkValid(op)
            let moved = try moved(to: try (device ?? self.device).runtime(for: op), op: op)
            let result = try moved.converted(to: dtype ?? moved.dtype)
            return copy && result.impl.storage === impl.storage ? result.clone() : result
        }
    }
    /// The elements with the dtype and on the device of another tensor.
    public func to(_ other: Tensor, copy: Bool = false) -> Tensor { to(other.dtype, device: other.device, copy: copy) }
    /// The elements with the dtype of another tensor.
    public func typeAs(_ other: Tensor) -> Tensor { to(other.dtype, device: other.device) }
    /// A copy with every element `value`; the elements have no part in it.
    public func fill(_ value: Scalar) -> Tensor { clone().fill_(value) }
    /// A copy with every element that of a 0-d tensor.
    public func fill(_ value: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::fill.Tensor")
            guard value.ndim == 0 || value.isInvalid else {
                throw CressetError(.shape, op: "aten::fill.Tensor", "the value must be 0-d, got \(value.summary)")
            }
            return clone().copy_(value)
        }
    }
    /// A copy of `source` in this tensor's shape and dtype.
    public func copy(_ source: Tensor) -> Tensor { clone().copy_(source) }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [[4, 5], [], [0, 3]]

    private static func conversion(
        _ schema: String, of parts: [String], _ arguments: [Value], isDifferentiable: Bool = true,
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        .composed(
            schema, of: parts, isDifferentiable: isDifferentiable,
            samples: { $0.samples(shapes.map { ($0, arguments) }) },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), a))] })
    }

    static let conversions: [Operator] = [
        Operator(
            "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in [[4, 5], [], [0]].map { Sample([.tensor(g.tensor($0)), .none]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").clone())] }),
        conversion(
            "contiguous(Tensor self, *, MemoryFormat memory_format=0) -> Tensor", of: ["aten::clone"], []
        ) { x, _ in x.contiguous() },
        Operator(
            "to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
            dtypes: .all, composition: ["pointwise"],
            samples: { g in
                let source = g.dtype
                return DType.allCases
                    .filter { $0 != source }
                    .flatMap { target in
                        let shapes: [Shape] =
                            target == .int32 || target == .float32 ? [[6, 5], [], [0, 3]] : [[6, 5]]
                        return shapes.map {
                            Sample([
                                .tensor(g.tensor($0, target == .uint8 ? 0 : -100, 100)), .dtype(target), false, false,
                                .none,
                            ])
                        }
                    }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").to(try a.optionalDType("dtype"), copy: try a.bool("copy")))]
            }),
        conversion(
            "to.device(Tensor self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
            of: ["aten::to.dtype"], [.device(.reference), .dtype(.float32), false, true]
        ) { (x, a) throws(CressetError) in
            x.to(try a.optionalDType("dtype"), device: try a.optionalDevice("device"), copy: try a.bool("copy"))
        },
        conversion(
            "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
            of: ["aten::to.dtype"], [.none, .none, .device(.reference)]
        ) { (x, a) throws(CressetError) in
            x.to(try a.optionalDType("dtype"), device: try a.optionalDevice("device"), copy: true)
        },
        .composed(
            "to.other(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
            of: ["aten::to.dtype"],
            samples: { g in
                shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor([2], dtype: .float32)), false, true]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").to(try a.tensor("other"), copy: try a.bool("copy")))]
            }),
        .composed(
            "type_as(Tensor self, Tensor other) -> Tensor", of: ["aten::to.dtype"],
            samples: { g in shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor([2], dtype: .float32))]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").typeAs(try a.tensor("other")))] }),
        conversion("fill.Scalar(Tensor self, Scalar value) -> Tensor", of: ["aten::clone"], [2]) {
            (x, a) throws(CressetError) in x.fill(try a.scalar("value"))
        },
        .composed(
            "fill.Tensor(Tensor self, Tensor value) -> Tensor", of: ["aten::clone"],
            samples: { g in shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor([]))]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").fill(try a.tensor("value")))] }),
        .composed(
            "copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor", of: ["aten::clone"],
            samples: { g in
                let pairs: [(Shape, Shape)] = [([4, 5], [4, 5]), ([4, 5], [5]), ([], []), ([0, 3], [3])]
                return pairs.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1))]) }
            },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").copy(try a.tensor("src")))] }),
        .composed(
            "item(Tensor self) -> Scalar", of: ["aten::to.dtype"], isDifferentiable: false,
            samples: { $0.samples([([], []), ([1, 1], [])]) },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                if x.dtype.isComplex { return [.scalar(.complex(x.itemComplex()))] }
                if x.dtype.isFloatingPoint { return [.scalar(.double(x.item()))] }
                let whole = x.itemInt()
                return [.scalar(x.dtype == .bool ? .bool(whole != 0) : .int(Int64(whole)))]
            }),
    ]
}
