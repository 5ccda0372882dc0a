import BackendKit
import CBackend

/// The functions a program may CALL: the portable maths, compiled for this processor.
enum PortableFunctions {
    static func call(_ function: Function, _ x: Float, _ y: Float) -> Float {
        cresset_call_f32(Int32(function.rawValue), x, y)
    }
    static func call(_ function: Function, _ x: Double, _ y: Double) -> Double {
        cresset_call_f64(Int32(function.rawValue), x, y)
    }
}
