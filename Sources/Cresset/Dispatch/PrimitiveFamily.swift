import BackendKit

/// A family of work that a backend does, or that is made of the families it does.
package enum PrimitiveFamily: String, CaseIterable, Sendable {
    case pointwise, reduce, matmul, gather, scatter
    case scan, convolution, window, sort, compact
    case factor, fft

    /// True for the five that every backend has; the others have a default.
    package var isMinimum: Bool {
        switch self {
        case .pointwise, .reduce, .matmul, .gather, .scatter: true
        default: false
        }
    }

    /// True where the default computes on the host and copies the results back.
    package var hasHostDefault: Bool { self == .factor || self == .fft }

    /// The operations that are the family: a backend has it of its own if it has kernels for all of them.
    package var operators: [String] {
        switch self {
        case .pointwise, .reduce, .matmul, .gather, .scatter: []
        case .scan: ["aten::cumsum", "aten::cumprod", "aten::cummax", "aten::cummin", "aten::logcumsumexp"]
        case .convolution: ["aten::convolution"]
        case .window:
            (1...3).flatMap { ["aten::max_pool\($0)d_with_indices", "aten::avg_pool\($0)d"] }
        case .sort: ["aten::sort.stable", "aten::topk", "aten::kthvalue"]
        case .compact: ["aten::nonzero", "aten::masked_select"]
        case .factor:
            [
                "aten::linalg_cholesky_ex", "aten::linalg_lu_factor_ex", "aten::linalg_qr", "aten::linalg_eigh",
                "aten::linalg_eig", "aten::linalg_svd", "aten::linalg_solve_triangular",
            ]
        case .fft: ["aten::fft_fft", "aten::fft_ifft", "aten::fft_rfft", "aten::fft_irfft"]
        }
    }

    /// Why the family has nothing for a dtype.
    func absence(of dtype: DType) -> String {
        switch self {
        case .matmul, .convolution: "there is no product of bools"
        case .scan, .window, .sort, .reduce, .pointwise, .gather, .scatter, .compact:
            dtype.isComplex ? "complex numbers have no order" : "there are no windows over bools"
        case .factor: "factorisations are of float32, float64 and their complex dtypes, as LAPACK's"
        case .fft: "transforms are of float32, float64 and their complex dtypes; integers become float32"
        }
    }
}

/// How a device comes by a family for a dtype.
package enum FamilyStatus: Equatable, Sendable {
    /// The backend has kernels for it.
    case native
    /// Made of other families, on the device; some operations may have kernels of their own.
    case composed(native: [String])
    /// Computed on the host, and copied back.
    case host
    /// Not to be had, for a reason.
    case absent(String)
    /// It should be there and is not.
    case missing(String)
}

extension Registry {
    /// How `device` comes by each family for each dtype.
    package static func families(
        on device: Device
    ) throws(CressetError) -> [(family: PrimitiveFamily, dtype: DType, status: FamilyStatus)] {
        let entries = try entries(on: device)
        let held = Set(try device.properties.dtypes)
        func has(_ key: String, _ dtype: DType) -> Bool { entries.contains { $0.key == key && $0.dtype == dtype } }
        func status(_ family: PrimitiveFamily, _ dtype: DType) -> FamilyStatus {
            guard held.contains(dtype) else { return .absent("the device does not hold \(dtype)") }
            if family.isMinimum {
                if has(family.rawValue, dtype) { return .native }
                if dtype.isComplex { return .composed(native: []) }
                return family == .matmul && dtype == .bool
                    ? .absent(family.absence(of: dtype)) : .missing("no kernel is registered")
            }
            let declared = family.operators.compactMap(Operators.find).filter { $0.dtypes.contains(dtype) }
            if declared.isEmpty { return .absent(family.absence(of: dtype)) }
            let native = declared.map(\.name).filter { has($0, dtype) }
            if native.count == declared.count { return .native }
            return family.hasHostDefault ? .host : .composed(native: native)
        }
        return PrimitiveFamily.allCases.flatMap { family in
            DType.allCases.map { (family, $0, status(family, $0)) }
        }
    }
}
