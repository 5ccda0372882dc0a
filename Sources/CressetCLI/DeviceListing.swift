import ConformanceSuite
import Cresset

/// Finds the devices that are meant, in a process of its own: a plugin that crashes or hangs while it is
/// loaded or started takes nothing else with it.
struct DeviceListing {
    /// Arguments of `cresset conformance` that make a worker list.
    let arguments: [String]
    let timeout: Int

    /// Why there is no list.
    struct Failure: Error {
        /// True where the plugin gave an answer, which was a refusal.
        var isRefusal: Bool
        var message: String
    }

    func devices() throws(Failure) -> [String] {
        guard let worker = WorkerProcess(arguments: arguments + ["--worker-list"]) else {
            throw Failure(isRefusal: false, message: "no worker process can be started; try --in-process")
        }
        var step: String?
        func lost(_ how: String) -> Failure {
            let place = step.map { " in \($0)" } ?? " before any plugin was touched"
            return Failure(isRefusal: false, message: "the worker process \(how)\(place)")
        }
        while true {
            switch worker.line(seconds: timeout) {
            case .timedOut:
                worker.kill()
                throw lost("gave no answer for \(timeout) s")
            case .ended(let how, _): throw lost(how)
            case .text(let line):
                switch RunEvent(line: line) {
                case .calling(let text): step = text
                case .devices(let names):
                    // How it ends is seen where cases are run.
                    worker.kill()
                    return names
                case .refused(let why): throw Failure(isRefusal: true, message: why)
                default: continue
                }
            }
        }
    }
}
