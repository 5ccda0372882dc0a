import BackendKit

/// How a judge reads what the oracle knows: operations under their own names, of one tensor each.
///
/// - `cresset::oracle_value` (float64): the value before rounding to the tensor's dtype.
/// - `cresset::error_bound` (float64): right devices' results are within ± this of it; 0 is exact
///   (NaN must be NaN), infinity accepts anything.
/// - `cresset::oracle_flags` (uint8): bit 0, any value is acceptable; bit 1, so is infinity of the
///   value's sign.
///
/// And how a host that computed values itself says that of them nothing is known:
/// - `cresset::uncertain` (the tensor's dtype): the same elements, of which any value is acceptable.
extension Oracle {
    static var inspections: [Kernel] {
        [
            inspection("cresset::oracle_value", .float64) { lanes, type in
                .f64(lanes.map { $0.shown(type) })
            },
            inspection("cresset::error_bound", .float64) { lanes, type in
                .f64(lanes.map { $0.shownBound(type) })
            },
            inspection("cresset::oracle_flags", .uint8) { lanes, _ in
                .i32(lanes.map { Int32($0.flags.rawValue) })
            },
            Kernel(.override, op: "cresset::uncertain", dtypes: DType.computable) { _, call in
                let call = try CheckedCall(call)
                try require(
                    call.inputs.count == 1 && call.outputs.count == 1,
                    "cresset::uncertain takes one tensor and gives one")
                let (input, output) = (call.inputs[0], call.outputs[0])
                try require(
                    output.dtype == input.dtype && output.layout.shape == input.layout.shape,
                    "cresset::uncertain gives \(input.dtype) of shape \(input.layout.shape)")
                for range in blocks(of: output.layout.count) {
                    let lanes = input.read(Oracle.self, range).map { lane -> Bounded in
                        var lane = lane
                        lane.flags.insert(.uncertain)
                        return lane
                    }
                    output.write(Oracle.self, lanes, range)
                }
            },
        ]
    }

    private static func inspection(
        _ op: String, _ dtype: DType, _ show: @escaping @Sendable ([Bounded], ArithmeticType) -> Block
    ) -> Kernel {
        Kernel(.override, op: op, dtypes: DType.computable) { _, call in
            let call = try CheckedCall(call)
            try require(call.inputs.count == 1 && call.outputs.count == 1, "\(op) takes one tensor and gives one")
            let (input, output) = (call.inputs[0], call.outputs[0])
            try require(
                output.dtype == dtype && output.layout.shape == input.layout.shape,
                "\(op) gives \(dtype) of shape \(input.layout.shape)")
            for range in blocks(of: output.layout.count) {
                let lanes = input.read(Oracle.self, range)
                output.write(Oracle.self, exact(show(lanes, input.dtype.arithmetic)), range)
            }
        }
    }
}

extension Bounded {
    fileprivate func shown(_ type: ArithmeticType) -> Double { type.isFloat ? Double(real) : Double(integer) }

    /// Covers also what is lost when the value is shown as float64.
    fileprivate func shownBound(_ type: ArithmeticType) -> Double {
        if isUncertain { return .infinity }
        if isExact { return 0 }
        let value = type.isFloat ? real : Wide(integer)
        let total = bound + (value - Wide(shown(type))).magnitude
        return Wide(Double(total)) < total ? Double(total).nextUp : Double(total)
    }
}
