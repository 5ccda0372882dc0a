import BackendKit
import COpenCL

/// The functions of the loaded library, with errors thrown.
struct OpenCL: @unchecked Sendable {
    // The table is written once before it is handed out and lives as long as the process.
    private let table: UnsafePointer<COpenCL>

    init(_ table: UnsafePointer<COpenCL>) { self.table = table }

    var api: COpenCL {
        @inline(__always) unsafeAddress { table }
    }

    /// Throws unless `code` is success.
    @inline(__always)
    func check(_ code: cl_int, _ what: StaticString) throws {
        if code != CL_SUCCESS { throw OpenCL.error(code, "\(what)") }
    }

    /// The same for a step of a launch, which the error then names.
    @inline(__always)
    func check(_ code: cl_int, _ what: StaticString, _ call: Call) throws {
        if code != CL_SUCCESS { throw OpenCL.error(code, "\(what)", op: call.op, site: call.site) }
    }

    static func error(_ code: cl_int, _ what: String, op: String? = nil, site: UInt64 = 0) -> BackendError {
        let kind: BackendError.Kind =
            switch code {
            case CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY: .outOfMemory
            case CL_BUILD_PROGRAM_FAILURE, CL_COMPILER_NOT_AVAILABLE: .compile
            case CL_DEVICE_NOT_AVAILABLE, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: .deviceLost
            default: .other
            }
        return BackendError(kind, "OpenCL: \(what) failed with \(name(of: code))", op: op, site: site)
    }

    private static func name(of code: cl_int) -> String {
        let known: [cl_int: String] = [
            CL_DEVICE_NOT_FOUND: "CL_DEVICE_NOT_FOUND", CL_DEVICE_NOT_AVAILABLE: "CL_DEVICE_NOT_AVAILABLE",
            CL_COMPILER_NOT_AVAILABLE: "CL_COMPILER_NOT_AVAILABLE",
            CL_MEM_OBJECT_ALLOCATION_FAILURE: "CL_MEM_OBJECT_ALLOCATION_FAILURE",
            CL_OUT_OF_RESOURCES: "CL_OUT_OF_RESOURCES", CL_OUT_OF_HOST_MEMORY: "CL_OUT_OF_HOST_MEMORY",
            CL_MEM_COPY_OVERLAP: "CL_MEM_COPY_OVERLAP", CL_BUILD_PROGRAM_FAILURE: "CL_BUILD_PROGRAM_FAILURE",
            CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
            CL_INVALID_VALUE: "CL_INVALID_VALUE", CL_INVALID_MEM_OBJECT: "CL_INVALID_MEM_OBJECT",
            CL_INVALID_BINARY: "CL_INVALID_BINARY", CL_INVALID_BUILD_OPTIONS: "CL_INVALID_BUILD_OPTIONS",
            CL_INVALID_PROGRAM_EXECUTABLE: "CL_INVALID_PROGRAM_EXECUTABLE",
            CL_INVALID_KERNEL_NAME: "CL_INVALID_KERNEL_NAME", CL_INVALID_ARG_INDEX: "CL_INVALID_ARG_INDEX",
            CL_INVALID_ARG_SIZE: "CL_INVALID_ARG_SIZE", CL_INVALID_KERNEL_ARGS: "CL_INVALID_KERNEL_ARGS",
            CL_INVALID_WORK_GROUP_SIZE: "CL_INVALID_WORK_GROUP_SIZE",
            CL_INVALID_GLOBAL_WORK_SIZE: "CL_INVALID_GLOBAL_WORK_SIZE",
            CL_INVALID_BUFFER_SIZE: "CL_INVALID_BUFFER_SIZE", -1001: "CL_PLATFORM_NOT_FOUND_KHR",
        ]
        return known[code].map { "\($0) (\(code))" } ?? "code \(code)"
    }
}
