import BackendKit

extension Exact {
    static func read(_ dtype: DType, from buffer: ReferenceBuffer, at places: [Int]) -> Block {
        dtype.accept(Read(base: UnsafeRawPointer(buffer.base), places: places))
    }

    static func write(_ lanes: Block, as dtype: DType, to buffer: ReferenceBuffer, at places: [Int]) {
        dtype.accept(Write(base: buffer.base, places: places, lanes: lanes))
    }

    static func scatter(
        _ reduction: ScatterReduction, _ dtype: DType, from source: ReferenceBuffer, at sourcePlaces: [Int],
        to target: ReferenceBuffer, at targetPlaces: [Int]
    ) {
        dtype.accept(
            Scatter(
                reduction: reduction, source: UnsafeRawPointer(source.base), sourcePlaces: sourcePlaces,
                target: target.base, targetPlaces: targetPlaces))
    }
}

// In each of these, every place is that of an element inside the buffer: a `CheckedCall` made sure.

private struct Read: ElementVisitor {
    var base: UnsafeRawPointer
    var places: [Int]

    func visit<E: Element>(_: E.Type) -> Block {
        E.Value.block(places.map { base.loadUnaligned(fromByteOffset: $0, as: E.self).widened })
    }
}

private struct Write: ElementVisitor {
    var base: UnsafeMutableRawPointer
    var places: [Int]
    var lanes: Block

    func visit<E: Element>(_: E.Type) {
        for (place, value) in zip(places, E.Value.values(of: lanes)) {
            base.storeBytes(of: E(narrowing: value), toByteOffset: place, as: E.self)
        }
    }
}

private struct Scatter: ElementVisitor {
    var reduction: ScatterReduction
    var source: UnsafeRawPointer
    var sourcePlaces: [Int]
    var target: UnsafeMutableRawPointer
    var targetPlaces: [Int]

    func visit<E: Element>(_: E.Type) {
        let combine = reduction.opcode.map { E.Value.combine($0) }
        for (from, to) in zip(sourcePlaces, targetPlaces) {
            let element = source.loadUnaligned(fromByteOffset: from, as: E.self)
            guard let combine else {
                // SET moves bits, so that a NaN stays the one it was.
                target.storeBytes(of: element, toByteOffset: to, as: E.self)
                continue
            }
            let old = target.loadUnaligned(fromByteOffset: to, as: E.self)
            target.storeBytes(
                of: E(narrowing: combine(old.widened, element.widened)), toByteOffset: to, as: E.self)
        }
    }
}

extension ScatterReduction {
    /// The instruction that combines what is there with what comes; nil for SET.
    var opcode: Opcode? {
        switch self {
        case .set: nil
        case .add: .add
        case .mul: .mul
        case .max: .max
        case .min: .min
        }
    }
}
