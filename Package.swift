// swift-tools-version: 6.1
import PackageDescription

let c23: [CSetting] = [.define("_GNU_SOURCE")]

let package = Package(
    name: "cresset",
    products: [
        .library(name: "Cresset", targets: ["Cresset", "CressetNN", "CressetOptim", "CressetData", "CressetIO"]),
        .library(name: "BackendKit", targets: ["BackendKit"]),
        .library(name: "ConformanceSuite", targets: ["ConformanceSuite"]),
        .executable(name: "cresset", targets: ["CressetCLI"]),
        .library(name: "CressetBackendOpenBLAS", type: .dynamic, targets: ["OpenBLASBackend"]),
        .library(name: "CressetBackendOpenCL", type: .dynamic, targets: ["OpenCLBackend"]),
        .library(name: "CressetBackendVulkan", type: .dynamic, targets: ["VulkanBackend"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        // The boundary and what both of its sides share.
        .target(name: "CBackend", path: "Sources/CBackend", exclude: [], cSettings: c23),
        .target(name: "BackendKit", dependencies: ["CBackend"]),

        // The tensor library.
        .target(name: "CCresset", cSettings: c23),
        // KISS FFT's template is all of it: a header that is compiled in.
        .target(name: "CFFT"),
        .target(name: "CLapack", cSettings: c23),
        .target(
            name: "Cresset",
            dependencies: ["BackendKit", "CBackend", "CCresset", "CFFT", "CLapack", "ReferenceBackend", "MetaBackend"]),
        .target(name: "CressetNN", dependencies: ["Cresset"]),
        .target(name: "CressetOptim", dependencies: ["Cresset"]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CressetIO", dependencies: ["Cresset", "CZlib"]),
        .target(name: "CDigits", exclude: ["NOTICE", "digits.csv.gz"]),
        .target(name: "CressetData", dependencies: ["Cresset", "CressetIO", "CDigits"]),

        // Backends: the reference and meta are linked in, the others are loaded.
        .target(
            name: "ReferenceBackend", dependencies: ["BackendKit", "CBackend"], path: "Backends/Reference",
            exclude: ["conformance.json"]),
        .target(name: "MetaBackend", dependencies: ["BackendKit", "CBackend"], path: "Backends/Meta"),
        .target(
            name: "CPUKernels", dependencies: ["CBackend"], path: "Backends/OpenBLAS/Kernels", cSettings: c23),
        .target(
            name: "OpenBLASBackend", dependencies: ["BackendKit", "CBackend", "CPUKernels"],
            path: "Backends/OpenBLAS/Backend"),
        .target(name: "COpenCL", path: "Backends/OpenCL/COpenCL", cSettings: c23),
        .target(
            name: "OpenCLBackend", dependencies: ["BackendKit", "CBackend", "COpenCL"],
            path: "Backends/OpenCL/Backend"),
        .target(
            name: "CVulkan", path: "Backends/Vulkan/CVulkan", cSettings: c23,
            // glslang is linked in, statically, in this order; Vulkan itself is opened at run time.
            linkerSettings: [
                "glslang", "MachineIndependent", "GenericCodeGen", "OSDependent", "OGLCompiler", "SPIRV",
                "glslang-default-resource-limits", "SPIRV-Tools-opt", "SPIRV-Tools", "stdc++", "m",
            ].map { .linkedLibrary($0) }),
        .target(
            name: "VulkanBackend", dependencies: ["BackendKit", "CBackend", "CVulkan"],
            path: "Backends/Vulkan/Backend"),

        // Proof.
        .testTarget(
            name: "ReferenceTests", dependencies: ["BackendKit", "CBackend", "ReferenceBackend"],
            path: "Tests/ReferenceTests"),
        .target(
            name: "ConformanceSuite", dependencies: ["Cresset", "CressetIO", "CGoldens"], path: "Conformance/Suite"),
        .executableTarget(
            name: "cresset-mutate",
            dependencies: [
                "Cresset", "ConformanceSuite", "CBackend",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Conformance/Mutate", exclude: ["Layers", "survivors.txt"]),
        .target(name: "CGoldens", path: "Conformance/Goldens", exclude: ["goldens.safetensors.gz", "NOTICE"]),

        // What the processor can do at most, for the bench's table.
        .target(name: "CProbe", cSettings: c23),
        .target(name: "CTemplates", exclude: ["c", "swift"]),
        .executableTarget(
            name: "CressetCLI",
            dependencies: [
                "CTemplates", "CProbe",
                "Cresset", "CressetNN", "CressetOptim", "CressetData", "CressetIO", "ConformanceSuite",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        .testTarget(name: "TensorTests", dependencies: ["Cresset"], exclude: ["Plugins"]),
        .testTarget(name: "LoaderTests", dependencies: ["Cresset"]),
        .testTarget(
            name: "ConformanceTests", dependencies: ["Cresset", "CressetIO", "ConformanceSuite"]),
        .testTarget(
            name: "NNTests", dependencies: ["Cresset", "CressetNN", "CressetOptim", "CressetData", "CressetIO"],
            exclude: ["make_values.py"]),
        .testTarget(name: "EveryDeviceTests", dependencies: ["Cresset", "CressetNN", "CressetOptim"]),
        .testTarget(name: "OutsideTests", dependencies: ["Cresset", "ConformanceSuite"]),
        .testTarget(name: "LargeTests", dependencies: ["Cresset"]),
        .testTarget(name: "IOTests", dependencies: ["Cresset", "CressetIO", "CressetData", "CZlib"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x,
    cxxLanguageStandard: .cxx17
)
