import Cresset

/// Wrong calls that follow from an operation's schema and a call that is right.
///
/// Each breaks one rule that PyTorch has for every operation with such an argument.
package enum DerivedErrors {
    /// What is refused of the operation: what its declaration says, and what follows.
    package static func all(of op: Operator, _ maker: inout SampleMaker) -> [ErrorSample] {
        let declared = op.errors(&maker)
        guard let right = rightCall(op, &maker) else { return declared }
        var wrong = declared
        for (i, argument) in op.schema.arguments.enumerated() where i < right.count {
            wrong += noTensor(i, argument, in: right)
            wrong += dims(i, argument, of: op.name, in: right)
            wrong += indices(i, argument, of: op.name, in: right)
            wrong += sizes(i, argument, in: right)
        }
        return wrong + device(op, right) + dtype(op, right)
    }

    /// The arguments of the sample whose first tensor has most dims, defaults filled in.
    static func rightCall(_ op: Operator, _ maker: inout SampleMaker) -> [Value]? {
        let samples = op.samples(&maker)
        let best = samples.enumerated().max {
            let (a, b) = (rank($0.element.values), rank($1.element.values))
            return (a, $1.offset) < (b, $0.offset)
        }
        guard var values = best?.element.values else { return nil }
        for argument in op.schema.arguments.dropFirst(values.count) {
            guard let value = argument.defaultValue else { return nil }
            values.append(value)
        }
        return values
    }

    /// Dims of the first tensor; fewer for one without elements.
    private static func rank(_ values: [Value]) -> Int {
        guard let x = firstTensor(values) else { return 0 }
        return x.numel == 0 ? -1 : x.ndim
    }

    private static func firstTensor(_ values: [Value]) -> Tensor? {
        values.lazy.compactMap { value -> Tensor? in
            switch value {
            case .tensor(let x): x
            case .tensors(let list): list.first
            default: nil
            }
        }.first
    }

    private static func replacing(_ i: Int, _ value: Value, in values: [Value]) -> [Value] {
        var values = values
        values[i] = value
        return values
    }

    // MARK: Rules

    /// A text where a tensor is wanted.
    private static func noTensor(_ i: Int, _ argument: Schema.Argument, in right: [Value]) -> [ErrorSample] {
        guard argument.type == "Tensor" || argument.type == "Tensor[]" else { return [] }
        let wanted = argument.isTensor ? "a tensor" : "a list of tensors"
        return [ErrorSample(replacing(i, "x", in: right), "argument \(argument.name) must be \(wanted)", "\"x\"")]
    }

    private static let dimNames: Set<String> = [
        "dim", "dims", "dim0", "dim1", "axis0", "axis1", "start_dim", "end_dim",
    ]

    /// Operations that may do something along the same dim twice.
    private static let takesDimsTwice: Set<String> = ["aten::roll"]

    /// A dim that no tensor of that rank has, from either end, and the same dim twice.
    private static func dims(
        _ i: Int, _ argument: Schema.Argument, of op: String, in right: [Value]
    ) -> [ErrorSample] {
        guard dimNames.contains(argument.name), let x = firstTensor(right) else { return [] }
        let far = x.ndim + 9
        if argument.type == "int" || argument.type == "int?" {
            return [far, -far].map {
                ErrorSample(replacing(i, .scalar(Scalar($0)), in: right), "dim \($0) is out of range")
            }
        }
        guard argument.type.hasPrefix("int["), case .ints(let list) = right[i], !list.isEmpty else { return [] }
        var wrong = [far, -far].map { far in
            ErrorSample(replacing(i, .ints(list.dropLast() + [far]), in: right), "dim \(far) is out of range")
        }
        if x.ndim >= 2, !takesDimsTwice.contains(op), list.count >= 2, let first = list.first {
            wrong.append(ErrorSample(replacing(i, .ints(list.dropLast() + [first]), in: right), "\(first)", "twice"))
        }
        return wrong
    }

    private static let indexNames: Set<String> = ["index", "indices"]

    /// Operations that take the nearest place there is.
    private static let clamp: Set<String> = [
        "aten::_unsafe_masked_index", "aten::_unsafe_masked_index_put_accumulate",
    ]
    /// Operations in which a negative target ends a list, behind which nothing is read.
    private static let endsLists: Set<String> = ["aten::multilabel_margin_loss"]

    /// Places that are no integers, and places that do not exist: those are found on the device, and told by the next
    /// synchronisation.
    private static func indices(
        _ i: Int, _ argument: Schema.Argument, of op: String, in right: [Value]
    ) -> [ErrorSample] {
        func beyond(_ index: Tensor) -> [(Int, Tensor)] {
            guard index.dtype == .int64, index.numel > 0 else { return [] }
            return [far, -far].map { place in
                let values = (try? index.to(.float64).doubles()) ?? []
                return (
                    place,
                    Tensor(values.dropLast() + [Double(place)], shape: index.shape, device: .reference).to(.int64)
                )
            }
        }
        let far = 1_000_003
        if clamp.contains(op) { return [] }
        func refused(_ place: Int, _ value: Value) -> ErrorSample {
            ErrorSample(replacing(i, value, in: right), "\(place)", "out of range")
        }
        switch right[i] {
        case .tensor(let index) where argument.type == "Tensor" && indexNames.contains(argument.name):
            return [ErrorSample(replacing(i, .tensor(index.to(.float32)), in: right), argument.name, "float32")]
                + beyond(index).map { refused($0, .tensor($1)) }
        case .tensor(let index) where argument.type == "Tensor" && argument.name == "target" && !endsLists.contains(op):
            return beyond(index).map { refused($0, .tensor($1)) }
        case .optionalTensors(let list) where indexNames.contains(argument.name):
            guard let j = list.firstIndex(where: { $0 != nil }), let index = list[j] else { return [] }
            return beyond(index).map { place, index in
                var list = list
                list[j] = index
                return refused(place, .optionalTensors(list))
            }
        case .tensors(let list) where indexNames.contains(argument.name):
            guard let index = list.first else { return [] }
            return beyond(index).map { refused($0, .tensors([$1] + list.dropFirst())) }
        default: return []
        }
    }

    /// A negative size of what is made.
    private static func sizes(_ i: Int, _ argument: Schema.Argument, in right: [Value]) -> [ErrorSample] {
        guard argument.name == "size", argument.type == "int[]" || argument.type == "SymInt[]",
            firstTensor(right) == nil, case .ints(let list) = right[i], !list.isEmpty
        else { return [] }
        return [ErrorSample(replacing(i, .ints(list.dropLast() + [-7]), in: right), "-7", "negative")]
    }

    /// Operations that take more dtypes than they are judged for: they convert, or ask only what is not 0.
    private static let takesOtherDTypes: Set<String> = [
        "aten::all", "aten::any", "aten::bitwise_left_shift", "aten::bitwise_right_shift", "aten::clamp",
        "aten::col2im",
        "aten::div", "aten::equal", "aten::floor_divide", "aten::fmod", "aten::index_reduce", "aten::ldexp",
        "aten::linalg_matrix_power", "aten::linspace", "aten::logspace", "aten::logsumexp", "aten::matrix_power",
        "aten::native_dropout_backward", "aten::pow", "aten::randint_like", "aten::remainder", "aten::scatter_reduce",
        "aten::square", "aten::vander",
    ]
    /// Operations that PyTorch has for dtypes for which Cresset has no meaning: that is no rule.
    private static let lackDTypes: Set<String> = [
        "aten::allclose", "aten::cosine_embedding_loss", "aten::float_power", "aten::isclose", "aten::lu_unpack",
        "aten::nan_to_num",
    ]

    /// A dtype for which the operation has no meaning.
    private static func dtype(_ op: Operator, _ right: [Value]) -> [ErrorSample] {
        guard let first = firstTensor(right),
            !takesOtherDTypes.union(lackDTypes).contains(String(op.name.prefix { $0 != "." })),
            let foreign = [DType.bool, .int64, .float32, .complex64].first(where: { !op.dtypes.contains($0) })
        else { return [] }
        func converted(_ x: Tensor) -> Tensor { x.dtype == first.dtype ? x.to(foreign) : x }
        let values = right.map { value -> Value in
            switch value {
            case .tensor(let x): .tensor(converted(x))
            case .tensors(let list): .tensors(list.map(converted))
            default: value
            }
        }
        return [ErrorSample(values, "\(foreign)")]
    }

    /// Operations of which one tensor may lie anywhere: of it the shape, the dtype or the device is asked, or it is copied.
    private static let takesTwoDevices: Set<String> = [
        "aten::_ctc_loss.Tensor", "aten::copy", "aten::ctc_loss.Tensor", "aten::expand_as", "aten::is_same_size",
        "aten::reshape_as", "aten::to.other", "aten::type_as", "aten::view_as",
    ]

    /// Two tensors on two devices.
    private static func device(_ op: Operator, _ right: [Value]) -> [ErrorSample] {
        let tensors = op.schema.arguments.indices.filter { i in
            guard right.indices.contains(i), op.schema.arguments[i].type == "Tensor", case .tensor(let x) = right[i]
            else { return false }
            // (A 0-d tensor on the cpu goes with tensors of any device.)
            return x.ndim > 0
        }
        guard !takesTwoDevices.contains(op.name), tensors.count >= 2, let last = tensors.last else { return [] }
        var sample = ErrorSample(right, "device", "reference:1")
        sample.elsewhere = last
        return [sample]
    }
}
