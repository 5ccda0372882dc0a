import BackendKit
enum Matmul { static func launch(_ c: Call, on q: OpenCLQueue) throws {}; static func requests(_ c: Call, _ d: OpenCLDevice, _ l: Layout) throws -> [KernelRequest] {[]} }
