internal import CGoldens
import Cresset
import CressetIO

/// Cases made elsewhere: a safetensors file whose metadata entry `cases` says what each tensor is.
package final class CaseFile {
    /// One case of the file.
    package struct Item: Sendable {
        package var id: String
        package var op: String
        package var dtype: DType?
        fileprivate var json: JSON
        /// Why it cannot be run as it stands, if it cannot.
        fileprivate var problem: String?
    }

    package let path: String
    package let cases: [Item]
    private let file: SafetensorsFile

    /// The file at `path`; throws where it is no safetensors file or has no list of cases.
    package convenience init(path: String) throws(CressetError) {
        try self.init(path: path, file: SafetensorsFile(path: path))
    }

    private init(path: String, file: SafetensorsFile) throws(CressetError) {
        func broken(_ why: String) -> CressetError { CressetError(.invalidFile, op: "CaseFile", "\(path): \(why)") }
        guard let text = file.metadata["cases"] else { throw broken("its metadata has no entry \"cases\"") }
        let parsed: JSON
        do throws(JSONError) {
            parsed = try JSON.parse(text)
        } catch {
            throw broken("the metadata entry \"cases\": \(error)")
        }
        guard let list = parsed.arrayValue else { throw broken("the metadata entry \"cases\" is no list") }
        self.path = path
        self.file = file
        cases = list.enumerated().map { i, json in
            var item = Item(
                id: json["id"]?.stringValue ?? "case \(i)", op: json["op"]?.stringValue ?? "",
                dtype: json["dtype"]?.stringValue.flatMap { DType(name: $0) }, json: json)
            if item.op.isEmpty { item.problem = "it names no op" }
            if item.dtype == nil {
                item.problem = "the dtype \(json["dtype"]?.stringValue ?? "that it does not name") is not known"
            }
            if json["args"]?.arrayValue == nil || json["outputs"]?.arrayValue == nil {
                item.problem = "it has no lists \"args\" and \"outputs\""
            }
            return item
        }
    }

    /// The cases that are part of the suite: PyTorch's results.
    package static func embedded() throws(CressetError) -> CaseFile {
        var count = 0
        let start = cresset_goldens_gz(&count)
        // `count` is the size of the constant array at `start`.
        let bytes = try Gzip.inflate(Array(UnsafeBufferPointer(start: start, count: count)), limit: 1 << 25)
        return try CaseFile(path: "goldens", file: SafetensorsFile(bytes: bytes, name: "goldens"))
    }

    /// Runs one case.
    package func run(_ item: Item, on device: Device) -> Verdict {
        do {
            var call = try CaseCall(item, file, device)
            return try call.run()
        } catch let why as Unsupported {
            return .unsupported(why.reason)
        } catch let error as CressetError where error.kind == .unsupported || error.kind == .dtype {
            return .unsupported(error.message)
        } catch {
            if let dtype = item.dtype, let op = Operators.find(item.op), !op.dtypes.contains(dtype) {
                return .unsupported("\(op.name) is not declared for \(dtype)")
            }
            return .failed(error.told)
        }
    }

    /// Runs files on a device; one that is broken is a failure of its own.
    package static func run(
        _ paths: [String], on device: Device, _ selection: Selection, _ context: RunContext = RunContext()
    ) throws -> Report {
        SelfTest.exempt(device)
        let start = ContinuousClock.now
        var report = Report(device: "\(device)", driver: try device.properties.driver)
        report.unsupportedFails = true
        context.listen(&report)
        let isFirst = context.resumption.done == 0
        var chosen: [(file: CaseFile, item: Item)] = []
        for path in paths {
            do {
                let file = try CaseFile(path: path)
                for item in file.cases
                where selection.matches(item.op) && (selection.id ?? item.id) == item.id
                    && (selection.dtype == nil || selection.dtype == item.dtype)
                {
                    chosen.append((file, item))
                }
            } catch {
                if isFirst { report.add(.failed(error.told), id: path, op: "file") }
            }
        }
        for (i, (file, item)) in chosen.enumerated() where i >= context.resumption.done {
            let entry = RunEvent.Entry(
                id: item.id, op: item.op.isEmpty ? "unnamed" : item.op, dtype: item.dtype,
                command: "cresset conformance \(context.spelling ?? "--device \(device)") --cases \(file.path) "
                    + "--case '\(item.id)'")
            context.events?(.starting(index: i, entry))
            report.add(
                file.run(item, on: device), id: entry.id, op: entry.op, dtype: entry.dtype, command: entry.command)
            context.progress(i + 1, chosen.count)
            if context.stopsAtFirstFailure && report.failed > 0 { break }
        }
        if report.total == 0 && isFirst {
            report.add(.failed("no case was executed"), id: "conformance", op: "conformance")
        }
        context.finish(&report, since: start)
        return report
    }
}

/// A case that cannot be run here, through no fault of the device.
private struct Unsupported: Error {
    var reason: String
}

/// One case of a file on its way through a device.
private struct CaseCall {
    private let op: Operator
    private let json: JSON
    private let file: SafetensorsFile
    private let device: Device
    private let tolerance: (rtol: Double, atol: Double)
    /// How vectors with free phases are turned against the file's.
    private var phases: Phases?
    /// The file's tensors that are arguments, on the device.
    private var tensors: [String: Tensor] = [:]

    init(_ item: CaseFile.Item, _ file: SafetensorsFile, _ device: Device) throws {
        if let problem = item.problem { throw Unsupported(reason: problem) }
        guard let op = Operators.find(item.op) else { throw Unsupported(reason: "there is no operation \(item.op)") }
        if let dtype = item.dtype, try !device.properties.dtypes.contains(dtype) {
            throw Unsupported(reason: "\(device) does not hold \(dtype)")
        }
        self.op = op
        json = item.json
        self.file = file
        self.device = device
        tolerance = (json["rtol"]?.doubleValue ?? 0, json["atol"]?.doubleValue ?? 0)
    }

    /// The case's tolerance. That of a case of integers is 0, which cannot be meant of a float that
    /// comes of them: PyTorch's own exp(2) need not be rounded right. Such results have the tolerance
    /// that the maker of the files gives to cases of their dtype.
    private func tolerance(for dtype: DType) -> (rtol: Double, atol: Double) {
        if tolerance != (0, 0) { return tolerance }
        switch dtype {
        case .float64, .complex128: return (1e-7, 1e-7)
        case .float32, .complex64: return (1e-4, 2e-5)
        case .float16: return (5e-3, 2e-3)
        case .bfloat16: return (3e-2, 1e-2)
        default: return (0, 0)
        }
    }

    private func compare(_ got: HostTensor, _ right: HostTensor) -> Mismatch? {
        let (rtol, atol) = tolerance(for: right.dtype)
        return Judgement.compare(got, right, rtol: rtol, atol: atol)
    }

    mutating func run() throws -> Verdict {
        let (values, named) = try arguments()
        let grads = try pairs("grads")
        let wanted = try grads.map { key, _ -> Tensor in
            guard let tensor = tensors[key] else { throw Unsupported(reason: "\(key) is no argument of it") }
            return tensor
        }
        return try catching {
            for tensor in wanted { tensor.requiresGrad_() }
            let results = try Operators.call(op.name, values, named: named).flatMap { try $0.tensors(of: op.name) }
            let outputs = json["outputs"]?.arrayValue ?? []
            guard results.count == outputs.count else {
                return .failed("it gave \(results.count) results, right are \(outputs.count)")
            }
            if let judgement = op.judgement {
                phases = try Phases(judgement, results, outputs.map { $0["tensor"]?.stringValue }) { key in
                    try HostTensor(load(key, on: .reference))
                }
                let arguments = op.schema.arguments.enumerated().map { i, argument in
                    i < values.count ? values[i] : named[argument.name] ?? argument.defaultValue ?? .none
                }
                let dtype = try HostTensor(results[0]).dtype
                if let wrong = try FactorJudge.failure(
                    judgement, arguments, try results.map { try HostTensor($0.detach()) }, dtype)
                {
                    return .failed(wrong)
                }
            }
            for (i, (result, right)) in zip(results, outputs).enumerated() {
                if let phases, let (got, right) = try phases.comparison(i, HostTensor(result.detach())) {
                    if let mismatch = compare(got, right) { return .failed("result \(i): " + mismatch.text) }
                    continue
                }
                guard let mismatch = try compare(result, right) else { continue }
                let isFree = op.freeIndices.contains(i)
                if isFree, let key = right["tensor"]?.stringValue,
                    try FreeIndices(op, values, named).agree(result, try load(key, on: device))
                {
                    continue
                }
                return .failed("result \(i): " + mismatch.text)
            }
            return wanted.isEmpty ? .passed : try compareGradients(results, wanted, grads.map(\.1))
        }
    }

    private func compare(_ result: Tensor, _ right: JSON) throws -> Mismatch? {
        if let key = right["tensor"]?.stringValue {
            return compare(try HostTensor(result), try HostTensor(load(key, on: .reference)))
        }
        if let z = complex(right) {
            guard result.isComplex, result.numel == 1 else {
                return Mismatch(text: "got \(result), right is \(z)")
            }
            return compare(
                try HostTensor(result), try HostTensor(Tensor([z], shape: result.shape, dtype: result.dtype)))
        }
        guard let number = right.doubleValue ?? right.boolValue.map({ $0 ? 1 : 0 }) else {
            throw Unsupported(reason: "a result of the form \(right) is not understood")
        }
        let got = try HostTensor(result)
        guard got.count == 1 else { return Mismatch(text: "it has \(got.count) elements, right is one number") }
        let x = got.double(0)
        let (rtol, atol) = tolerance(for: got.dtype)
        return (x - number).magnitude <= atol + rtol * number.magnitude
            ? nil : Mismatch(text: "got \(x), right is \(number)")
    }

    private func compareGradients(_ results: [Tensor], _ inputs: [Tensor], _ rights: [String]) throws -> Verdict {
        var outputs: [Tensor] = []
        var seeds: [Tensor] = []
        for (i, (result, key)) in zip(results, json["grad_outputs"]?.arrayValue ?? []).enumerated() {
            guard let key = key.stringValue else { continue }
            guard result.requiresGrad else { return .failed("a result that should require grad does not") }
            outputs.append(result)
            let seed = try load(key, on: .reference)
            seeds.append(try phases.map { try $0.turned(i, seed) }?.to(device) ?? load(key, on: device))
        }
        let gradients = try grad(outputs, inputs, gradOutputs: seeds, allowUnused: true)
        for (i, (gradient, key)) in zip(gradients, rights).enumerated() {
            // No gradient at all stands for zeros.
            let got = gradient ?? Tensor.zerosLike(inputs[i])
            let right = try HostTensor(load(key, on: .reference))
            if let mismatch = compare(try HostTensor(got.detach()), right) {
                return .failed("gradient \(i): " + mismatch.text)
            }
        }
        return .passed
    }

    // MARK: Reading

    private func load(_ key: String, on device: Device) throws -> Tensor {
        guard let description = file.description(of: key) else {
            throw Unsupported(reason: "the file has no tensor \(key)")
        }
        guard try device.properties.dtypes.contains(description.dtype) else {
            throw Unsupported(reason: "\(device) does not hold \(description.dtype)")
        }
        return try file.tensor(key, device: device)
    }

    /// The arguments by name where the file names them, else by position.
    private mutating func arguments() throws -> ([Value], [String: Value]) {
        let list = json["args"]?.arrayValue ?? []
        guard let names = json["argnames"]?.arrayValue?.compactMap(\.stringValue), names.count == list.count else {
            guard list.count <= op.schema.arguments.count else {
                throw Unsupported(reason: "it has \(list.count) arguments, \(op.schema.text)")
            }
            return (try zip(list, op.schema.arguments).map { try value($0, type: $1.type) }, [:])
        }
        var named: [String: Value] = [:]
        for (name, argument) in zip(names, list) {
            if let declared = op.schema.arguments.first(where: { $0.name == name }) {
                named[name] = try value(argument, type: declared.type)
            } else if !argument.isNull && argument != false {
                throw Unsupported(reason: "\(op.name) has no argument \(name)")
            }
        }
        return ([], named)
    }

    private mutating func value(_ json: JSON, type: String) throws -> Value {
        func number(_ x: Double) -> Value { .scalar(.double(x)) }
        switch json {
        case .null: return .none
        case .bool(let x): return .scalar(.bool(x))
        case .integer(let x): return type.hasPrefix("float") ? number(Double(x)) : .scalar(.int(Int64(x)))
        case .number(let x): return number(x)
        // A case was made on one device and is run on another.
        case .string(let x): return type.hasPrefix("Device") ? .device(device) : .string(x)
        case .array(let list):
            let integers = list.compactMap(\.intValue)
            if integers.count == list.count { return .ints(integers) }
            let numbers = list.compactMap(\.doubleValue)
            guard numbers.count == list.count else { throw Unsupported(reason: "a list of \(json) is not understood") }
            return .doubles(numbers)
        case .object: return try boxed(json)
        }
    }

    private mutating func boxed(_ json: JSON) throws -> Value {
        if let key = json["tensor"]?.stringValue { return .tensor(try argument(key)) }
        if let list = json["tensors"]?.arrayValue {
            let tensors = try list.map { key in try key.stringValue.map { try argument($0) } }
            let present = tensors.compactMap(\.self)
            return present.count == tensors.count ? .tensors(present) : .optionalTensors(tensors)
        }
        if let name = json["dtype"]?.stringValue {
            guard let dtype = DType(name: name) else { throw Unsupported(reason: "the dtype \(name) is not known") }
            return .dtype(dtype)
        }
        if let z = complex(json) { return .scalar(.complex(z)) }
        if let text = json["float"]?.stringValue, let x = Double(text) { return .scalar(.double(x)) }
        throw Unsupported(reason: "an argument of the form \(json) is not understood")
    }

    /// {"complex": [re, im]}
    private func complex(_ json: JSON) -> Complex<Double>? {
        guard let re = json["complex"]?[0]?.doubleValue, let im = json["complex"]?[1]?.doubleValue else { return nil }
        return Complex(re, im)
    }

    private mutating func argument(_ key: String) throws -> Tensor {
        if let known = tensors[key] { return known }
        let loaded = try load(key, on: device)
        tensors[key] = loaded
        return loaded
    }

    private func pairs(_ member: String) throws -> [(String, String)] {
        try (json[member]?.arrayValue ?? []).map { pair in
            guard let key = pair[0]?.stringValue, let other = pair[1]?.stringValue else {
                throw Unsupported(reason: "\"\(member)\" is no list of pairs")
            }
            return (key, other)
        }
    }
}
