import BackendKit
import CBackend
import CPUKernels

/// The entry point of the plugin.
@_cdecl("cresset_backend_query")
public func query(_ oldest: UInt32, _ newest: UInt32) -> UnsafePointer<CressetBackend>? {
    BackendTable.make(OpenBLASBackend.self, oldest: oldest, newest: newest)
}

/// The processor itself: kernels in C for its widest vectors; where those have no fast products, OpenBLAS.
///
/// Options: `cpu_isa` names a lower instruction set ("scalar", "avx2"); `blas` is "own" or "openblas", which without it is
/// used where the own kernels are not the faster ones.
final class OpenBLASBackend: Backend {
    static let name = "cpu"
    static let version = "1.0"

    init() {}

    func start(_ services: Services) throws {
        let isa = services.option("cpu_isa")
        let blas = services.option("blas")
        // Both strings are read during the call only; the answer lives for good.
        if let notice = cpu_start(isa, blas, UInt32(max(services.threadCount, 1))) {
            services.log(.notice, "cpu: " + String(cString: notice))
        }
    }

    func devices() throws -> [DeviceDescription] { [Processor.description] }

    func open(_ index: Int) throws -> any BackendDevice {
        guard index == 0 else { throw BackendError(.invalid, "there is one cpu, not number \(index)") }
        return Processor()
    }

    func setThreadCount(_ count: Int) { cpu_set_thread_count(UInt32(clamping: max(count, 1))) }
}
