import BackendKit
import CBackend

/// What a value is and how instructions act on it.
///
/// The families are written once, over this: `Exact` is the reference device, whose values are plain
/// numbers; `Oracle` is the device whose values carry a bound on what rounding may do to them.
protocol Semantics: SendableMetatype {
    /// The values one instruction (or tensor) has for some elements, all of one arithmetic type.
    associatedtype Lanes

    static func read(_ dtype: DType, from buffer: ReferenceBuffer, at places: [Int]) -> Lanes
    /// Narrows to `dtype` and stores.
    static func write(_ lanes: Lanes, as dtype: DType, to buffer: ReferenceBuffer, at places: [Int])
    /// One element after another: combines the one in `source` with the one in `target`.
    static func scatter(
        _ reduction: ScatterReduction, _ dtype: DType, from source: ReferenceBuffer, at sourcePlaces: [Int],
        to target: ReferenceBuffer, at targetPlaces: [Int])

    static func repeating(_ scalar: CressetScalar, _ type: ArithmeticType, count: Int) -> Lanes
    static func integers(_ values: [Int]) -> Lanes
    static func joined(_ parts: [Lanes], _ type: ArithmeticType) -> Lanes

    /// The result of an instruction that computes; its operands are of `type`, or of the types its
    /// opcode demands.
    static func evaluate(_ ins: Instruction, _ type: ArithmeticType, _ operands: [Lanes]) -> Lanes
    /// All lanes become one.
    static func reduce(_ kind: Reduction, _ type: ArithmeticType, _ lanes: Lanes) -> Lanes
    /// Σ xᵢ yᵢ, one lane.
    static func dot(_ type: ArithmeticType, _ x: Lanes, _ y: Lanes) -> Lanes
}
