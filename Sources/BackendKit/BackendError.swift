import CBackend

/// Why a backend could not do what it was asked.
public struct BackendError: Error, CustomStringConvertible, Sendable {
    /// What kind of failure; the raw values are the ABI's status codes.
    public enum Kind: Int32, Sendable {
        case other = 1
        case unsupported, outOfMemory, index, compile, deviceLost, invalid
    }

    public var kind: Kind
    public var message: String
    /// Of an asynchronous failure: the operation whose launch failed.
    public var op: String?
    /// Of an asynchronous failure: the launch's `site`.
    public var site: UInt64

    public init(_ kind: Kind = .other, _ message: String, op: String? = nil, site: UInt64 = 0) {
        self.kind = kind
        self.message = message
        self.op = op
        self.site = site
    }

    public var description: String { op.map { "\($0): \(message)" } ?? message }
}

extension BackendError {
    /// Reads a status and releases it; nil for success.
    package init?(consuming status: UnsafeMutablePointer<CressetStatus>?) {
        guard let status else { return nil }
        // Only the fields within `struct_size` exist: an older or lying plugin may have fewer.
        let size = Int(status.pointee.struct_size)
        func has<T>(_ path: KeyPath<CressetStatus, T>) -> Bool {
            guard let offset = MemoryLayout<CressetStatus>.offset(of: path) else { return false }
            return size >= offset + MemoryLayout<T>.size
        }
        let code = has(\.code) ? status.pointee.code : 1
        let message = has(\.message) ? status.pointee.message.map { String(cString: $0) } : nil
        self.init(
            Kind(rawValue: code) ?? .other, message ?? "failed with code \(code) and no message",
            op: has(\.op) ? status.pointee.op.map { String(cString: $0) } : nil,
            site: has(\.site) ? status.pointee.site : 0)
        if has(\.release) { status.pointee.release?(status) }
    }

    /// The status object for this error; its `release` frees everything.
    package func status() -> UnsafeMutablePointer<CressetStatus> {
        let status = UnsafeMutablePointer<CressetStatus>.allocate(capacity: 1)
        status.initialize(
            to: CressetStatus(
                struct_size: UInt32(MemoryLayout<CressetStatus>.size), code: kind.rawValue,
                message: UnsafePointer(message.allocatedCString), op: op.map { UnsafePointer($0.allocatedCString) },
                site: site,
                release: { status in
                    guard let status else { return }
                    status.pointee.message?.deallocate()
                    status.pointee.op?.deallocate()
                    status.deallocate()
                }))
        return status
    }

    /// Runs `body` and turns a thrown error into a status.
    @inline(__always)
    package static func status(_ body: () throws -> Void) -> UnsafeMutablePointer<CressetStatus>? {
        do {
            try body()
            return nil
        } catch let error as BackendError {
            return error.status()
        } catch {
            return BackendError(.other, "\(error)").status()
        }
    }
}

extension String {
    /// A NUL-terminated copy that the caller deallocates.
    package var allocatedCString: UnsafeMutablePointer<CChar> {
        let bytes = utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        bytes.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { copy.initialize(from: base, count: source.count) }
        }
        return copy
    }
}
