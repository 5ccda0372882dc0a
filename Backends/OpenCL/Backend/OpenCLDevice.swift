import BackendKit
import COpenCL
import Synchronization

/// An opened device: its context, its memory and its compiled kernels.
final class OpenCLDevice: BackendDevice, @unchecked Sendable {
    // Everything here is immutable or guards itself, and OpenCL's own objects may be used by any
    // thread (kernel objects excepted, which `CompiledKernel` locks).
    let info: FoundDevice
    let cl: OpenCL
    let context: cl_context
    let library: KernelLibrary
    /// Kernels are shaped for a processor: work items that loop over much, in vectors. The user's option
    /// `opencl.kernels`, "cpu" or "gpu", decides otherwise.
    let likesVectors: Bool

    /// Elements a work item of a reduction handles side by side: a processor wants whole vectors, and
    /// whole cache lines where it goes down columns.
    func lanes(column: Bool) -> Int { likesVectors ? (column ? 64 : 16) : (column ? 1 : 4) }

    /// For kernels whose work items loop over much.
    var itemGroup: Group { Group(x: min(likesVectors ? 8 : 64, info.maxGroup)) }

    init(_ found: FoundDevice, services: Services) throws {
        info = found
        cl = found.cl
        likesVectors = services.option("opencl.kernels").map { $0 == "cpu" } ?? found.isCPU
        var device: cl_device_id? = found.id
        var code: cl_int = 0
        guard let context = found.cl.api.clCreateContext(nil, 1, &device, nil, nil, &code) else {
            throw OpenCL.error(code, "clCreateContext")
        }
        self.context = context
        library = KernelLibrary(found, context: context, services: services, batchesBodies: likesVectors)
    }

    var kernels: [Kernel] {
        let dtypes = info.description.dtypes
        return [
            Kernel(.pointwise, dtypes: dtypes) { queue, call in
                try Pointwise.launch(call, on: Self.queue(queue))
            },
            Kernel(.reduce, dtypes: dtypes) { queue, call in
                try Reduce.launch(call, on: Self.queue(queue))
            },
            Kernel(.matmul, dtypes: dtypes.subtracting([.bool])) { queue, call in
                try Matmul.launch(call, on: Self.queue(queue))
            },
            Kernel(.gather, dtypes: dtypes) { queue, call in
                try Gather.launch(call, on: Self.queue(queue))
            },
            Kernel(.scatter, dtypes: dtypes) { queue, call in
                try Scatter.launch(call, on: Self.queue(queue))
            },
        ]
    }

    @inline(__always)
    private static func queue(_ queue: any BackendQueue) throws -> OpenCLQueue {
        guard let queue = queue as? OpenCLQueue else {
            throw BackendError(.invalid, "the queue is not one of this backend")
        }
        return queue
    }

    func allocate(_ bytes: Int) throws -> any BackendBuffer {
        let limit = info.description.maxAllocationBytes
        guard UInt64(max(bytes, 0)) <= limit else {
            throw BackendError(
                .outOfMemory,
                "\(bytes) bytes in one block: this device's CL_DEVICE_MAX_MEM_ALLOC_SIZE is \(limit)")
        }
        return try OpenCLBuffer(self, bytes: bytes)
    }

    func makeQueue() throws -> any BackendQueue { try OpenCLQueue(self) }

    func prepare(_ calls: [Call]) throws {
        let layout = Layout()
        var requests: [KernelRequest] = []
        for call in calls {
            switch call.family {
            case .pointwise: requests += try Pointwise.requests(call, self, layout)
            case .reduce: requests += try Reduce.requests(call, self, layout)
            case .matmul: requests += try Matmul.requests(call, self, layout)
            case .gather: requests += try Gather.requests(call, self, layout)
            case .scatter: requests += try Scatter.requests(call, self, layout)
            case .override: break
            }
        }
        try library.compile(requests, quickly: true)
    }

    var compileCount: Int { library.compileCount }
}

/// A block of device memory.
final class OpenCLBuffer: BackendBuffer {
    let device: OpenCLDevice
    let memory: cl_mem
    let bytes: Int
    var hostAddress: UnsafeMutableRawPointer? { nil }

    init(_ device: OpenCLDevice, bytes: Int) throws {
        var code: cl_int = 0
        // OpenCL has no empty buffers, and kernels want an argument for an empty tensor too.
        let size = max(bytes, 16)
        guard
            let memory = device.cl.api.clCreateBuffer(
                device.context, cl_mem_flags(CL_MEM_READ_WRITE), size, nil, &code)
        else { throw OpenCL.error(code, "clCreateBuffer of \(bytes) bytes") }
        self.device = device
        self.memory = memory
        self.bytes = bytes
    }

    deinit { _ = device.cl.api.clReleaseMemObject(memory) }

    func check(_ offset: Int, _ count: Int) throws {
        guard offset >= 0, count >= 0, offset <= bytes, count <= bytes - offset else {
            throw BackendError(.invalid, "a copy of \(count) bytes at offset \(offset) of a buffer of \(bytes)")
        }
    }
}
