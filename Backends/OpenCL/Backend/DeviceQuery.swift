import BackendKit
import COpenCL

/// A device of some platform, and what the backend needs to know of it.
struct FoundDevice: @unchecked Sendable {
    // OpenCL's device ids are valid as long as the process.
    let id: cl_device_id
    let cl: OpenCL
    let description: DeviceDescription
    let isCPU: Bool
    let hasF64: Bool
    let computeUnits: Int
    let maxGroup: Int
    /// Flags for `clBuildProgram`.
    let options: String
    /// `/` and `sqrt` of floats are not correctly rounded.
    let roughDivision: Bool
    /// Floats in a vector register.
    let floatWidth: Int
}

extension OpenCL {
    /// The devices of all platforms; none is no error here.
    func findDevices() throws -> [FoundDevice] {
        var count: cl_uint = 0
        // The loader answers "no platform" with an error of its own.
        guard api.clGetPlatformIDs(0, nil, &count) == CL_SUCCESS, count > 0 else { return [] }
        var platforms = [cl_platform_id?](repeating: nil, count: Int(count))
        try check(api.clGetPlatformIDs(count, &platforms, nil), "clGetPlatformIDs")
        return platforms.compactMap { $0 }.flatMap { platform in
            devices(of: platform).compactMap { describe($0, platform) }
        }
    }

    private func devices(of platform: cl_platform_id) -> [cl_device_id] {
        let all = cl_device_type(0xffff_ffff)
        var count: cl_uint = 0
        guard api.clGetDeviceIDs(platform, all, 0, nil, &count) == CL_SUCCESS, count > 0 else { return [] }
        var ids = [cl_device_id?](repeating: nil, count: Int(count))
        guard api.clGetDeviceIDs(platform, all, count, &ids, nil) == CL_SUCCESS else { return [] }
        return ids.compactMap { $0 }
    }

    /// nil for a device that cannot run kernels made at run time.
    private func describe(_ id: cl_device_id, _ platform: cl_platform_id) -> FoundDevice? {
        guard number(id, CL_DEVICE_AVAILABLE, cl_bool.self) != 0,
            number(id, CL_DEVICE_COMPILER_AVAILABLE, cl_bool.self) != 0,
            number(id, CL_DEVICE_ENDIAN_LITTLE, cl_bool.self) != 0
        else { return nil }
        let extensions = Set(text(id, CL_DEVICE_EXTENSIONS).split(separator: " ").map(String.init))
        let hasF64 = number(id, CL_DEVICE_DOUBLE_FP_CONFIG, cl_ulong.self) != 0
        let single = number(id, CL_DEVICE_SINGLE_FP_CONFIG, cl_ulong.self)
        let isCPU = number(id, CL_DEVICE_TYPE, cl_ulong.self) & cl_ulong(CL_DEVICE_TYPE_CPU) != 0
        let exactDivision = single & cl_ulong(CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0

        var options = "-cl-std=CL1.2 -w"
        if exactDivision { options += " -cl-fp32-correctly-rounded-divide-sqrt" }

        var uuid: [UInt8] = []
        if extensions.contains("cl_khr_device_uuid") {
            uuid = [UInt8](repeating: 0, count: 16)
            // CL_DEVICE_UUID_KHR
            if api.clGetDeviceInfo(id, 0x106A, 16, &uuid, nil) != CL_SUCCESS { uuid = [] }
        }
        var flags: DeviceDescription.Flags = isCPU ? [.software] : []
        if number(id, CL_DEVICE_HOST_UNIFIED_MEMORY, cl_bool.self) != 0 { flags.insert(.unifiedMemory) }
        var dtypes: Set<DType> = [
            .bool, .uint8, .int8, .int16, .int32, .int64, .float16, .bfloat16, .float32,
        ]
        if hasF64 { dtypes.insert(.float64) }
        let driver = [
            platformText(platform, CL_PLATFORM_NAME), platformText(platform, CL_PLATFORM_VERSION),
            text(id, CL_DRIVER_VERSION),
        ].joined(separator: ", ")
        let description = DeviceDescription(
            name: text(id, CL_DEVICE_NAME), driver: driver, uuid: uuid, flags: flags,
            memoryBytes: number(id, CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong.self),
            maxAllocationBytes: number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong.self), dtypes: dtypes)
        return FoundDevice(
            id: id, cl: self, description: description, isCPU: isCPU, hasF64: hasF64,
            computeUnits: max(1, Int(number(id, CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint.self))),
            maxGroup: max(1, number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, Int.self)), options: options,
            roughDivision: !exactDivision,
            floatWidth: Int(number(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint.self)))
    }

    private func number<T: FixedWidthInteger>(_ id: cl_device_id, _ name: Int32, _: T.Type) -> T {
        var value: T = 0
        // A property the driver does not know counts as 0.
        guard api.clGetDeviceInfo(id, cl_device_info(name), MemoryLayout<T>.size, &value, nil) == CL_SUCCESS else {
            return 0
        }
        return value
    }

    private func text(_ id: cl_device_id, _ name: Int32) -> String {
        Self.string { api.clGetDeviceInfo(id, cl_device_info(name), $0, $1, $2) }
    }

    private func platformText(_ id: cl_platform_id, _ name: Int32) -> String {
        Self.string { api.clGetPlatformInfo(id, cl_platform_info(name), $0, $1, $2) }
    }

    /// A string by count, then fill.
    static func string(
        _ read: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int
    ) -> String {
        var bytes = 0
        guard read(0, nil, &bytes) == CL_SUCCESS, bytes > 0 else { return "" }
        let buffer = [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            if read(bytes, buffer.baseAddress, nil) == CL_SUCCESS { count = bytes }
        }
        let trimmed = buffer.prefix { $0 != 0 }.drop { $0 == UInt8(ascii: " ") }
        return String(decoding: trimmed, as: UTF8.self)
    }
}
