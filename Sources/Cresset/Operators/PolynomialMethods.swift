/// Orthogonal polynomials at self, of degree n.
extension Tensor {
    /// Chebyshev's polynomials of the first kind (`torch.special.chebyshev_polynomial_t`).
    public func chebyshevPolynomialT(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevT(self, n) }
    }
    /// The same as `chebyshevPolynomialT` of a tensor, with a number.
    public func chebyshevPolynomialT(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevT(self, n) }
    }
    /// Chebyshev's polynomials of the second kind (`torch.special.chebyshev_polynomial_u`).
    public func chebyshevPolynomialU(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevU(self, n) }
    }
    /// The same as `chebyshevPolynomialU` of a tensor, with a number.
    public func chebyshevPolynomialU(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevU(self, n) }
    }
    /// Chebyshev's polynomials of the third kind (`torch.special.chebyshev_polynomial_v`).
    public func chebyshevPolynomialV(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevV(self, n) }
    }
    /// The same as `chebyshevPolynomialV` of a tensor, with a number.
    public func chebyshevPolynomialV(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevV(self, n) }
    }
    /// Chebyshev's polynomials of the fourth kind (`torch.special.chebyshev_polynomial_w`).
    public func chebyshevPolynomialW(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevW(self, n) }
    }
    /// The same as `chebyshevPolynomialW` of a tensor, with a number.
    public func chebyshevPolynomialW(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.chebyshevW(self, n) }
    }
    /// T of 2x - 1 (`torch.special.shifted_chebyshev_polynomial_t`).
    public func shiftedChebyshevPolynomialT(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevT(self, n) }
    }
    /// The same as `shiftedChebyshevPolynomialT` of a tensor, with a number.
    public func shiftedChebyshevPolynomialT(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevT(self, n) }
    }
    /// U of 2x - 1 (`torch.special.shifted_chebyshev_polynomial_u`).
    public func shiftedChebyshevPolynomialU(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevU(self, n) }
    }
    /// The same as `shiftedChebyshevPolynomialU` of a tensor, with a number.
    public func shiftedChebyshevPolynomialU(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevU(self, n) }
    }
    /// V of 2x - 1 (`torch.special.shifted_chebyshev_polynomial_v`).
    public func shiftedChebyshevPolynomialV(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevV(self, n) }
    }
    /// The same as `shiftedChebyshevPolynomialV` of a tensor, with a number.
    public func shiftedChebyshevPolynomialV(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevV(self, n) }
    }
    /// W of 2x - 1 (`torch.special.shifted_chebyshev_polynomial_w`).
    public func shiftedChebyshevPolynomialW(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevW(self, n) }
    }
    /// The same as `shiftedChebyshevPolynomialW` of a tensor, with a number.
    public func shiftedChebyshevPolynomialW(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.shiftedChebyshevW(self, n) }
    }
    /// Hermite's polynomials, the physicists' (`torch.special.hermite_polynomial_h`).
    public func hermitePolynomialH(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.hermiteH(self, n) }
    }
    /// The same as `hermitePolynomialH` of a tensor, with a number.
    public func hermitePolynomialH(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.hermiteH(self, n) }
    }
    /// Hermite's polynomials, the statisticians' (`torch.special.hermite_polynomial_he`).
    public func hermitePolynomialHe(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.hermiteHe(self, n) }
    }
    /// The same as `hermitePolynomialHe` of a tensor, with a number.
    public func hermitePolynomialHe(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.hermiteHe(self, n) }
    }
    /// Laguerre's polynomials (`torch.special.laguerre_polynomial_l`).
    public func laguerrePolynomialL(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.laguerreL(self, n) }
    }
    /// The same as `laguerrePolynomialL` of a tensor, with a number.
    public func laguerrePolynomialL(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.laguerreL(self, n) }
    }
    /// Legendre's polynomials (`torch.special.legendre_polynomial_p`).
    public func legendrePolynomialP(_ n: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.legendreP(self, n) }
    }
    /// The same as `legendrePolynomialP` of a tensor, with a number.
    public func legendrePolynomialP(_ n: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Polynomial.legendreP(self, n) }
    }
}
