import Cresset
import CressetIO

/// The time of each operation and dtype on large tensors: no result is judged.
package enum Performance {
    /// Elements of the largest argument, about.
    private static let elements = 1 << 18
    /// Least time spent on one operation and dtype, and the most runs within it.
    private static let seconds = 0.03
    private static let most = 50

    package static func run(on device: Device, _ selection: Selection, _ context: RunContext) throws -> Report {
        let start = ContinuousClock.now
        let properties = try device.properties
        var report = Report(device: "\(device)", driver: properties.driver)
        context.listen(&report)
        var work: [(Operator, DType)] = []
        for op in Operators.all where selection.matches(op.name) {
            for dtype in properties.dtypes where op.dtypes.contains(dtype) && (selection.dtype ?? dtype) == dtype {
                work.append((op, dtype))
            }
        }
        for (i, (op, dtype)) in work.enumerated() where i >= context.resumption.done {
            // Kernels are compiled in the warm-up, which may take long.
            context.events?(.preparing(total: work.count))
            let entry = RunEvent.Entry(id: "perf/\(op.name)/\(dtype)", op: op.name, dtype: dtype)
            context.events?(.starting(index: i, entry))
            do {
                if let finding = try measure(op, dtype, on: device, seed: selection.seed) {
                    context.learn(finding, &report)
                } else {
                    report.add(.unsupported("none of its samples runs"), id: entry.id, op: op.name, dtype: dtype)
                }
            } catch {
                report.add(.failed(error.told), id: entry.id, op: op.name, dtype: dtype)
            }
            context.progress(i + 1, work.count)
        }
        context.finish(&report, since: start)
        return report
    }

    /// The first of the enlarged calls that the device can do, timed; nil if there is none.
    private static func measure(_ op: Operator, _ dtype: DType, on device: Device, seed: UInt64) throws -> JSON? {
        var maker = SampleMaker(dtype: dtype, seed: seed &+ op.name.stableHash)
        let samples = try catching { op.samples(&maker) }
        let hosted = samples.compactMap { try? $0.values.map(HostValue.init) }
        func size(_ values: [HostValue]) -> Int { values.flatMap(\.tensors).map(\.count).max() ?? 0 }
        guard let sample = hosted.max(by: { size($0) < size($1) }) else { return nil }
        for arguments in enlarged(sample) + [sample] {
            let placed = try PlacedArguments(arguments.map(\.placed), on: device)
            guard let warm = try? warmUp(op, placed.values) else { continue }
            let times = try time(op, placed.values, on: device)
            let bytes = (arguments.flatMap(\.tensors).map(\.bytes.count) + warm.results).reduce(0, +)
            let median = times.sorted()[times.count / 2]
            return [
                "op": .string(op.name), "dtype": .string(dtype.name),
                "shapes": .array(arguments.flatMap(\.tensors).map { .string("\($0.shape)") }),
                "seconds": .number(median), "least_seconds": .number(times.min() ?? median),
                "runs": .integer(times.count), "bytes": .integer(bytes),
                "bytes_per_second": .number(Double(bytes) / median), "launches": .integer(warm.work.launches),
                "flops": warm.work.launches > 0 ? .number(warm.work.flops) : .null,
                "flops_per_second": warm.work.launches > 0 ? .number(warm.work.flops / median) : .null,
            ]
        }
        return nil
    }

    /// Runs once; gives the bytes of each result and what was launched.
    private static func warmUp(_ op: Operator, _ values: [Value]) throws -> (results: [Int], work: LaunchWork) {
        let (results, work) = try recordingWork {
            try catching { try noGrad { try op.call(values) }.flatMap { try $0.tensors(of: op.name) } }
        }
        return (results.map { $0.numel * $0.dtype.size }, work)
    }

    private static func time(_ op: Operator, _ values: [Value], on device: Device) throws -> [Double] {
        let start = ContinuousClock.now
        var times: [Double] = []
        repeat {
            let begin = ContinuousClock.now
            _ = try noGrad { try op.call(values) }
            try device.synchronize()
            times.append((ContinuousClock.now - begin) / .nanoseconds(1) * 1e-9)
        } while times.count < most && (times.count < 3 || (ContinuousClock.now - start) / .seconds(1) < seconds)
            && (ContinuousClock.now - start) / .seconds(1) < 2
        return times
    }

    // MARK: Large arguments

    /// The sample's tensors repeated: along every dim by the same factor, along the first dim of the
    /// largest only. Which of them the operation takes is seen when it is called.
    private static func enlarged(_ sample: [HostValue]) -> [[HostValue]] {
        guard let largest = sample.flatMap(\.tensors).max(by: { $0.count < $1.count }), largest.count > 0,
            let first = largest.shape.first
        else { return [] }
        let dims = largest.shape.count { $0 > 1 }
        let factor = (1...4096).last { f in
            (0..<max(dims, 1)).reduce(largest.count) { n, _ in n > elements ? n : n * f } <= elements
        }
        let along = max(elements / largest.count, 1)
        return [
            sample.map { $0.mapped { $0.repeated { $0 > 1 ? $0 * (factor ?? 1) : $0 } } },
            sample.map { $0.mapped { $0.repeated { $0 == first ? $0 * along : $0 } } },
            sample.map { value in
                value.mapped { $0.shape.first == first ? $0.repeated(first: along) : $0 }
            },
        ]
    }

    // MARK: The table

    /// A row for each operation and dtype.
    package static func text(_ report: Report) -> String {
        var rows = [["operation", "dtype", "arguments", "time", "GB/s", "Gflop/s"]]
        for finding in report.findings {
            func rate(_ key: String) -> String {
                guard let x = finding[key]?.doubleValue else { return "–" }
                return (x / 1e9).short
            }
            let shapes = (finding["shapes"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: " ")
            rows.append([
                finding["op"]?.stringValue ?? "", finding["dtype"]?.stringValue ?? "", shapes,
                time(finding["seconds"]?.doubleValue ?? 0), rate("bytes_per_second"), rate("flops_per_second"),
            ])
        }
        let widths = (0..<6).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { i, cell in
                let room = String(repeating: " ", count: widths[i] - cell.count)
                return i < 3 ? cell + room : room + cell
            }.joined(separator: "  ") + "\n"
        }.joined()
    }

    private static func time(_ seconds: Double) -> String {
        seconds < 1e-3
            ? "\((seconds * 1e6).rounded(toPlaces: 1)) µs"
            : seconds < 1 ? "\((seconds * 1e3).rounded(toPlaces: 2)) ms" : "\(seconds.rounded(toPlaces: 2)) s"
    }
}
