import BackendKit
import CBackend

extension Oracle {
    static func read(_ dtype: DType, from buffer: ReferenceBuffer, at places: [Int]) -> [Bounded] {
        var lanes = exact(Exact.read(dtype, from: buffer, at: places))
        for (i, place) in places.enumerated() {
            guard var known = buffer.shadow.value(dtype, at: place) else { continue }
            if known.isUncertain { (known.real, known.integer) = (lanes[i].real, lanes[i].integer) }
            lanes[i] = known
        }
        return lanes
    }

    static func write(_ lanes: [Bounded], as dtype: DType, to buffer: ReferenceBuffer, at places: [Int]) {
        Exact.write(block(lanes, dtype.arithmetic), as: dtype, to: buffer, at: places)
        for (place, value) in zip(places, lanes) {
            let stored = value.isExact ? nil : stored(value, as: dtype)
            buffer.shadow.set(stored, dtype, at: place)
        }
    }

    /// An inexact value after narrowing to `dtype`; nil if that made it exact.
    private static func stored(_ value: Bounded, as dtype: DType) -> Bounded? {
        if dtype == dtype.arithmetic.dtype || value.isUncertain { return value }
        let ins = Instruction(.narrow, dtype.arithmetic, dtype)
        let result = evaluate(ins, dtype.arithmetic, [[value]])[0]
        return result.isExact ? nil : result
    }

    static func scatter(
        _ reduction: ScatterReduction, _ dtype: DType, from source: ReferenceBuffer, at sourcePlaces: [Int],
        to target: ReferenceBuffer, at targetPlaces: [Int]
    ) {
        guard let opcode = reduction.opcode else {
            Exact.scatter(.set, dtype, from: source, at: sourcePlaces, to: target, at: targetPlaces)
            for (from, to) in zip(sourcePlaces, targetPlaces) {
                target.shadow.set(source.shadow.value(dtype, at: from), dtype, at: to)
            }
            return
        }
        let type = dtype.arithmetic
        for (from, to) in zip(sourcePlaces, targetPlaces) {
            let old = read(dtype, from: target, at: [to])
            let new = read(dtype, from: source, at: [from])
            write(evaluate(Instruction(opcode, type), type, [old, new]), as: dtype, to: target, at: [to])
        }
    }
}

extension Instruction {
    /// An instruction on values 0, 1 and 2.
    init(_ opcode: Opcode, _ type: ArithmeticType, _ dtype: DType = .bool) {
        self.init(
            raw: CressetInstruction(
                opcode: opcode.rawValue, type: type.rawValue, aux: dtype.rawValue, a: 0, b: 1, c: 2,
                imm: CressetScalar(i: 0)))
    }
}
