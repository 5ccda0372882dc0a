import Cresset
import Glibc
import Testing

/// Factorisations and what is made of them.
@Suite struct LinearAlgebraTests {
    private func matrix(_ values: [Double], _ shape: Shape) -> Tensor {
        Tensor(values, shape: shape, device: .reference)
    }

    private func isNear(_ x: Tensor, _ values: [Double], _ tolerance: Double = 1e-12) -> Bool {
        let got = [Double](x.detach().to(.float64))
        return got.count == values.count && zip(got, values).allSatisfy { abs($0 - $1) <= tolerance }
    }

    // MARK: Values

    @Test func factorsByHand() {
        let a = matrix([4, 2, 2, 3], [2, 2])
        #expect(isNear(linalg.cholesky(a), [2, 0, 1, sqrt(2.0)]))
        #expect(isNear(linalg.cholesky(a, upper: true), [2, 1, 0, sqrt(2.0)]))
        #expect(isNear(linalg.eigvalsh(matrix([2, 1, 1, 2], [2, 2])), [1, 3]))
        #expect(isNear(linalg.svdvals(matrix([3, 0, 0, -2], [2, 2])), [3, 2]))
        let (p, l, u) = linalg.lu(matrix([0, 1, 2, 3], [2, 2]))
        #expect(isNear(p, [0, 1, 1, 0]) && isNear(l, [1, 0, 0, 1]) && isNear(u, [2, 3, 0, 1]))
        let (q, r) = linalg.qr(matrix([3, 1, 4, 1], [2, 2]))
        #expect(isNear(q.matmul(r), [3, 1, 4, 1], 1e-14) && isNear(q.mT.matmul(q), [1, 0, 0, 1], 1e-14))
        #expect(abs([Double](r)[0]) - 5 < 1e-14)
    }

    @Test func systemsAndDeterminants() {
        let a = matrix([2, 1, 1, 3], [2, 2])
        #expect(isNear(linalg.solve(a, matrix([3, 5], [2])), [0.8, 1.4]))
        #expect(isNear(linalg.solve(a, matrix([3, 5], [1, 2]), left: false), [0.8, 1.4]))
        #expect(isNear(linalg.inv(a), [0.6, -0.2, -0.2, 0.4]))
        #expect(isNear(linalg.det(a), [5]) && isNear(a.logdet(), [log(5)]))
        let (sign, size) = linalg.slogdet(matrix([0, 1, 1, 0], [2, 2]))
        #expect(isNear(sign, [-1]) && isNear(size, [0]))
        #expect(isNear(linalg.det(Tensor.zeros([0, 0], dtype: .float64, device: .reference)), [1]))
        // The best line through (0, 1), (1, 3), (2, 5), (3, 7).
        let line = matrix([1, 0, 1, 1, 1, 2, 1, 3], [4, 2])
        for driver in LeastSquaresDriver.allCases {
            let (x, _, rank, _) = linalg.lstsq(line, matrix([1, 3, 5, 7], [4, 1]), driver: driver)
            #expect(isNear(x, [1, 2], 1e-12) && (driver == .gels || rank.itemInt() == 2), "\(driver)")
        }
        #expect(isNear(linalg.pinv(matrix([1, 0, 0, 0, 2, 0], [2, 3])), [1, 0, 0, 0.5, 0, 0]))
        #expect(linalg.matrixRank(matrix([1, 2, 2, 4], [2, 2])).itemInt() == 1)
        #expect(isNear(linalg.cond(matrix([4, 0, 0, 0.5], [2, 2])), [8]))
    }

    @Test func functionsAndProducts() {
        let shift = matrix([0, 1, 0, 0], [2, 2])
        #expect(isNear(linalg.matrixExp(shift), [1, 1, 0, 1]))
        #expect(isNear(linalg.matrixExp(matrix([3, 0, 0, -20], [2, 2])), [exp(3), 0, 0, exp(-20)], 1e-13))
        let a = matrix([1, 1, 0, 2], [2, 2])
        #expect(
            isNear(linalg.matrixPower(a, 3), [1, 7, 0, 8]) && isNear(linalg.matrixPower(a, -1), [1, -0.5, 0, 0.5]))
        #expect(isNear(linalg.matrixSqrth(matrix([2, 0, 0, 9], [2, 2])), [sqrt(2.0), 0, 0, 3]))
        let (u, h) = linalg.polar(matrix([0, -2, 3, 0], [2, 2]))
        #expect(isNear(u, [0, -1, 1, 0]) && isNear(h, [3, 0, 0, 2]))
        let (x, y) = (make([1, 2, 3]), make([4, 5, 6]))
        #expect(elements(x.cross(y)) == [-3, 6, -3] && x.dot(y).item() == 32)
        #expect(elements(x.outer(y)) == [4, 5, 6, 8, 10, 12, 12, 15, 18])
        #expect(elements(make([1, 2]).kron(make([1, 10]))) == [1, 10, 2, 20])
        let m = make([1, 2, 3, 4], [2, 2])
        #expect(m.trace().item() == 5 && elements(einsum("ii->i", m)) == [1, 4])
        #expect(elements(einsum("ij,jk->ki", m, m)) == [7, 15, 10, 22])
        #expect(elements(Tensor.zeros([2, 2], device: .reference).addmm(m, m, beta: 0, alpha: 2)) == [14, 20, 30, 44])
        let nan = Tensor.full([2, 2], .double(.nan), dtype: .float32, device: .reference)
        #expect(elements(nan.addmm(m, m, beta: 0)) == [7, 10, 15, 22], "nothing of what is multiplied by 0")
        #expect(elements(linalg.vander(make([2, 3]), n: 3)) == [1, 2, 4, 1, 3, 9])
        #expect(linalg.multiDot([x, make([1, 1, 1, 1, 1, 1], [3, 2]), make([1, 1])]).item() == 12)
        #expect(linalg.norm(make([3, 4])).item() == 5 && linalg.matrixNorm(m, ord: .order(1)).item() == 6)
    }

    @Test func complexEigenvalues() throws {
        let (w, v) = linalg.eig(matrix([0, -1, 1, 0], [2, 2]))
        #expect(w.dtype == .complex128)
        let values = [Double](w.imag.contiguous()).sorted()
        #expect(abs(values[0] + 1) < 1e-14 && abs(values[1] - 1) < 1e-14)
        let rest = matrix([0, -1, 1, 0], [2, 2]).to(.complex128).matmul(v) - v * w.unsqueeze(0)
        #expect(rest.abs().max().item() < 1e-14)
    }

    /// Every element of the batch by itself, in every layout.
    @Test func batchesAndLayouts() {
        var g = SampleMaker(dtype: .float64, seed: 3)
        let a = g.tensor([2, 3, 4, 4], -1, 1) + 3 * Tensor.eye(4, dtype: .float64, device: .reference)
        let whole = linalg.inv(a.transpose(0, 1))
        for i in 0..<3 {
            for j in 0..<2 {
                let one = linalg.inv(a.select(0, j).select(0, i))
                #expect([Double](whole.select(0, i).select(0, j)) == [Double](one))
            }
        }
        #expect(linalg.svd(Tensor.zeros([0, 3, 2], device: .reference)).u.shape == [0, 3, 3])
    }

    // MARK: Errors

    @Test func wrongCallsAreNamed() throws {
        func message(_ body: () -> Void) throws -> String {
            try #require(refusal { try catching { body() } }).description
        }
        let bad = matrix([1, 0, 0, 1, 1, 2, 2, 1], [2, 2, 2])
        let cholesky = try message { _ = linalg.cholesky(bad) }
        #expect(cholesky.contains("linalg_cholesky: batch element 1: ") && cholesky.contains("order 2"), "\(cholesky)")
        let singular = try message { _ = linalg.inv(matrix([1, 2, 2, 4], [2, 2])) }
        #expect(singular.contains("singular: U's element (2, 2) is 0"), "\(singular)")
        #expect(try message { _ = linalg.solve(matrix([1, 2], [1, 2]), matrix([1], [1])) }.contains("square"))
        #expect(try message { _ = linalg.svd(make([1]).half().reshape([1, 1])) }.contains("narrow floats"))
        #expect(
            try message { _ = linalg.det(Tensor([1], shape: [1, 1], device: .reference)) }.contains("floating-point"))
        let nan = try message { _ = linalg.svd(Tensor.full([1, 2, 2], .double(.nan), device: .reference)) }
        #expect(nan.contains("batch element 0") && nan.contains("NaN"))
        #expect(
            try message { _ = einsum("ij,jk->iz", make([1], [1, 1]), make([1], [1, 1])) }.contains("no operand has"))
        #expect(
            try message { _ = Tensor.zeros([3, 2], device: .reference).addmm(make([1], [1, 1]), make([1], [1, 1])) }
                .contains("[1, 1]"))
        let complete = linalg.qr(matrix([1, 2, 3, 4, 5, 7], [3, 2]).requiresGrad_(), mode: .complete)
        #expect(try message { complete.r.sum().backward() }.contains("complete"))
        // What `_ex` forms tell instead.
        #expect([Int32](linalg.choleskyEx(bad).info) == [0, 2])
        #expect(try message { _ = linalg.choleskyEx(bad, checkErrors: true) }.contains("batch element 1"))
    }

    @Test func pivotsAreChecked() throws {
        let lu = Tensor.eye(2, device: .reference)
        let wild = Tensor([1, 7] as [Int32], device: .reference)
        let error = try #require(refusal { _ = try catching { Tensor.luUnpack(lu, wild) } })
        #expect(error.message.contains("pivot 1 is 7"))
        #expect(refusal { _ = try catching { linalg.ldlSolve(lu, wild, lu) } } != nil)
    }

    /// A library that cannot be opened is told with what installs one, by the operation that wanted it.
    @Test func aMissingLibraryIsTold() async {
        await #expect(processExitsWith: .success) {
            setenv("CRESSET_LAPACK", "/nowhere/liblapack.so", 1)
            let error = refusal { _ = try catching { linalg.inv(Tensor.eye(2, device: .reference)) } }
            let isTold =
                error?.kind == .unsupported && error?.message.contains("apt install libopenblas0") == true
                && error?.message.contains("/nowhere/liblapack.so") == true
            // Products need no LAPACK.
            let product = Tensor.eye(2, device: .reference).mm(Tensor.eye(2, device: .reference)).trace().item()
            exit(isTold && product == 2 ? 0 : 1)
        }
        await #expect(processExitsWith: .success) {
            setenv("CRESSET_LAPACK", "none", 1)
            let error = refusal { _ = try catching { linalg.svdvals(Tensor.eye(2, device: .reference)) } }
            exit(error?.message.contains("CRESSET_LAPACK=none") == true ? 0 : 1)
        }
    }

    @Test func theMatrixSaysHost() throws {
        for name in [
            "linalg_svd", "linalg_eigh", "linalg_lu_factor_ex", "linalg_cholesky_ex", "linalg_qr", "linalg_eig",
        ] {
            let op = try #require(Operators.find(name))
            #expect(op.composition.contains("factor") && op.isOverridable, "\(name)")
        }
    }

    // MARK: Gradients

    /// Σ w·y with fixed weights.
    private func loss(_ y: Tensor) -> Tensor {
        var g = SampleMaker(dtype: .float64, seed: 5)
        return (y * g.tensor(y.shape, 0.5, 1.5)).sum()
    }

    /// First and second derivatives against central differences.
    private func check(_ name: String, _ x: Tensor, _ f: (Tensor) -> Tensor) throws {
        func first(_ values: [Double], create: Bool) throws -> (x: Tensor, gradient: Tensor) {
            let leaf = matrix(values, x.shape).requiresGrad_()
            return (leaf, try #require(try grad([loss(f(leaf))], [leaf], createGraph: create)[0]))
        }
        let start = [Double](x)
        let (leaf, gradient) = try first(start, create: true)
        let second = try #require(try grad([loss(gradient)], [leaf])[0])
        let (g1, g2) = ([Double](gradient.detach()), [Double](second))
        let step = 1e-6
        for i in start.indices {
            var (up, down) = (start, start)
            up[i] += step
            down[i] -= step
            let values = (loss(f(matrix(up, x.shape))).item(), loss(f(matrix(down, x.shape))).item())
            let difference = (values.0 - values.1) / (2 * step)
            #expect(abs(g1[i] - difference) <= 1e-5 + 1e-4 * abs(difference), "\(name) at \(i)")
            let slopes = (
                loss(try first(up, create: false).gradient).item(), loss(try first(down, create: false).gradient).item()
            )
            let curvature = (slopes.0 - slopes.1) / (2 * step)
            #expect(abs(g2[i] - curvature) <= 1e-4 + 1e-3 * abs(curvature), "\(name), second, at \(i)")
        }
    }

    @Test func derivativesOfBothOrders() throws {
        let a = matrix([2, 0.3, -0.4, 0.1, 1.7, 0.5, 0.6, -0.2, 2.4], [3, 3])
        let tall = matrix([2, 0.3, -0.4, 1.1, 0.7, 0.5], [3, 2])
        func symmetric(_ x: Tensor) -> Tensor { (x + x.mT) * 0.5 }
        try check("inv", a) { linalg.inv($0) }
        try check("det", a) { linalg.det($0) }
        try check("slogdet", a) { linalg.slogdet($0).logabsdet }
        try check("solve", a) { linalg.solve($0, $0.square()) }
        try check("lu", a) {
            let (_, l, u) = linalg.lu($0); return l + u
        }
        try check("lu of a tall matrix", tall) { linalg.luFactor($0).lu }
        try check("cholesky", a) { linalg.cholesky($0.matmul($0.mT)) }
        try check("qr", tall) { linalg.qr($0).q.square() }
        try check("eigh", a) {
            let (w, v) = linalg.eigh(symmetric($0)); return v.square() * w
        }
        try check("svd", tall) {
            let (u, s, vh) = linalg.svd($0, fullMatrices: false); return (u * s).matmul(vh.square())
        }
        try check("pinv", tall) { linalg.pinv($0) }
        try check("lstsq", tall) { linalg.lstsq($0, $0.square(), driver: .gels).solution }
        try check("matrix_exp", a) { linalg.matrixExp($0) }
        try check("sqrth", a) { linalg.matrixSqrth(symmetric($0).matmul(symmetric($0))) }
        try check("polar", tall) { linalg.polar($0).h }
        try check("eig", a) { linalg.eig($0).eigenvalues.abs().square().sum() }
        try check("norm", tall) { linalg.vectorNorm($0, ord: 3, dim: [0]) }
        try check("nuclear norm", tall) { linalg.matrixNorm($0, ord: .nuclear) }
    }

    /// Where A⁻¹ does not exist, the derivative of the determinant is the matrix of cofactors.
    @Test func determinantsOfSingularMatrices() throws {
        let a = matrix([1, 2, 2, 4], [2, 2]).requiresGrad_()
        linalg.det(a).backward()
        #expect(isNear(try #require(a.grad), [4, -2, -2, 1], 1e-12))
    }
}
