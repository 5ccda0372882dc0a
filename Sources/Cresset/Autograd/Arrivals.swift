/// The gradients that have arrived so far in a backward pass, by node; the node that was made last comes out first.
///
/// Nodes made later have higher numbers, so when one comes out everything behind it has run. It is a heap of places
/// in a list, with a hash table from nodes to places: one look-up an edge, and no node is visited ahead.
struct Arrivals {
    private var nodes: [Node] = []
    /// By node and result; emptied when the node comes out.
    private var gradients: [[Tensor?]] = []
    /// Places in both lists, each before its two followers (2i + 1, 2i + 2).
    private var heap: [Int32] = []
    /// Places by the hash of the node, with open addressing; -1: free. Its count is a power of two.
    private var table: [Int32] = Array(repeating: -1, count: 32)

    /// Adds a gradient to what has arrived at an edge.
    mutating func add(_ gradient: Tensor, at edge: Edge) throws(CressetError) {
        let slot = slot(of: edge.node)
        let place = Int(table[slot])
        guard place >= 0 else {
            var arrived = [Tensor?](repeating: nil, count: edge.node.outputCount)
            arrived[edge.index] = gradient
            table[slot] = Int32(nodes.count)
            push(edge.node, arrived)
            if nodes.count * 2 > table.count { grow() }
            return
        }
        // (A node that has run gets nothing more: all that it is an input of were made later.)
        guard edge.index < gradients[place].count else { return }
        guard let old = gradients[place][edge.index] else {
            gradients[place][edge.index] = gradient
            return
        }
        gradients[place][edge.index] = try Ops.add(old, gradient)
    }

    /// Takes out the node that was made last, nil if none is left.
    mutating func next() -> (node: Node, gradients: [Tensor?])? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        var arrived: [Tensor?] = []
        swap(&arrived, &gradients[Int(first)])
        return (nodes[Int(first)], arrived)
    }

    /// Where the node is in the table, or where it would be.
    private func slot(of node: Node) -> Int {
        let mask = table.count - 1
        // (Objects are 16 bytes apart at least; the multiplier is 2⁶⁴ over the golden ratio.)
        let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(node).toOpaque())) &>> 4
        var slot = Int(truncatingIfNeeded: (address &* 0x9E37_79B9_7F4A_7C15) &>> 32) & mask
        while true {
            let place = Int(table[slot])
            if place < 0 || nodes[place] === node { return slot }
            slot = (slot + 1) & mask
        }
    }

    private mutating func grow() {
        table = Array(repeating: -1, count: 4 * table.count)
        for (place, node) in nodes.enumerated() { table[slot(of: node)] = Int32(place) }
    }

    private func comesBefore(_ a: Int32, _ b: Int32) -> Bool {
        let (x, y) = (nodes[Int(a)].sequence, nodes[Int(b)].sequence)
        return x != y ? x > y : a < b
    }

    private mutating func push(_ node: Node, _ arrived: [Tensor?]) {
        heap.append(Int32(nodes.count))
        nodes.append(node)
        gradients.append(arrived)
        var i = heap.count - 1
        while i > 0, comesBefore(heap[i], heap[(i - 1) / 2]) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    private mutating func sink() {
        var i = 0
        while true {
            var best = i
            let (left, right) = (2 * i + 1, 2 * i + 2)
            if left < heap.count, comesBefore(heap[left], heap[best]) { best = left }
            if right < heap.count, comesBefore(heap[right], heap[best]) { best = right }
            if best == i { return }
            heap.swapAt(i, best)
            i = best
        }
    }
}
