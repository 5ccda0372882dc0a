import ConformanceSuite
import Cresset

// Each device named on the command line gives the same answer, or the program says why not.
for name in CommandLine.arguments.dropFirst() {
    let device = try Device(name)
    let x = try catching { Tensor([1, 2, 3, 4] as [Float], shape: [2, 2], device: device) }
    let y = try catching { [Float]((x.matmul(x) + x).to(.cpu)) }
    precondition(y == [8, 12, 18, 26], "\(name) gives \(y)")
    // An operation of the stranger's own, in Softcap.swift.
    let capped = try catching { x.softcap(2.5) }
    let failures = try Conformance.run("outside::softcap", on: device).failures
    precondition(capped.shape == [2, 2] && failures.isEmpty, "\(name): \(failures)")
    print("\(name): \(y)")
}
