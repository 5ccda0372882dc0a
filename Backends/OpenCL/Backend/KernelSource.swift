import BackendKit
import COpenCL
import Synchronization

/// What tells compiled kernels of a process apart. Sizes, strides, offsets and params never do.
struct KernelKey: Hashable {
    var family: Family
    /// Ids of programs, -1 for none.
    var program = -1
    var epilogue = -1
    /// How many inputs, outputs and params the call has. A program may leave some of them unread, so that
    /// calls with more and with fewer of them have the same one.
    var operands: UInt64 = 0
    /// How tensors are stepped through.
    var steps: UInt64 = 0
    var moreSteps: UInt64 = 0
    /// dtypes, buckets of ranks and whatever else the template bakes in.
    var shape: UInt64 = 0
}

extension KernelKey {
    init(
        family: Family, program: Int, epilogue: Int = -1, operands call: Call, steps: UInt64, moreSteps: UInt64 = 0,
        shape: UInt64
    ) {
        self.init(
            family: family, program: program, epilogue: epilogue,
            operands: UInt64(call.inputCount) | UInt64(call.outputCount) << 8 | UInt64(call.paramCount) << 16,
            steps: steps, moreSteps: moreSteps, shape: shape)
    }
}

/// The text of a function that a kernel calls for each work item, and what it calls itself.
struct KernelSource {
    struct Body {
        /// Of the function.
        var name: String
        /// Types of its arguments but the last, all pointers to global memory.
        var memory: [String]
        /// The last argument points to so many words.
        var blobWords: Int
        var blobIsByValue: Bool
        var group: Group
    }
    var text: String
    var body: Body
}

/// The size of a work group. It is part of a kernel's text: drivers that compile for it then do so
/// once, and their binaries hold the result.
struct Group: Hashable {
    var x: Int
    var y = 1

    var attribute: String { "__attribute__((reqd_work_group_size(\(x), \(y), 1)))" }
}

/// Something a launch needs compiled.
struct KernelRequest {
    var key: KernelKey
    /// The same in every process.
    var name: String
    var make: (_ name: String) -> KernelSource

    init(_ key: KernelKey, programs: [Program?] = [], make: @escaping (_ name: String) -> KernelSource) {
        self.key = key
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ word: UInt64) {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                hash = (hash ^ (word >> shift & 0xff)) &* 0x100_0000_01b3
            }
        }
        mix(UInt64(key.family.rawValue))
        mix(key.operands)
        mix(key.steps)
        mix(key.moreSteps)
        mix(key.shape)
        for program in programs { mix(program?.hash ?? 0) }
        name = "\(key.family)_\(String(hash, radix: 16))"
        self.make = make
    }
}

/// A kernel ready to be launched.
struct CompiledKernel {
    let shared: SharedKernel
    /// Which of the kernel's bodies is meant.
    let which: Int32
    /// Words of the blob; 0 where it goes through a buffer.
    let blobWords: Int
    let group: Group
}

/// The arguments of a kernel are part of it, so one launch at a time sets them.
final class SharedKernel: @unchecked Sendable {
    // Whoever sets arguments and launches holds `lock`; OpenCL lets any thread do so.
    let kernel: cl_kernel
    let lock = Mutex(())

    // It lives as long as the device.
    init(_ kernel: cl_kernel) { self.kernel = kernel }
}
