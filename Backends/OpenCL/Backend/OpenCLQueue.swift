import BackendKit
import COpenCL
import Synchronization

/// An in-order command queue. Nothing waits but copies to the host, `synchronize` and events.
final class OpenCLQueue: BackendQueue {
    let device: OpenCLDevice
    let cl: OpenCL
    let queue: cl_command_queue
    /// Used by one launch at a time, as launches of a queue are.
    let layout = Layout()
    let blob = Blob()
    let indexErrors: IndexErrors
    private var scratch: OpenCLBuffer?
    private var launched = 0

    init(_ device: OpenCLDevice) throws {
        self.device = device
        cl = device.cl
        var code: cl_int = 0
        guard let queue = cl.api.clCreateCommandQueue(device.context, device.info.id, 0, &code) else {
            throw OpenCL.error(code, "clCreateCommandQueue")
        }
        self.queue = queue
        do {
            indexErrors = try IndexErrors(device, queue)
        } catch {
            _ = cl.api.clReleaseCommandQueue(queue)
            throw error
        }
    }

    deinit {
        _ = cl.api.clFinish(queue)
        _ = cl.api.clReleaseCommandQueue(queue)
    }

    // MARK: Copies

    func copyIn(_ source: UnsafeRawBufferPointer, to buffer: any BackendBuffer, at offset: Int) throws {
        let buffer = try Self.own(buffer)
        try buffer.check(offset, source.count)
        guard let base = source.baseAddress, source.count > 0 else { return }
        try cl.check(
            cl.api.clEnqueueWriteBuffer(
                queue, buffer.memory, cl_bool(CL_TRUE), offset, source.count, base, 0, nil, nil),
            "clEnqueueWriteBuffer")
    }

    func copyOut(_ buffer: any BackendBuffer, at offset: Int, to target: UnsafeMutableRawBufferPointer) throws {
        let buffer = try Self.own(buffer)
        try buffer.check(offset, target.count)
        if let base = target.baseAddress, target.count > 0 {
            try cl.check(
                cl.api.clEnqueueReadBuffer(
                    queue, buffer.memory, cl_bool(CL_TRUE), offset, target.count, base, 0, nil, nil),
                "clEnqueueReadBuffer")
        }
        try indexErrors.throwAndClear()
    }

    func copyWithin(
        from source: any BackendBuffer, at sourceOffset: Int, to target: any BackendBuffer, at targetOffset: Int,
        count: Int
    ) throws {
        let source = try Self.own(source)
        let target = try Self.own(target)
        try source.check(sourceOffset, count)
        try target.check(targetOffset, count)
        if count == 0 || (source === target && sourceOffset == targetOffset) { return }
        let overlaps =
            source === target && sourceOffset < targetOffset + count && targetOffset < sourceOffset + count
        if !overlaps {
            return try copy(source, sourceOffset, target, targetOffset, count)
        }
        // OpenCL refuses overlapping copies: by way of another buffer.
        let between = try OpenCLBuffer(device, bytes: count)
        try copy(source, sourceOffset, between, 0, count)
        try copy(between, 0, target, targetOffset, count)
    }

    private func copy(_ source: OpenCLBuffer, _ from: Int, _ target: OpenCLBuffer, _ to: Int, _ count: Int) throws {
        try cl.check(
            cl.api.clEnqueueCopyBuffer(queue, source.memory, target.memory, from, to, count, 0, nil, nil),
            "clEnqueueCopyBuffer")
    }

    private static func own(_ buffer: any BackendBuffer) throws -> OpenCLBuffer {
        guard let buffer = buffer as? OpenCLBuffer else {
            throw BackendError(.invalid, "the buffer is not one of this backend")
        }
        return buffer
    }

    /// Memory for the passes of one launch; in-order execution makes it free again for the next.
    func scratch(_ bytes: Int) throws -> cl_mem {
        if let scratch, scratch.bytes >= bytes { return scratch.memory }
        // Work enqueued with the old one keeps it alive until done.
        scratch = nil
        let made = try OpenCLBuffer(device, bytes: max(bytes, 1 << 16))
        scratch = made
        return made.memory
    }

    // MARK: Launches

    /// Work items of a launch: `width` along x, `rows` along y. What one dimension cannot hold goes on
    /// along z, see `KernelText.position`.
    struct Items {
        var width: Int
        var rows: Int

        static func line(_ count: Int) -> Items { Items(width: count, rows: 1) }

        /// Global sizes, each a multiple of the group's.
        func global(_ group: Group) -> (Int, Int, Int) {
            let across = max(1, (width + group.x - 1) / group.x)
            let down = max(1, (rows + group.y - 1) / group.y)
            let limit = 1 << 15
            if rows == 1 && across > limit << 4 {
                let z = (across + (limit << 4) - 1) / (limit << 4)
                return ((across + z - 1) / z * group.x, group.y, z)
            }
            let z = (down + limit - 1) / limit
            return (across * group.x, (down + z - 1) / z * group.y, z)
        }
    }

    /// Sets the arguments (memory objects, then the blob) and enqueues.
    func enqueue(
        _ kernel: CompiledKernel, _ memory: some Collection<cl_mem>, _ blob: Blob, _ items: Items, _ call: Call
    ) throws {
        let handle = kernel.shared.kernel
        try kernel.shared.lock.withLock { _ in
            var index: cl_uint = 0
            for object in memory {
                var object: cl_mem? = object
                try cl.check(
                    cl.api.clSetKernelArg(handle, index, MemoryLayout<cl_mem?>.size, &object),
                    "clSetKernelArg", call)
                index += 1
            }
            let temporary = try setBlob(kernel, index, blob, call)
            var which = kernel.which
            try cl.check(cl.api.clSetKernelArg(handle, index + 1, 4, &which), "clSetKernelArg", call)
            // The enqueued kernel keeps it until done.
            defer { if let temporary { _ = cl.api.clReleaseMemObject(temporary) } }
            var (global, local) = (items.global(kernel.group), (kernel.group.x, kernel.group.y, 1))
            try withUnsafeBytes(of: &global) { global in
                try withUnsafeBytes(of: &local) { local in
                    try cl.check(
                        cl.api.clEnqueueNDRangeKernel(
                            queue, handle, 3, nil, global.bindMemory(to: Int.self).baseAddress,
                            local.bindMemory(to: Int.self).baseAddress, 0, nil, nil),
                        "clEnqueueNDRangeKernel", call)
                }
            }
        }
        launched += 1
        // Some drivers sit on work until asked; one flush for several launches is cheap.
        if launched & 15 == 0 { try cl.check(cl.api.clFlush(queue), "clFlush") }
    }

    /// The numbers of a launch go by value, or, if too many for this device, through a buffer.
    private func setBlob(_ kernel: CompiledKernel, _ index: cl_uint, _ blob: Blob, _ call: Call) throws -> cl_mem? {
        if kernel.blobWords > 0 {
            blob.pad(to: kernel.blobWords)
            try cl.check(
                cl.api.clSetKernelArg(kernel.shared.kernel, index, kernel.blobWords * 8, blob.words), "clSetKernelArg",
                call)
            return nil
        }
        var code: cl_int = 0
        var memory = cl.api.clCreateBuffer(
            device.context, cl_mem_flags(CL_MEM_READ_ONLY) | cl_mem_flags(CL_MEM_COPY_HOST_PTR), blob.count * 8,
            blob.words, &code)
        try cl.check(code, "clCreateBuffer", call)
        try cl.check(
            cl.api.clSetKernelArg(kernel.shared.kernel, index, MemoryLayout<cl_mem?>.size, &memory), "clSetKernelArg",
            call)
        return memory
    }

    // MARK: Waiting

    func synchronize() throws {
        try cl.check(cl.api.clFinish(queue), "clFinish")
        try indexErrors.throwAndClear()
    }

    func record() throws -> any BackendEvent {
        let event = try OpenCLEvent(self)
        try cl.check(cl.api.clFlush(queue), "clFlush")
        return event
    }

    func wait(for event: any BackendEvent) throws {
        guard let event = event as? OpenCLEvent, event.device === device else { return try event.wait() }
        var handle: cl_event? = event.event
        try cl.check(cl.api.clEnqueueBarrierWithWaitList(queue, 1, &handle, nil), "clEnqueueBarrierWithWaitList")
    }
}

/// A point in a queue, with what the index checks before it found.
final class OpenCLEvent: BackendEvent {
    let device: OpenCLDevice
    let event: cl_event
    private let snapshot: IndexErrors.Snapshot?

    init(_ queue: OpenCLQueue) throws {
        device = queue.device
        let cl = queue.cl
        var made: cl_event?
        snapshot = try queue.indexErrors.snapshot(&made)
        if made == nil {
            try cl.check(
                cl.api.clEnqueueMarkerWithWaitList(queue.queue, 0, nil, &made), "clEnqueueMarkerWithWaitList")
        }
        guard let made else { throw BackendError(.other, "OpenCL gave no event") }
        event = made
    }

    deinit {
        // The snapshot's memory is written until the event has happened.
        if snapshot != nil {
            var handle: cl_event? = event
            _ = device.cl.api.clWaitForEvents(1, &handle)
        }
        _ = device.cl.api.clReleaseEvent(event)
    }

    func wait() throws {
        var handle: cl_event? = event
        try device.cl.check(device.cl.api.clWaitForEvents(1, &handle), "clWaitForEvents")
        try snapshot?.throwIfNew()
    }
}
