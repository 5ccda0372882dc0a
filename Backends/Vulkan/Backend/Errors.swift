import BackendKit
import CVulkan

extension VkResult {
    /// Vulkan's name of the code.
    var name: String {
        switch self {
        case VK_ERROR_OUT_OF_HOST_MEMORY: "VK_ERROR_OUT_OF_HOST_MEMORY"
        case VK_ERROR_OUT_OF_DEVICE_MEMORY: "VK_ERROR_OUT_OF_DEVICE_MEMORY"
        case VK_ERROR_INITIALIZATION_FAILED: "VK_ERROR_INITIALIZATION_FAILED"
        case VK_ERROR_DEVICE_LOST: "VK_ERROR_DEVICE_LOST"
        case VK_ERROR_MEMORY_MAP_FAILED: "VK_ERROR_MEMORY_MAP_FAILED"
        case VK_ERROR_LAYER_NOT_PRESENT: "VK_ERROR_LAYER_NOT_PRESENT"
        case VK_ERROR_EXTENSION_NOT_PRESENT: "VK_ERROR_EXTENSION_NOT_PRESENT"
        case VK_ERROR_FEATURE_NOT_PRESENT: "VK_ERROR_FEATURE_NOT_PRESENT"
        case VK_ERROR_INCOMPATIBLE_DRIVER: "VK_ERROR_INCOMPATIBLE_DRIVER"
        case VK_ERROR_TOO_MANY_OBJECTS: "VK_ERROR_TOO_MANY_OBJECTS"
        default: "VkResult \(rawValue)"
        }
    }

    var kind: BackendError.Kind {
        switch self {
        case VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_MEMORY_MAP_FAILED: .outOfMemory
        case VK_ERROR_DEVICE_LOST: .deviceLost
        default: .other
        }
    }
}

/// Throws unless the call succeeded; `action` says what was being done.
func check(_ result: VkResult, _ action: @autoclosure () -> String, op: String? = nil) throws {
    guard result.rawValue < 0 else { return }
    throw BackendError(result.kind, "\(action()) failed: \(result.name)", op: op)
}
