import BackendKit
import CBackend
import CCresset
import Synchronization

/// A launch that was made before: all that the next one with the same dtypes on the same device needs, in
/// memory that lives for good, so that nothing on the way counts references.
struct PreparedLaunch {
    let key: UInt64
    /// The number of registrations when it was made: kernels that have come since may be better.
    let registrations: UInt64
    let launch: KernelRecord.Launch
    let context: UnsafeMutableRawPointer?
    let program: UnsafePointer<CressetProgram>?
    var epilogue: UnsafePointer<CressetProgram>?
    let inputCount: UInt32
    /// dtype of the result.
    let output: DType
    let scalarType: ArithmeticType

    /// Devices are never closed, so their address, a multiple of 16 below 2⁴⁷, tells them apart.
    @inline(__always)
    static func key(
        _ device: Unmanaged<DeviceRuntime>, _ dtype: DType, _ op: OperatorName, inputs: Int, scalars: Int = 0,
        isGradient: Bool = false
    ) -> UInt64 {
        let address = UInt64(UInt(bitPattern: device.toOpaque())) &>> 4
        return address &<< 19 | UInt64(op.id) &<< 8 | UInt64(dtype.rawValue) &<< 4 | UInt64(inputs) &<< 2
            | UInt64(scalars) &<< 1 | (isGradient ? 1 : 0)
    }
}

/// The prepared launches of one kernel, read without a lock.
final class PreparedLaunches: @unchecked Sendable {
    // The table is replaced through an atomic pointer, by one writer at a time.

    /// What the atomic points to: a count, then the entries. Replaced whole and never freed, so a reader may go on
    /// with what it read.
    private let table = Atomic<UnsafeRawPointer?>(nil)
    private let writing = Mutex(())

    /// The entry of that key, nil if there is none that is up to date.
    @inline(__always)
    func find(_ key: UInt64) -> UnsafePointer<PreparedLaunch>? {
        guard let raw = table.load(ordering: .acquiring) else { return nil }
        let (count, entries) = Self.parts(raw)
        for i in 0..<count where entries[i].key == key {
            return entries[i].registrations == cresset_registrations() ? entries + i : nil
        }
        return nil
    }

    @inline(__always)
    private static func parts(_ raw: UnsafeRawPointer) -> (Int, UnsafePointer<PreparedLaunch>) {
        (raw.load(as: Int.self), (raw + 16).assumingMemoryBound(to: PreparedLaunch.self))
    }

    /// Enters a launch in place of one with the same key.
    func enter(_ launch: PreparedLaunch) -> UnsafePointer<PreparedLaunch> {
        writing._unsafeLock()
        defer { writing._unsafeUnlock() }
        var entries = [launch]
        if let raw = table.load(ordering: .acquiring) {
            let (count, old) = Self.parts(raw)
            entries += UnsafeBufferPointer(start: old, count: count).filter { $0.key != launch.key }
        }
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: 16 + entries.count * MemoryLayout<PreparedLaunch>.stride, alignment: 16)
        raw.storeBytes(of: entries.count, as: Int.self)
        let first = (raw + 16).bindMemory(to: PreparedLaunch.self, capacity: entries.count)
        for (i, entry) in entries.enumerated() { (first + i).initialize(to: entry) }
        table.store(UnsafeRawPointer(raw), ordering: .releasing)
        return UnsafePointer(first)
    }
}
