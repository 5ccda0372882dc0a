import Cresset

/// How the tensors of a case lie in memory.
package enum Layout: String, CaseIterable, Sendable {
    /// Row-major, alone in its memory.
    case contiguous
    /// The dims in the opposite order of the memory.
    case transposed
    /// The dims in another order of the memory, turned round by one.
    case permuted
    /// Every second element of a larger tensor, not from its start on.
    case sliced
    /// Rows with room between them, and dims of size 1 with strides that nobody needs.
    case padded
    /// One slice repeated by a stride of 0.
    case expanded
    /// All strides 1: elements share memory, which is only read.
    case overlapping
    /// Two arguments of one shape that share memory, one shifted by an element.
    case aliased
    /// Row-major, with infinities, NaN, zeros of both signs, the extremes of the dtype.
    case special
    /// Row-major, with finite extremes, ties, denormals.
    case extreme
    /// Without elements, some tensor at least.
    case zeroSize = "zero-size"
    /// Without dims, the first tensor at least.
    case zeroDim = "0-d"
}

/// A tensor in a layout: the memory, and the view of it that the operation sees.
package struct Placed: Sendable {
    /// What the memory holds, as a contiguous tensor.
    package var base: HostTensor
    private enum View: Sendable {
        case whole
        case reversed
        case rotated
        case sliced
        case expanded(Shape)
        case strided(Shape, strides: Shape, offset: Int)
    }
    private var view: View
    /// Arguments with the same memory.
    private(set) var sharing: Int?

    /// nil where the layout changes nothing: no dims to exchange, nothing to repeat.
    package init?(_ values: HostTensor, _ layout: Layout, position: Int) {
        let shape = values.shape
        switch layout {
        case .contiguous, .special, .extreme, .aliased, .zeroSize, .zeroDim:
            base = values
            view = .whole
        case .transposed:
            guard shape.filter({ $0 > 1 }).count >= 2 else { return nil }
            base = values.reversingDims()
            view = .reversed
        case .permuted:
            guard shape.count >= 3, shape.filter({ $0 > 1 }).count >= 2 else { return nil }
            base = values.rotatingDims()
            view = .rotated
        case .padded:
            guard let last = shape.last else { return nil }
            var larger = shape
            larger[larger.count - 1] = last + 3
            var strides = larger.contiguousStrides
            base = values.scattered(into: larger, offset: 2, strides: strides)
            for d in strides.indices where shape[d] == 1 { strides[d] += 977 }
            view = .strided(shape, strides: strides, offset: 2)
        case .sliced:
            if shape.isEmpty {
                base = values.scattered(into: [3], offset: 1, strides: [])
                view = .sliced
                return
            }
            // As many dims as fit into a memory of reasonable size, the last ones first.
            var larger = shape
            var dims: [Int] = []
            for d in shape.indices.reversed()
            where larger.elementCount / max(shape[d], 1) * (2 * shape[d] + 2) < 1 << 20 {
                larger[d] = 2 * shape[d] + 2
                dims.append(d)
            }
            guard !dims.isEmpty else { return nil }
            var strides = larger.contiguousStrides
            let offset = dims.reduce(0) { $0 + strides[$1] }
            for d in dims { strides[d] *= 2 }
            base = values.scattered(into: larger, offset: offset, strides: strides)
            view = dims.count == shape.count ? .sliced : .strided(shape, strides: strides, offset: offset)
        case .overlapping:
            guard shape.filter({ $0 > 1 }).count >= 2 else { return nil }
            let reach = shape.reduce(1) { $0 + $1 - 1 }
            base = values.prefix(reach)
            view = .strided(shape, strides: Shape(repeating: 1, count: shape.count), offset: 0)
        case .expanded:
            let dims = shape.indices.filter { shape[$0] > 1 }
            // Another dim for each argument, so that they do not all stand still together.
            guard !dims.isEmpty else { return nil }
            base = values.first(along: dims[position % dims.count])
            view = .expanded(shape)
        }
    }

    init(_ values: HostTensor) {
        base = values
        view = .whole
    }

    /// Two tensors of the shape of `values` in one memory, the second an element further than the first.
    package static func aliased(_ values: HostTensor) -> (Placed, Placed) {
        func window(_ offset: Int) -> Placed {
            var placed = Placed(values.prefix(values.count).extended(by: 1))
            placed.view = .strided(values.shape, strides: values.shape.contiguousStrides, offset: offset)
            placed.sharing = 0
            return placed
        }
        return (window(0), window(1))
    }

    /// "float32[3, 4] transposed"
    var told: String {
        switch view {
        case .whole: "\(base.dtype)\(base.shape)"
        case .reversed: "\(base.dtype)\(Shape(base.shape.reversed())) transposed"
        case .rotated: "\(base.dtype)\(Shape(Array(base.shape.dropFirst()) + Array(base.shape.prefix(1)))) permuted"
        case .sliced: "\(base.dtype) sliced from \(base.shape)"
        case .expanded(let shape): "\(base.dtype)\(shape) expanded from \(base.shape)"
        case .strided(let shape, let strides, let offset):
            "\(base.dtype)\(shape) with strides \(strides) from \(offset)"
        }
    }

    /// The tensor on a device: its memory, and the view of it.
    package func place(
        on device: Device, in shared: Tensor? = nil
    ) throws(CressetError) -> (base: Tensor, view: Tensor) {
        let memory = if let shared { shared } else { try base.tensor(on: device) }
        switch view {
        case .whole: return (memory, memory)
        case .reversed: return (memory, memory.permute(Array((0..<memory.ndim).reversed())))
        case .rotated: return (memory, memory.permute(Array(1..<memory.ndim) + [0]))
        case .expanded(let shape): return (memory, memory.expand(shape))
        case .strided(let shape, let strides, let offset):
            return (memory, memory.strided(shape, strides, from: offset))
        case .sliced:
            if base.shape == [3] && isScalar { return (memory, memory.select(0, 1)) }
            var seen = memory
            for d in 0..<memory.ndim { seen = seen.slice(d, from: 1, to: memory.size(d) - 1, step: 2) }
            return (memory, seen)
        }
    }

    /// A 0-d tensor lies sliced in a memory of three; others have even sizes there.
    private var isScalar: Bool { base.shape.count == 1 && base.shape[0] % 2 == 1 }
}

/// An argument of a case.
package enum CaseValue: Sendable {
    case plain(Value)
    case tensor(Placed)
    case tensors([Placed])
    case optionalTensors([Placed?])
    /// The device it is placed on.
    case device

    var placed: [Placed] {
        switch self {
        case .plain, .device: []
        case .tensor(let x): [x]
        case .tensors(let list): list
        case .optionalTensors(let list): list.compactMap(\.self)
        }
    }
}

/// The tensors of a case's arguments on a device.
package struct PlacedArguments {
    package private(set) var values: [Value] = []
    /// What the operation sees, in the order of the arguments, and the memory behind it.
    package private(set) var tensors: [(view: Tensor, memory: Tensor, original: HostTensor)] = []

    package init(_ arguments: [CaseValue], on device: Device) throws(CressetError) {
        var shared: [Int: Tensor] = [:]
        func place(_ x: Placed) throws(CressetError) -> Tensor {
            let (memory, view) = try x.place(on: device, in: x.sharing.flatMap { shared[$0] })
            if let group = x.sharing { shared[group] = memory }
            tensors.append((view, memory, x.base))
            return view
        }
        for argument in arguments {
            switch argument {
            case .plain(let value): values.append(value)
            case .tensor(let x): values.append(.tensor(try place(x)))
            case .tensors(let list):
                var views: [Tensor] = []
                for x in list { views.append(try place(x)) }
                values.append(.tensors(views))
            case .optionalTensors(let list):
                var views: [Tensor?] = []
                for x in list { views.append(try x.map { (x) throws(CressetError) in try place(x) }) }
                values.append(.optionalTensors(views))
            case .device: values.append(.device(device))
            }
        }
    }

    /// What gradients are asked for.
    var differentiable: [Tensor] { tensors.map(\.view).filter(\.dtype.hasGradient) }

    /// Which argument's memory no longer holds what it held; nil if all do.
    func changed() throws(CressetError) -> Int? {
        for (i, tensor) in tensors.enumerated() where tensor.original.count > 0 {
            if try tensor.memory.rawBytes() != tensor.original.bytes { return i }
        }
        return nil
    }
}
