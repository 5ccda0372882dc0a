import Cresset

/// What a run is given by whoever began it.
package struct RunContext {
    /// Called after each step with how many are done, of how many.
    package var progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    /// Told of everything while the run goes on.
    package var events: (@Sendable (RunEvent) -> Void)?
    /// Where to go on, if another process began.
    package var resumption = Resumption()
    /// What other processes leave to this one.
    package var part = Part.whole
    /// How the device is spelled in the commands that reproduce a failure: "--plugin ./libmychip.so".
    package var spelling: String?
    /// Ends a run with the first case that fails; cases then come in an order that finds one soon.
    package var stopsAtFirstFailure = false
    /// Of what operation and dtype all cases come first, where a failure is likely there: "aten::add.Tensor/float32".
    package var first: String?
    /// False to compile each kernel where it is wanted, so that it is known which case a compiler dies of.
    package var compilesAhead = true

    /// The backend's file of expectations; nil for the one that lies with the backend.
    package var expectations: String?
    /// Looks for a smaller case that fails as one did.
    package var minimises = true

    package init() {}

    /// A report on a device, under what its backend says of itself.
    func open(_ device: Device) throws(CressetError) -> Report {
        let properties = try device.properties
        var report = Report(device: "\(device)", driver: properties.driver)
        report.abi = properties.abiVersion
        let file = expectations ?? Expectations.path(ofBackendFrom: properties.origin)
        events?(.opened(driver: properties.driver, abi: properties.abiVersion, expectations: file))
        if let file { report.expectations = try Expectations(path: file, driver: properties.driver) }
        return report
    }

    /// A report that tells of everything that is added to it.
    func listen(_ report: inout Report) {
        if let events { report.listener = { entry, verdict in events(.found(entry, verdict)) } }
    }

    /// The end of a run that began at `start`.
    func finish(_ report: inout Report, since start: ContinuousClock.Instant) {
        report.listener = nil
        report.seconds = (ContinuousClock.now - start) / .milliseconds(1) / 1000
        events?(.finished(report))
    }
}
