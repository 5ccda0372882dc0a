import BackendKit
import CBackend

/// The reference backend's table; it is linked in and entered here, as a plugin is by its own entry.
@_cdecl("cresset_reference_query")
public func cressetReferenceQuery(_ oldest: UInt32, _ newest: UInt32) -> UnsafePointer<CressetBackend>? {
    BackendTable.make(ReferenceBackend.self, oldest: oldest, newest: newest)
}

/// The definition of what each primitive means, in the plainest Swift.
///
/// Device 0 does what the header says, in the types it says. Device 1, the oracle, computes the same
/// with bounds on what rounding may do, so that other devices can be judged.
final class ReferenceBackend: Backend {
    static let name = "reference"
    static let version = "1.0"

    func start(_ services: Services) throws {}

    func devices() throws -> [DeviceDescription] { [0, 1].map(Self.description) }

    func open(_ index: Int) throws -> any BackendDevice {
        switch index {
        case 0: return ReferenceDevice(isHostVisible: true, kernels: Families<Exact>.kernels)
        case 1: return ReferenceDevice(isHostVisible: false, kernels: Families<Oracle>.kernels + Oracle.inspections)
        default: throw BackendError(.invalid, "there are devices 0 and 1, not \(index)")
        }
    }

    private static func description(_ index: Int) -> DeviceDescription {
        DeviceDescription(
            name: index == 0 ? "reference" : "oracle",
            driver: "reference \(version)",
            // The host must not write where the oracle's bounds would not notice.
            flags: index == 0 ? [.software, .unifiedMemory, .hostVisible, .synchronous] : [.software, .synchronous],
            memoryBytes: UInt64(physicalMemory), maxAllocationBytes: UInt64(physicalMemory),
            dtypes: DType.computable)
    }
}

final class ReferenceDevice: BackendDevice {
    private let isHostVisible: Bool
    let kernels: [Kernel]

    init(isHostVisible: Bool, kernels: [Kernel]) {
        self.isHostVisible = isHostVisible
        self.kernels = kernels
    }

    func allocate(_ bytes: Int) throws -> any BackendBuffer {
        try ReferenceBuffer(bytes, isHostVisible: isHostVisible)
    }

    func makeQueue() throws -> any BackendQueue { ReferenceQueue() }
}
