import Synchronization

/// Gradient state of a tensor.
final class AutogradState: @unchecked Sendable {
    /// Set by the user on a leaf, or because a recorded operation made the tensor.
    @exclusivity(unchecked) var requiresGrad: Bool
    /// The operation that made the tensor; nil for a leaf.
    var node: Node?
    /// Which of the node's results the tensor is.
    var outputIndex = 0
    var retainsGrad = false
    /// On the gradient of a leaf.
    var hooks: Hooks?
    /// The node says how a view came from its base.
    var isView = false
    /// Version of the storage when a view's node was made; the base's history has changed if it is another.
    var version = 0
    private let accumulated = Mutex(Tensor?.none)
    private let accumulator = Mutex(WeakNode())

    private struct WeakNode { weak var node: AccumulateGrad? }

    init(requiresGrad: Bool, node: Node? = nil, outputIndex: Int = 0) {
        self.requiresGrad = requiresGrad
        self.node = node
        self.outputIndex = outputIndex
    }

    var grad: Tensor? {
        get { accumulated.withLock { $0 } }
        set { accumulated.withLock { $0 = newValue } }
    }

    /// Where the gradient of this tensor goes.
    func edge(of tensor: TensorImpl) -> Edge? {
        if let node { return Edge(node: node, index: outputIndex) }
        guard requiresGrad else { return nil }
        return accumulator.withLock { weak in
            if let known = weak.node { return Edge(node: known, index: 0) }
            let made = AccumulateGrad(tensor)
            weak.node = made
            return Edge(node: made, index: 0)
        }
    }
}

/// A place in the graph that a gradient flows to: result `index` of `node`.
struct Edge: Sendable {
    var node: Node
    var index: Int
}

/// The edges of a node: two are held in place, as most have no more.
struct EdgeList: Sendable {
    private var first: Edge?
    private var second: Edge?
    private var rest: [Edge?] = []
    private(set) var count: Int

    @inline(__always)
    init(_ first: Edge?, _ second: Edge?, count: Int) {
        self.first = first
        self.second = second
        self.count = count
    }

    init(_ edges: [Edge?]) {
        count = edges.count
        first = edges.first ?? nil
        second = count > 1 ? edges[1] : nil
        if count > 2 { rest = Array(edges[2...]) }
    }

    var isEmpty: Bool { count == 0 }

    subscript(i: Int) -> Edge? {
        @inline(__always) get { i == 0 ? first : i == 1 ? second : rest[i - 2] }
        set {
            switch i {
            case 0: first = newValue
            case 1: second = newValue
            default: rest[i - 2] = newValue
            }
        }
    }

    func map<Result>(_ body: (Edge?) -> Result) -> [Result] { (0..<count).map { body(self[$0]) } }
}

/// One recorded operation: knows how to turn gradients of its results into gradients of its inputs.
class Node: @unchecked Sendable {
    /// "aten::mul.Tensor"
    let name: String
    /// Where the gradient of each input goes; nil for inputs that need none.
    fileprivate(set) final var edges: EdgeList
    /// Nodes made later have higher numbers, so descending order is a topological one.
    let sequence: UInt64
    let outputCount: Int
    private(set) var isReleased = false
    /// On the gradients of the results; a leaf's are its own.
    final var hooks: Hooks?
    /// Where the operation was called, if anomalies are looked for.
    final let site: CallSite?
    /// Two threads may run backward through one graph: each node works for one at a time.
    private let turn = Mutex(())

    private static let counter = Atomic<UInt64>(1)

    init(_ name: String, _ edges: EdgeList, outputCount: Int = 1) {
        self.name = name
        self.edges = edges
        self.outputCount = outputCount
        sequence = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        site = threadState.pointee.layers & Layer.anomaly == 0 ? nil : CallSite.here()
    }

    /// True for a node behind which nothing comes.
    final var isLast: Bool { sequence == 0 }

    /// A node behind which nothing comes.
    init(last name: String) {
        self.name = name
        edges = EdgeList(nil, nil, count: 0)
        outputCount = 1
        sequence = 0
        site = nil
    }

    /// Gradients of the inputs from those of the results; nil stands for zeros.
    func backward(_ gradients: [Tensor?]) throws(CressetError) -> [Tensor?] { [] }

    /// This node's part of a backward pass, after which what it saved may be freed.
    final func run(_ gradients: [Tensor?], andRelease releases: Bool) throws(CressetError) -> [Tensor?] {
        turn._unsafeLock()
        defer { turn._unsafeUnlock() }
        let result = try named { () throws(CressetError) in try backward(gradients) }
        if releases { release() }
        return result
    }

    /// Runs `body` as this node's part of the backward pass, for whoever wants to know.
    @inline(__always)
    final func named<Result>(_ body: () throws(CressetError) -> Result) throws(CressetError) -> Result {
        let state = threadState
        let previous = state.pointee.node
        state.pointee.node = Unmanaged.passUnretained(self).toOpaque()
        defer { state.pointee.node = previous }
        return try body()
    }

    /// The name of the operation whose gradients this thread is computing.
    static var current: String? {
        // (It is on this thread's stack for as long as it is named.)
        threadState.pointee.node.map { Unmanaged<Node>.fromOpaque($0).takeUnretainedValue().name }
    }

    /// For a backward through what was freed.
    final var releasedError: CressetError {
        CressetError(
            .autograd, op: name,
            "backward ran through this operation before and its saved tensors were freed; pass retainGraph: true "
                + "to the first backward")
    }

    /// Frees what was saved; a second backward is then an error.
    func release() { isReleased = true }

    deinit {
        // A long chain of nodes must not be freed recursively: unlink it step by step.
        var pending: [Node] = []
        Self.unlink(&edges, &pending)
        while let node = pending.popLast() { Self.unlink(&node.edges, &pending) }
    }

    /// Drops edges; nodes that nobody else holds and that have edges of their own go to `pending`.
    private static func unlink(_ edges: inout EdgeList, _ pending: inout [Node]) {
        for i in 0..<edges.count {
            guard var node = edges[i]?.node else { continue }
            edges[i] = nil
            if !node.edges.isEmpty && isKnownUniquelyReferenced(&node) { pending.append(node) }
        }
    }
}

/// A node whose backward is a closure over saved tensors.
final class ClosureNode: Node, @unchecked Sendable {
    typealias Body = @Sendable (_ gradients: [Tensor?], _ saved: [Tensor]) throws(CressetError) -> [Tensor?]
    private var saved: [SavedTensor]
    private let body: Body

    init(
        _ name: String, edges: [Edge?], outputCount: Int = 1, saved: [SavedTensor], body: @escaping Body
    ) {
        self.saved = saved
        self.body = body
        super.init(name, EdgeList(edges), outputCount: outputCount)
    }

    override func backward(_ gradients: [Tensor?]) throws(CressetError) -> [Tensor?] {
        guard !isReleased else { throw releasedError }
        return try body(gradients, saved.map { (x) throws(CressetError) in try x.unpack(for: self) })
    }

    override func release() {
        super.release()
        saved = []
    }

    /// Saves a tensor after the node was made, as its own results are.
    func save(_ tensor: SavedTensor) { saved.append(tensor) }
}

extension Tensor {
    /// Another handle on the same elements, with no gradient state.
    var detachedImpl: TensorImpl {
        let copy = TensorImpl(
            storage: impl.storage, shape: impl.shape, strides: impl.strides, offset: impl.offset, dtype: impl.dtype)
        copy.isInvalid = impl.isInvalid
        return copy
    }
}
