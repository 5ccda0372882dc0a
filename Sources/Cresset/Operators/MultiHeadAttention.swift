import BackendKit

extension Attention {
    /// The weights of attention with several heads.
    public struct Projections: Sendable {
        /// [3·embedding, embedding], of queries, keys and values in this order.
        public var inProjWeight: Tensor?
        public var inProjBias: Tensor?
        /// In place of `inProjWeight`, where keys and values have other sizes.
        public var qProjWeight: Tensor?
        public var kProjWeight: Tensor?
        public var vProjWeight: Tensor?
        public var outProjWeight: Tensor
        public var outProjBias: Tensor?
        /// One more key and value for all, [1, 1, embedding].
        public var biasK: Tensor?
        public var biasV: Tensor?

        public init(
            inProjWeight: Tensor? = nil, inProjBias: Tensor? = nil, qProjWeight: Tensor? = nil,
            kProjWeight: Tensor? = nil, vProjWeight: Tensor? = nil, outProjWeight: Tensor,
            outProjBias: Tensor? = nil, biasK: Tensor? = nil, biasV: Tensor? = nil
        ) {
            (self.inProjWeight, self.inProjBias) = (inProjWeight, inProjBias)
            (self.qProjWeight, self.kProjWeight, self.vProjWeight) = (qProjWeight, kProjWeight, vProjWeight)
            (self.outProjWeight, self.outProjBias) = (outProjWeight, outProjBias)
            (self.biasK, self.biasV) = (biasK, biasV)
        }
    }
}
