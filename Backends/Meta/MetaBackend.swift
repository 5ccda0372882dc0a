import BackendKit
import CBackend

/// The table of the meta backend, which is linked in.
@_cdecl("cresset_meta_query")
public func cressetMetaQuery(_ oldest: UInt32, _ newest: UInt32) -> UnsafePointer<CressetBackend>? {
    BackendTable.make(MetaBackend.self, oldest: oldest, newest: newest)
}

/// A device whose tensors have shape, dtype and device but no data.
///
/// It accepts every launch and computes nothing, so that calls go the way they go on any device up to their
/// kernels: what is checked there is checked here, and results have the shapes and dtypes they have there.
final class MetaBackend: Backend {
    static let name = "meta"
    static let version = "1.0"

    func start(_ services: Services) throws {}

    func devices() throws -> [DeviceDescription] {
        // A tensor may be as large as offsets in bytes can say.
        let limit = UInt64(1) << 62
        return [
            DeviceDescription(
                name: "meta", driver: "meta \(Self.version)", flags: [.synchronous], memoryBytes: limit,
                maxAllocationBytes: limit, dtypes: MetaDevice.dtypes)
        ]
    }

    func open(_ index: Int) throws -> any BackendDevice { MetaDevice() }
}

final class MetaDevice: BackendDevice {
    /// Complex tensors are tensors of pairs; no backend hears of them.
    static let dtypes = Set(DType.allCases.filter { !$0.isComplex })

    var kernels: [Kernel] {
        Family.primitives.map { family in
            Kernel(family, dtypes: family == .matmul ? Self.dtypes.subtracting([.bool]) : Self.dtypes) { _, _ in }
        }
    }

    func allocate(_ bytes: Int) throws -> any BackendBuffer { MetaBuffer() }
    func makeQueue() throws -> any BackendQueue { MetaQueue() }
}

/// Nothing, of any size.
final class MetaBuffer: BackendBuffer {
    var hostAddress: UnsafeMutableRawPointer? { nil }
}

final class MetaQueue: BackendQueue {
    func copyIn(_ source: UnsafeRawBufferPointer, to buffer: any BackendBuffer, at offset: Int) throws {}

    func copyOut(_ buffer: any BackendBuffer, at offset: Int, to target: UnsafeMutableRawBufferPointer) throws {
        throw BackendError(.unsupported, "a tensor on the meta device has a shape and a dtype, but no data")
    }

    func copyWithin(
        from source: any BackendBuffer, at sourceOffset: Int, to target: any BackendBuffer, at targetOffset: Int,
        count: Int
    ) throws {}

    func synchronize() throws {}
}
