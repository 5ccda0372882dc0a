import BackendKit
import CPUKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The one device: this machine's processor and memory.
final class Processor: BackendDevice {
    static let dtypes = Set(DType.allCases.filter { !$0.isComplex })

    static var description: DeviceDescription {
        let memory = cpu_physical_memory()
        return DeviceDescription(
            name: modelName ?? "cpu",
            driver: "\(String(cString: cpu_isa_name())), \(String(cString: cpu_blas_name()))",
            flags: [.hostVisible, .unifiedMemory, .synchronous, .concurrent], memoryBytes: memory,
            maxAllocationBytes: memory, dtypes: dtypes)
    }

    /// What /proc/cpuinfo calls the first processor.
    private static var modelName: String? {
        guard let file = fopen("/proc/cpuinfo", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            guard text.hasPrefix("model name"), let colon = text.firstIndex(of: ":") else { continue }
            return String(text[colon...].dropFirst().drop { $0 == " " }.prefix { $0 != "\n" })
        }
        return nil
    }

    let kernels: [Kernel] =
        [
            Kernel(.pointwise, dtypes: dtypes, rawLaunch: cpu_pointwise),
            Kernel(.reduce, dtypes: dtypes, rawLaunch: cpu_reduce),
            Kernel(.matmul, dtypes: dtypes.subtracting([.bool]), rawLaunch: cpu_matmul),
            Kernel(.gather, dtypes: dtypes, rawLaunch: cpu_gather),
            Kernel(.scatter, dtypes: dtypes, rawLaunch: cpu_scatter),
        ] + FusedKernels.all + ConvolutionKernels.all + ProductKernels.all

    func allocate(_ bytes: Int) throws -> any BackendBuffer { try Block(bytes) }

    func makeQueue() throws -> any BackendQueue { ProcessorQueue() }

    func prepare(_ calls: [Call]) throws {
        for call in calls {
            for program in [call.program, call.epilogue] {
                if let program, let error = BackendError(consuming: cpu_prepare(program.raw)) { throw error }
            }
        }
    }

    var compileCount: Int { Int(cpu_compile_count()) }
}

/// A block of memory.
final class Block: BackendBuffer {
    // The block lives as long as this object, which alone frees it.
    private let address: UnsafeMutableRawPointer
    let count: Int

    init(_ bytes: Int) throws {
        guard bytes >= 0, let address = cpu_allocate(UInt64(bytes)) else {
            throw BackendError(
                .outOfMemory, "no memory for \(bytes) bytes, of \(cpu_physical_memory()) that the machine has")
        }
        self.address = address
        self.count = bytes
    }

    deinit { cpu_deallocate(address, UInt64(count)) }

    var hostAddress: UnsafeMutableRawPointer? { address }

    /// The address of `bytes` bytes from `offset` on, which must lie within the block.
    func range(_ offset: Int, _ bytes: Int) throws -> UnsafeMutableRawPointer {
        guard offset >= 0, bytes >= 0, offset <= count, bytes <= count - offset else {
            throw BackendError(.invalid, "\(bytes) bytes at offset \(offset) of a buffer of \(count)")
        }
        return address + offset
    }
}
