import BackendKit
import COpenCL
import Synchronization

/// What tells compiled kernels of a process apart. Sizes, strides, offsets and params never do.
struct KernelKey: Hashable {
    var family: Family
    /// Ids of programs, -1 for none.
    var program = -1
    var epilogue = -1
    /// How tensors are stepped through.
    var steps: UInt64 = 0
    var moreSteps: UInt64 = 0
    /// dtypes, buckets of ranks and whatever else the template bakes in.
    var shape: UInt64 = 0
}

/// The text of one or several kernels that belong together.
struct KernelSource {
    struct Kernel {
        var name: String
        /// Words of the last argument; 0 where it goes through a buffer.
        var blobWords: Int
        var group: Group
    }
    var text: String
    var kernels: [Kernel]
}

/// The size of a work group. It is part of a kernel's text: drivers that compile for it then do so
/// once, and their binaries hold the result.
struct Group {
    var x: Int
    var y = 1

    var attribute: String { "__attribute__((reqd_work_group_size(\(x), \(y), 1)))" }
}

/// Something a launch needs compiled.
struct KernelRequest {
    var key: KernelKey
    /// The same in every process.
    var name: String
    var make: (_ name: String) -> KernelSource

    init(_ key: KernelKey, programs: [Program?] = [], make: @escaping (_ name: String) -> KernelSource) {
        self.key = key
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ word: UInt64) {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                hash = (hash ^ (word >> shift & 0xff)) &* 0x100_0000_01b3
            }
        }
        mix(UInt64(key.family.rawValue))
        mix(key.steps)
        mix(key.moreSteps)
        mix(key.shape)
        for program in programs { mix(program?.hash ?? 0) }
        name = "\(key.family)_\(String(hash, radix: 16))"
        self.make = make
    }
}

/// A kernel ready to be launched. Its arguments are part of it, so one launch at a time sets them.
final class CompiledKernel: @unchecked Sendable {
    let kernel: cl_kernel
    let blobWords: Int
    let group: Group
    let lock = Mutex(())

    init(_ kernel: cl_kernel, _ source: KernelSource.Kernel) {
        self.kernel = kernel
        blobWords = source.blobWords
        group = source.group
    }
}

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
    private let known = Mutex<[KernelKey: [CompiledKernel]]>([:])
    private let compiled = Atomic<Int>(0)

    private struct BuildState: @unchecked Sendable {
        /// Programs loaded from the cache, by what they are cached under.
        var loaded: [String: cl_program] = [:]
    }
    private let building = Mutex(BuildState())

    /// Kernels in one program: enough to share the compiler's start, few enough to be worth caching.
    private static let chunkSize = 24

    init(_ info: FoundDevice, context: cl_context, services: Services) {
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

    /// The kernels of a request, compiled now if they are not yet.
    @inline(__always)
    func kernels(_ key: KernelKey, _ request: () -> KernelRequest) throws -> [CompiledKernel] {
        if let found = known.withLock({ $0[key] }) { return found }
        try compile([request()])
        guard let made = known.withLock({ $0[key] }) else {
            throw BackendError(.compile, "a kernel was not there after its compilation")
        }
        return made
    }

    func isKnown(_ key: KernelKey) -> Bool { known.withLock { $0[key] != nil } }

    /// Compiles together what is not known yet.
    func compile(_ requests: [KernelRequest]) throws {
        try building.withLock { state in
            var open: [KernelKey: KernelRequest] = [:]
            for request in requests where !isKnown(request.key) { open[request.key] = request }
            // In a fixed order, so that the next process makes the same chunks.
            var missing: [Entry] = []
            for request in open.values.sorted(by: { $0.name < $1.name }) {
                let entry = Entry(request, maths, hasF64: info.hasF64)
                let fromCache = try load(entry, &state)
                if !fromCache { missing.append(entry) }
            }
            var start = 0
            while start < missing.count {
                let chunk = Array(missing[start..<min(start + Self.chunkSize, missing.count)])
                try build(chunk)
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

    private func cacheKey(_ kind: String, _ source: String) -> KernelCache.Key {
        KernelCache.Key(
            kind: kind, source: source, options: info.options, device: info.description.name,
            driver: info.description.driver)
    }

    // MARK: Building

    private func build(_ chunk: [Entry]) throws {
        let text =
            chunk.count == 1
            ? chunk[0].complete
            : maths.complete(chunk.map(\.source.text).joined(separator: "\n"), hasF64: info.hasF64)
        do {
            let (program, object) = try build(text)
            defer {
                _ = handles.cl.api.clReleaseProgram(program)
                if let object { _ = handles.cl.api.clReleaseProgram(object) }
            }
            try register(chunk, program)
            compiled.add(chunk.count, ordering: .relaxed)
            save(chunk, object ?? program, text)
        } catch  where chunk.count > 1 {
            // One that the driver refuses must not take the others with it.
            var first: (any Error)?
            for entry in chunk {
                do { try build([entry]) } catch { first = first ?? error }
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
    private func build(_ text: String) throws -> (program: cl_program, object: cl_program?) {
        let api = handles.cl.api
        var device: cl_device_id? = handles.device
        let object = try program(fromSource: text)
        if api.clCompileProgram(object, 1, &device, info.options, 0, nil, nil, nil, nil) == CL_SUCCESS {
            if let linked = link(object) { return (linked, object) }
        }
        let log = buildLog(object)
        _ = api.clReleaseProgram(object)

        let program = try program(fromSource: text)
        let code = api.clBuildProgram(program, 1, &device, info.options, nil, nil)
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

    private func register(_ entries: [Entry], _ program: cl_program) throws {
        for entry in entries {
            var kernels: [CompiledKernel] = []
            for source in entry.source.kernels {
                var code: cl_int = 0
                guard let kernel = handles.cl.api.clCreateKernel(program, source.name, &code) else {
                    throw OpenCL.error(code, "clCreateKernel of \(source.name)")
                }
                // A kernel keeps its program; kernels live as long as the device.
                kernels.append(CompiledKernel(kernel, source))
            }
            known.withLock { $0[entry.request.key] = kernels }
        }
    }

    // MARK: The cache on disk

    // The binary of a chunk is kept under the chunk's source. Each of its kernels has a small entry
    // that names the chunk, so that a process that asks for kernels in other company finds them too.

    private func save(_ chunk: [Entry], _ program: cl_program, _ text: String) {
        guard services.cacheDirectory != nil, let binary = binary(of: program) else { return }
        let key = cacheKey("opencl", text)
        cache.save(binary, for: key)
        for entry in chunk { cache.save(Array(key.text.utf8), for: cacheKey("opencl-kernel", entry.complete)) }
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

    /// True if the kernels of `entry` came from the cache.
    private func load(_ entry: Entry, _ state: inout BuildState) throws -> Bool {
        let entryKey = cacheKey("opencl-kernel", entry.complete)
        guard let name = cache.load(entryKey) else { return false }
        let key = KernelCache.Key(text: String(decoding: name, as: UTF8.self))
        if state.loaded[key.text] == nil {
            guard let binary = cache.load(key), let program = program(from: binary) else {
                cache.remove(entryKey)
                return false
            }
            state.loaded[key.text] = program
        }
        guard let program = state.loaded[key.text] else { return false }
        do {
            try register([entry], program)
            return true
        } catch {
            // The entry lies about its chunk: its source is as good as ever.
            cache.remove(entryKey)
            return false
        }
    }

    private func program(from binary: [UInt8]) -> cl_program? {
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
            if handles.cl.api.clBuildProgram(program, 1, &device, info.options, nil, nil) == CL_SUCCESS {
                return program
            }
            _ = handles.cl.api.clReleaseProgram(program)
            return nil
        }
    }
}
