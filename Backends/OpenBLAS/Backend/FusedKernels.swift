import BackendKit
import CBackend
import CPUKernels

/// Operations under their own names that rows of a tensor are enough for.
enum FusedKernels {
    private static let floats: Set<DType> = [.float16, .bfloat16, .float32, .float64]

    static let all: [Kernel] = softmax + norms + losses + orders

    private static let softmax: [Kernel] = [
        fused("aten::softmax.int", cpu_softmax),
        fused("aten::softmax_backward", cpu_softmax_backward),
        fused("aten::log_softmax.int", cpu_log_softmax),
        fused("aten::log_softmax_backward", cpu_log_softmax_backward),
        fused("aten::logsumexp", cpu_logsumexp),
    ]

    private static let norms: [Kernel] = [
        fused("aten::layer_norm", cpu_layer_norm),
        fused("aten::layer_norm_backward", supports: { rowsAreLong($0, last: 3) }, cpu_layer_norm_backward),
        fused("aten::rms_norm", cpu_rms_norm),
        fused("aten::rms_norm_backward", supports: { rowsAreLong($0, last: 3) }, cpu_rms_norm_backward),
        fused("aten::group_norm", supports: leavesRoom, cpu_group_norm),
        fused("aten::group_norm_backward", supports: groupsAreLong, cpu_group_norm_backward),
        fused("aten::batch_norm", supports: { trains($0, from: 0) }, cpu_batch_norm),
        fused("aten::batch_norm_backward", supports: { trains($0, from: 2) }, cpu_batch_norm_backward),
    ]

    private static let losses: [Kernel] = [
        fused("aten::cross_entropy_loss", supports: { isOfClasses($0, from: 0) }, cpu_cross_entropy),
        fused("aten::cross_entropy_loss_backward", supports: { isOfClasses($0, from: 2) }, cpu_cross_entropy_backward),
    ]

    private static let orders: [Kernel] = [
        Kernel(
            .override, op: "aten::cumsum", dtypes: floats.union([.int64]), supports: keepsDType, rawLaunch: cpu_cumsum),
        Kernel(
            .override, op: "aten::sort.stable", dtypes: Processor.dtypes, supports: isCountable, rawLaunch: cpu_sort),
        Kernel(
            .override, op: "aten::topk", dtypes: Processor.dtypes.subtracting([.bool]), supports: isCountable,
            rawLaunch: cpu_topk),
    ]

    private static func fused(
        _ op: String, supports: (@Sendable (Call) -> StaticString?)? = nil, _ launch: @escaping Kernel.RawLaunch
    ) -> Kernel {
        Kernel(.override, op: op, dtypes: floats, supports: supports, rawLaunch: launch)
    }

    private static let short: StaticString = "rows of one or two elements"

    /// Of one or two elements each step of a norm's gradient has one right result, and they cancel: another order
    /// of steps gives others. The argument of the given number says how many dims a row has.
    private static func rowsAreLong(_ call: Call, last shape: Int) -> StaticString? {
        guard let arguments = call.raw.pointee.arguments, call.raw.pointee.argument_count > shape else {
            return "malformed"
        }
        let list = arguments[shape]
        return (0..<Int(list.count)).reduce(1) { $0 * Int(list.ints[$1]) } > 2 ? nil : short
    }

    private static func groupsAreLong(_ call: Call) -> StaticString? {
        let x = call.input(1)
        guard let arguments = call.raw.pointee.arguments, x.rank >= 2, x.size(0) > 0 else { return "malformed" }
        if x.count / (x.size(0) * Int(arguments[3].integer)) <= 2 { return short }
        return leavesRoom(call)
    }

    /// Group norm sees the channels as two dims.
    private static func leavesRoom(_ call: Call) -> StaticString? {
        call.input(0).rank < Int(CRESSET_MAX_RANK) ? nil : "too many dims to divide one"
    }

    /// Evaluation is one pointwise program already. The arguments of batch norm start at the given one.
    private static func trains(_ call: Call, from first: Int) -> StaticString? {
        guard let arguments = call.raw.pointee.arguments, call.raw.pointee.argument_count >= first + 8 else {
            return "malformed"
        }
        let x = call.input(first == 0 ? 0 : 1)
        if first > 0 && (x.rank < 2 || x.count <= 2 * x.size(1)) { return short }
        return arguments[first + 5].integer != 0 ? nil : "running statistics need no sums"
    }

    private static func keepsDType(_ call: Call) -> StaticString? {
        call.input(0).dtype == call.output(0).dtype ? nil : "the dtype changes on the way"
    }

    /// Places of elements are 32 bits while they are sorted.
    private static func isCountable(_ call: Call) -> StaticString? {
        call.input(0).count <= Int(UInt32.max) ? nil : "too many elements"
    }

    /// Class indices without smoothing, one gradient at most, by arguments from the given one on: logits,
    /// target, weight, reduction, the index to ignore, label smoothing.
    private static func isOfClasses(_ call: Call, from first: Int) -> StaticString? {
        let arguments = call.raw.pointee.arguments
        guard let arguments, call.raw.pointee.argument_count >= first + 6 else { return "malformed" }
        let target = call.input(Int(arguments[first + 1].integer))
        if target.dtype.isFloatingPoint { return "the target holds probabilities" }
        if arguments[first + 5].number != 0 { return "labels are smoothed" }
        if first > 0 {
            let wanted = arguments[Int(call.raw.pointee.argument_count) - 1]
            guard let ints = wanted.ints, wanted.count >= 2, ints[0] == 1 else { return "no gradient of the logits" }
            if wanted.count > 2 && ints[2] != 0 { return "the gradient of the weight is wanted" }
        }
        return nil
    }
}
