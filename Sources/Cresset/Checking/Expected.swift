/// What right devices give for one result.
package struct Expected: Sendable {
    /// With what the oracle's memory holds: the nearest of what it knows.
    package var stored: HostTensor
    /// Where it is known only within bounds; nil if every element is exact.
    package var bounds: Bounds?

    /// Of complex results, for each part.
    package struct Bounds: Sendable {
        package var values: [Double]
        package var bounds: [Double]
        package var flags: [UInt8]

        package init(values: [Double], bounds: [Double], flags: [UInt8]) {
            self.values = values
            self.bounds = bounds
            self.flags = flags
        }
    }

    package init(exact stored: HostTensor) {
        self.stored = stored
        bounds = nil
    }

    /// Asks the oracle about one of its tensors.
    package init(_ tensor: Tensor) throws(CressetError) {
        stored = try HostTensor(tensor)
        guard stored.count > 0 else { return }
        // The oracle knows the numbers that are stored: of a complex element, both parts.
        let tensor = tensor.isComplex ? tensor.viewAsReal() : tensor
        let known = try Override.call("cresset::error_bound", tensor, output: .float64).doubles()
        if known.allSatisfy({ $0 == 0 }) { return }
        bounds = Bounds(
            values: try Override.call("cresset::oracle_value", tensor, output: .float64).doubles(), bounds: known,
            flags: try Override.call("cresset::oracle_flags", tensor, output: .uint8).rawBytes())
    }

    /// True if some element says something about right and wrong.
    package var judges: Bool { stored.count == 0 || bounds?.bounds.contains { $0.isFinite } ?? true }
}

/// The oracle: the reference backend's device that knows how far rounding may lead.
package enum OracleDevice {
    package static var device: Device {
        get throws(CressetError) { try Device("reference:1") }
    }
}
