import Cresset

/// What random work is to be done.
package struct FuzzPlan: Sendable {
    package var seconds: Double
    package var seed: UInt64
    /// The seed of the one iteration that is wanted.
    package var only: UInt64?

    package init(seconds: Double, seed: UInt64, only: UInt64? = nil) {
        self.seconds = seconds
        self.seed = seed
        self.only = only
    }

    /// The seed of an iteration.
    func seed(of iteration: Int) -> UInt64 {
        var maker = SampleMaker(dtype: .float32, seed: seed &+ 0x5851_F42D_4C95_7F2D &* UInt64(iteration))
        // Short enough to be typed.
        return maker.bits() >> 16
    }
}

/// Random programs and chains of operations on a device, against the oracle.
package struct Fuzz {
    private let plan: FuzzPlan
    private let device: Device
    private let context: RunContext
    private let oracle: Device
    private let dtypes: [DType]

    package init(_ plan: FuzzPlan, on device: Device, _ context: RunContext) throws {
        self.plan = plan
        self.device = device
        self.context = context
        oracle = try OracleDevice.device
        guard device != oracle else {
            throw CressetError(.argument, op: "conformance", "\(device) is the oracle, which is not judged by itself")
        }
        dtypes = try device.properties.dtypes.filter { DType.all.contains($0) }
    }

    package func run() throws -> Report {
        let start = ContinuousClock.now
        var report = Report(device: "\(device)", driver: try device.properties.driver)
        let policy = Fallback.policy
        Fallback.policy = .refuse
        defer { Fallback.policy = policy }
        context.listen(&report)
        var iteration = context.resumption.done
        while true {
            let elapsed = (ContinuousClock.now - start) / .milliseconds(1) / 1000 + Double(context.resumption.seconds)
            let isDone = plan.only == nil ? elapsed >= plan.seconds : iteration > 0
            if isDone || context.stopsAtFirstFailure && report.failed > 0 { break }
            context.progress(min(Int(elapsed), Int(plan.seconds)), max(Int(plan.seconds), 1))
            let batch = plan.only.map { [$0] } ?? (iteration..<iteration + Self.batch).map(plan.seed(of:))
            for item in prepare(batch) {
                judge(item, at: iteration, &report)
                iteration += 1
                if context.stopsAtFirstFailure && report.failed > 0 { break }
            }
        }
        if report.total == 0 && context.resumption.done == 0 {
            report.add(.failed("nothing was executed"), id: "fuzz", op: "fuzz")
        }
        context.finish(&report, since: start)
        return report
    }

    /// Iterations whose kernels are compiled together.
    private static let batch = 16

    private enum Work {
        case single(DifferentialWork)
        /// Chains are made while they run.
        case chain(SampleMaker)
        case broken(any Error)
    }

    private struct Item {
        var seed: UInt64
        var kind: String
        var work: Work
    }

    /// Makes the work of these seeds, and compiles the programs in it together.
    private func prepare(_ seeds: [UInt64]) -> [Item] {
        context.events?(.preparing(total: 0))
        var launches = RecordedLaunches()
        let items = seeds.map { seed -> Item in
            var maker = SampleMaker(dtype: .float32, seed: seed)
            let kind = maker.one(of: Self.kinds)
            guard kind != "chain" else { return Item(seed: seed, kind: kind, work: .chain(maker)) }
            do {
                var work =
                    kind == "program"
                    ? try RandomProgram(&maker, dtypes).work : try RandomReduction(&maker, dtypes).work
                launches.formUnion(work.learn(from: oracle))
                return Item(seed: seed, kind: kind, work: .single(work))
            } catch {
                return Item(seed: seed, kind: kind, work: .broken(error))
            }
        }
        // What cannot be compiled fails again, and is reported, where it is wanted.
        if context.compilesAhead { try? launches.prepare(launches.kinds, on: device) }
        return items
    }

    /// By how often each comes.
    private static let kinds =
        Array(repeating: "program", count: 5) + Array(repeating: "reduction", count: 3)
        + Array(repeating: "chain", count: 4)

    private func judge(_ item: Item, at iteration: Int, _ report: inout Report) {
        let command = "cresset conformance \(context.spelling ?? "--device \(device)") --fuzz-case \(item.seed)"
        let entry = RunEvent.Entry(id: "fuzz/\(item.kind)/\(item.seed)", op: "fuzz::\(item.kind)", command: command)
        context.events?(.starting(index: iteration, entry))
        let verdict: Verdict
        do {
            switch item.work {
            case .single(let work): verdict = try work.verdict(on: device)
            case .chain(var maker): verdict = try RandomChain(&maker, dtypes, device, oracle).verdict()
            case .broken(let error): throw error
            }
        } catch {
            verdict = .failed(error.told)
        }
        report.add(verdict, id: entry.id, op: entry.op, command: command)
    }
}

extension DType {
    /// Those that programs load and store.
    static let all: [DType] = [
        .bool, .uint8, .int8, .int16, .int32, .int64, .float16, .bfloat16, .float32, .float64,
    ]
}

extension SampleMaker {
    mutating func one<Element>(of choices: [Element]) -> Element { choices[int(0..<choices.count)] }

    /// True so many times in a hundred.
    mutating func chance(_ percent: Int) -> Bool { int(0..<100) < percent }

    /// Sizes: mostly small, at times 0, 1 or next to a tile, of `most` elements together.
    mutating func shape(rank: Range<Int> = 0..<6, most: Int = 4096) -> Shape {
        let tiles = [15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257]
        var shape = Shape()
        for _ in 0..<int(rank) {
            let room = max(most / max(shape.elementCount, 1), 1)
            let size = chance(3) ? 0 : chance(15) ? 1 : chance(20) ? one(of: tiles) : int(1..<8)
            shape.append(min(size, room))
        }
        return shape
    }

    /// Numbers of the dtype, some of them those that go wrong first.
    mutating func numbers(_ shape: Shape, _ dtype: DType) throws -> HostTensor {
        if chance(30) || dtype == .bool {
            return try SpecialValues.tensor(shape, dtype, finite: chance(50), overflowing: true, &self)
        }
        let scale = one(of: [1.0, 4, 100, 1e4])
        return try HostTensor(tensor(shape, dtype == .uint8 ? 0 : -scale, scale, dtype: dtype))
    }

    /// A tensor of random layout that broadcasts to `shape`.
    mutating func operand(_ shape: Shape, _ dtype: DType) throws -> Placed {
        var own = shape
        for d in own.indices where chance(20) { own[d] = 1 }
        if chance(20), let first = own.indices.first(where: { own[$0] != 1 }) { own = Shape(own[first...]) }
        let values = try numbers(own, dtype)
        let layout: Layout = one(of: [.contiguous, .contiguous] + Layout.allCases.filter(\.isMoved))
        guard values.count > 0, let placed = Placed(values, layout, position: int(0..<3)) else { return Placed(values) }
        return placed
    }
}
