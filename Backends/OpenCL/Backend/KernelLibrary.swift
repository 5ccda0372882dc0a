import BackendKit
import COpenCL
import Synchronization

/// The compiled kernels of a device: in memory by key, on disk by source.
final class KernelLibrary: Sendable {
    private struct Handles: @unchecked Sendable {
        // Context and device ids may be used by any thread.
        let cl: OpenCL
        let device: cl_device_id
        let context: cl_context
    }
    private let handles: Handles
    private let info: FoundDevice
    private let services: Services
    private let cache: KernelCache
    private let maths: MathsSource
    private let known = Mutex<[KernelKey: CompiledKernel]>([:])
    private let compiled = Atomic<Int>(0)

    private struct Loaded {
        let program: cl_program
        var kernels: [String: SharedKernel] = [:]
    }

    private struct BuildState: @unchecked Sendable {
        /// Programs loaded from the cache, by what they are cached under.
        var loaded: [String: Loaded] = [:]
    }
    private let building = Mutex(BuildState())

    /// Kernels in one program: enough to share the compiler's start, few enough to be worth caching.
    private static let chunkSize = 64

    /// See `KernelBatch`: on a graphics processor each body would take the registers of the greediest.
    private let batchesBodies: Bool

    /// The user's option `opencl.special` is "always": for tests, every kernel is the one that large tensors
    /// get, fully optimised.
    private let alwaysSpecial: Bool

    init(_ info: FoundDevice, context: cl_context, services: Services, batchesBodies: Bool) {
        self.batchesBodies = batchesBodies
        alwaysSpecial = services.option("opencl.special") == "always"
        handles = Handles(cl: info.cl, device: info.id, context: context)
        self.info = info
        self.services = services
        cache = KernelCache(directory: services.cacheDirectory)
        maths = MathsSource(
            services.mathsSource,
            dialect: Dialect(.openCL, widensDivision: info.roughDivision && info.hasF64))
    }

    var dialect: Dialect { maths.dialect }
    var compileCount: Int { compiled.load(ordering: .relaxed) }

    /// The kernel of a request, compiled now if it is not yet.
    @inline(__always)
    func kernel(_ key: KernelKey, _ request: () -> KernelRequest) throws -> CompiledKernel {
        if let found = known.withLock({ $0[key] }) { return found }
        try compile([request()])
        guard let made = known.withLock({ $0[key] }) else {
            throw BackendError(.compile, "a kernel was not there after its compilation")
        }
        return made
    }

    func isKnown(_ key: KernelKey) -> Bool { known.withLock { $0[key] != nil } }

    /// `special` where its kernel pays, else `general`, whose kernel serves many layouts with the same bits.
    /// The number of elements alone decides: what a launch compiles must not depend on those before it.
    func choose(_ special: KernelKey, or general: KernelKey, _ layout: Layout) -> KernelKey {
        layout.count(0) * layout.count(1) >= Self.worthCompiling || alwaysSpecial ? special : general
    }

    /// Below so many elements a launch takes longer to start than to run.
    private static let worthCompiling = 4096

    /// Compiles together what is not known yet. `quickly`: the driver need not optimise, where that takes
    /// it long; for many kernels of which each has little to do.
    func compile(_ requests: [KernelRequest], quickly: Bool = false) throws {
        let options = quickly && batchesBodies && !alwaysSpecial ? "\(info.options) -cl-opt-disable" : info.options
        try building.withLock { state in
            var open: [KernelKey: KernelRequest] = [:]
            for request in requests where !isKnown(request.key) { open[request.key] = request }
            // In a fixed order, so that the next process makes the same chunks.
            var missing: [Entry] = []
            for request in open.values.sorted(by: { $0.name < $1.name }) {
                let entry = Entry(request, maths, hasF64: info.hasF64)
                let fromCache = try load(entry, options, &state)
                if !fromCache { missing.append(entry) }
            }
            var start = 0
            while start < missing.count {
                let chunk = Array(missing[start..<min(start + Self.chunkSize, missing.count)])
                try build(chunk, options)
                start += chunk.count
            }
        }
    }

    /// A request with its text.
    private struct Entry {
        let request: KernelRequest
        let source: KernelSource
        /// The text with everything it needs: what the cache knows it by.
        let complete: String

        init(_ request: KernelRequest, _ maths: MathsSource, hasF64: Bool) {
            self.request = request
            source = request.make(request.name)
            complete = maths.complete(source.text, hasF64: hasF64)
        }
    }

    /// Where a body is to be found in a program.
    private struct Place {
        var kernel: String
        var which: Int32
        var blobWords: Int
    }

    private func cacheKey(_ kind: String, _ source: String, _ options: String) -> KernelCache.Key {
        KernelCache.Key(
            kind: kind, source: source, options: options, device: info.description.name,
            driver: info.description.driver)
    }

    // MARK: Building

    private func build(_ chunk: [Entry], _ options: String) throws {
        let batches = KernelBatch.make(chunk.map(\.source.body), together: batchesBodies)
        let text = maths.complete(
            (chunk.map(\.source.text) + batches.map(\.text)).joined(separator: "\n"), hasF64: info.hasF64)
        var places: [String: Place] = [:]
        for batch in batches {
            for (which, body) in batch.bodies.enumerated() {
                places[body.name] = Place(kernel: batch.name, which: Int32(which), blobWords: batch.blobWords)
            }
        }
        do {
            let (program, object) = try build(text, options)
            defer {
                _ = handles.cl.api.clReleaseProgram(program)
                if let object { _ = handles.cl.api.clReleaseProgram(object) }
            }
            var shared: [String: SharedKernel] = [:]
            for entry in chunk { try register(entry, program, places[entry.source.body.name], &shared) }
            compiled.add(chunk.count, ordering: .relaxed)
            save(chunk, places, object ?? program, text, options)
        } catch  where chunk.count > 1 {
            // One that the driver refuses must not take the others with it.
            var first: (any Error)?
            for entry in chunk {
                do { try build([entry], options) } catch { first = first ?? error }
            }
            if let first { throw first }
        } catch let error as BackendError where error.kind == .compile {
            services.log(.debug, "OpenCL source that failed to build:\n\(text)")
            throw BackendError(
                .compile,
                "\(info.description.name) (\(info.description.driver)) could not compile "
                    + "\(chunk[0].request.name): \(error.message)")
        }
    }

    /// An executable program and the object it was linked from, if it was.
    ///
    /// Compiled and linked in two steps where the driver can: the object between them is small and
    /// there at once, while some drivers finish every kernel before they give away an executable.
    private func build(_ text: String, _ options: String) throws -> (program: cl_program, object: cl_program?) {
        let api = handles.cl.api
        var device: cl_device_id? = handles.device
        let object = try program(fromSource: text)
        if api.clCompileProgram(object, 1, &device, options, 0, nil, nil, nil, nil) == CL_SUCCESS {
            if let linked = link(object) { return (linked, object) }
        }
        let log = buildLog(object)
        _ = api.clReleaseProgram(object)

        let program = try program(fromSource: text)
        let code = api.clBuildProgram(program, 1, &device, options, nil, nil)
        if code == CL_SUCCESS { return (program, nil) }
        let fullLog = buildLog(program)
        _ = api.clReleaseProgram(program)
        throw BackendError(
            .compile, "\(OpenCL.error(code, "clBuildProgram").message)\n\(fullLog.isEmpty ? log : fullLog)")
    }

    private func program(fromSource text: String) throws -> cl_program {
        var code: cl_int = 0
        let program: cl_program? = text.withCString { pointer in
            var source: UnsafePointer<CChar>? = pointer
            return handles.cl.api.clCreateProgramWithSource(handles.context, 1, &source, nil, &code)
        }
        guard let program else { throw OpenCL.error(code, "clCreateProgramWithSource") }
        return program
    }

    /// nil if the driver cannot.
    private func link(_ object: cl_program) -> cl_program? {
        var device: cl_device_id? = handles.device
        var input: cl_program? = object
        var code: cl_int = 0
        let program = handles.cl.api.clLinkProgram(handles.context, 1, &device, "", 1, &input, nil, nil, &code)
        if code == CL_SUCCESS { return program }
        if let program { _ = handles.cl.api.clReleaseProgram(program) }
        return nil
    }

    private func buildLog(_ program: cl_program) -> String {
        let api = handles.cl.api
        let log = OpenCL.string {
            api.clGetProgramBuildInfo(program, handles.device, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
        }
        return String(log.prefix(4000))
    }

    /// `shared`: the kernels of this program that were made already.
    private func register(
        _ entry: Entry, _ program: cl_program, _ place: Place?, _ shared: inout [String: SharedKernel]
    ) throws {
        guard let place else { throw BackendError(.compile, "no kernel has \(entry.request.name)") }
        if shared[place.kernel] == nil {
            var code: cl_int = 0
            // A kernel keeps its program; kernels live as long as the device.
            guard let kernel = handles.cl.api.clCreateKernel(program, place.kernel, &code) else {
                throw OpenCL.error(code, "clCreateKernel of \(place.kernel)")
            }
            shared[place.kernel] = SharedKernel(kernel)
        }
        guard let kernel = shared[place.kernel] else { return }
        let made = CompiledKernel(
            shared: kernel, which: place.which, blobWords: place.blobWords, group: entry.source.body.group)
        known.withLock { $0[entry.request.key] = made }
    }

    // MARK: The cache on disk

    // The binary of a chunk is kept under the chunk's source. Each of its bodies has a small entry
    // that names kernel, place and chunk, so that a process that asks for it in other company finds it too.

    private func save(
        _ chunk: [Entry], _ places: [String: Place], _ program: cl_program, _ text: String, _ options: String
    ) {
        guard services.cacheDirectory != nil, let binary = binary(of: program) else { return }
        let key = cacheKey("opencl", text, options)
        cache.save(binary, for: key)
        for entry in chunk {
            guard let place = places[entry.source.body.name] else { continue }
            let line = "\(place.kernel) \(place.which) \(place.blobWords)\n\(key.text)"
            cache.save(Array(line.utf8), for: cacheKey("opencl-kernel", entry.complete, options))
        }
    }

    private func binary(of program: cl_program) -> [UInt8]? {
        let api = handles.cl.api
        var size = 0
        let word = MemoryLayout<Int>.size
        guard
            api.clGetProgramInfo(program, cl_program_info(CL_PROGRAM_BINARY_SIZES), word, &size, nil) == CL_SUCCESS,
            size > 0
        else { return nil }
        let binary = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            var target = bytes.baseAddress
            let code = api.clGetProgramInfo(program, cl_program_info(CL_PROGRAM_BINARIES), word, &target, nil)
            if code == CL_SUCCESS { count = size }
        }
        return binary.isEmpty ? nil : binary
    }

    /// True if the kernel of `entry` came from the cache.
    private func load(_ entry: Entry, _ options: String, _ state: inout BuildState) throws -> Bool {
        let entryKey = cacheKey("opencl-kernel", entry.complete, options)
        guard let saved = cache.load(entryKey) else { return false }
        let lines = String(decoding: saved, as: UTF8.self).split(separator: "\n", maxSplits: 1)
        let words = lines.first?.split(separator: " ") ?? []
        guard lines.count == 2, words.count == 3, let which = Int32(words[1]), let blobWords = Int(words[2]),
            blobWords == 0 || blobWords >= entry.source.body.blobWords
        else {
            cache.remove(entryKey)
            return false
        }
        let key = KernelCache.Key(text: String(lines[1]))
        if state.loaded[key.text] == nil {
            guard let binary = cache.load(key), let program = program(from: binary, options) else {
                cache.remove(entryKey)
                return false
            }
            state.loaded[key.text] = Loaded(program: program)
        }
        do {
            let place = Place(kernel: String(words[0]), which: which, blobWords: blobWords)
            guard var loaded = state.loaded[key.text] else { return false }
            try register(entry, loaded.program, place, &loaded.kernels)
            state.loaded[key.text] = loaded
            return true
        } catch {
            // The entry lies about its chunk: its source is as good as ever.
            cache.remove(entryKey)
            return false
        }
    }

    private func program(from binary: [UInt8], _ options: String) -> cl_program? {
        binary.withUnsafeBufferPointer { bytes in
            var device: cl_device_id? = handles.device
            var size = bytes.count
            var source = bytes.baseAddress
            var status: cl_int = 0
            var code: cl_int = 0
            guard
                let program = handles.cl.api.clCreateProgramWithBinary(
                    handles.context, 1, &device, &size, &source, &status, &code)
            else { return nil }
            guard code == CL_SUCCESS && status == CL_SUCCESS else {
                _ = handles.cl.api.clReleaseProgram(program)
                return nil
            }
            if let linked = link(program) {
                _ = handles.cl.api.clReleaseProgram(program)
                return linked
            }
            if handles.cl.api.clBuildProgram(program, 1, &device, options, nil, nil) == CL_SUCCESS {
                return program
            }
            _ = handles.cl.api.clReleaseProgram(program)
            return nil
        }
    }
}
