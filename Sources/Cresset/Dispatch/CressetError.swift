import BackendKit

/// What went wrong in a call, and where.
public struct CressetError: Error, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        case shape, dtype, device, index, argument, autograd
        case memory, unsupported, plugin, io, invalidFile, backend
        case `internal`
        /// Two devices gave different results in shadow mode.
        case disagreement
        /// An operand was already invalid; never the first error.
        case passedThrough
    }

    private final class Box: Sendable {
        let kind: Kind
        let op: String
        let message: String
        let site: CallSite?
        init(kind: Kind, op: String, message: String, site: CallSite?) {
            self.kind = kind
            self.op = op
            self.message = message
            self.site = site
        }
    }
    private let box: Box

    /// An error of `op`; the line of the user's code is found from the call stack.
    public init(_ kind: Kind, op: String, _ message: String) {
        self.init(kind, op: op, message, site: CallSite.here())
    }

    package init(_ kind: Kind, op: String, _ message: String, site: CallSite?) {
        box = Box(kind: kind, op: op, message: message, site: site)
    }

    public var kind: Kind { box.kind }
    /// The operation: "aten::add.Tensor", or the function that failed.
    public var op: String { box.op }
    /// The rule that was broken and the numbers that broke it.
    public var message: String { box.message }
    /// "file.swift:12" of the user's call, where debug information tells.
    public var location: String? { box.site?.location }

    public var description: String {
        "\(op): \(message)" + (location.map { "\n  at \($0)" } ?? "")
    }
}

extension CressetError {
    /// The same as an error of `caller`, which was called and is made of the operation that failed.
    func seen(from caller: String) -> CressetError {
        func base(_ name: String) -> Substring { name.prefix { $0 != "." } }
        if base(caller) == base(op) || kind == .passedThrough { return self }
        // (Of a chain the last link is told: the part that failed.)
        return CressetError(
            kind, op: caller, message.hasSuffix(")") && message.contains(" (in ") ? message : "\(message) (in \(op))",
            site: box.site)
    }

    /// The error of a backend, as seen from `op`.
    init(_ error: BackendError, op: String, device: String) {
        let kind: Kind =
            switch error.kind {
            case .unsupported: .unsupported
            case .outOfMemory: .memory
            case .index: .index
            default: .backend
            }
        // An asynchronous failure names the op of the launch that failed; the line is then that of
        // the synchronisation, and CRESSET_SYNC=1 moves it to the launch.
        self.init(kind, op: error.op ?? op, "\(error.message) [device \(device)]", site: CallSite.here())
    }
}
