// swift-tools-version: 6.2
import PackageDescription

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")

// Who may import whom is the first line of ARCHITECTURE.md; these dependencies enforce it.
let package = Package(
    name: "ampd",
    products: [
        .library(name: "AMP", targets: ["AMP"]),
        .library(name: "AMPSession", targets: ["AMPSession"]),
        .library(name: "AMPServer", targets: ["AMPServer"]),
        .library(name: "AMPClient", targets: ["AMPClient"]),
        .executable(name: "ampd", targets: ["ampd"]),
        .executable(name: "amp", targets: ["amp"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // The protocol, without I/O.
        .target(name: "AMP"),
        .target(name: "Clocks"),
        .target(name: "AMPSession", dependencies: ["AMP", deque]),

        // The machine below it.
        .target(name: "Kernel", dependencies: ["Clocks"]),
        .target(name: "CLinux"),
        .target(name: "LinuxKernel", dependencies: ["Kernel", "CLinux", deque]),
        .target(name: "Runtime", dependencies: ["AMPSession", "Kernel", "Digests", heap, deque]),

        // What ampd serves.
        .systemLibrary(
            name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "Digests", dependencies: ["CXXHash", "COpenSSL"]),
        .target(name: "Store", dependencies: ["Kernel", "Digests"]),
        .target(name: "StoreCommands", dependencies: ["AMP"]),
        .target(name: "AMPServer", dependencies: ["Runtime"]),
        .systemLibrary(
            name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .target(
            name: "Daemon", dependencies: ["AMPServer", "Store", "StoreCommands", "CSystemd"]),
        .executableTarget(name: "ampd", dependencies: ["Daemon", "LinuxKernel"]),

        // Who calls it.
        .target(
            name: "AMPClient", dependencies: ["Runtime", "LinuxKernel", "Digests", "StoreCommands"]),
        .executableTarget(name: "amp", dependencies: ["AMPClient", argumentParser, histogram]),

        // Tests.
        .target(name: "Simulation", dependencies: ["Daemon", "Runtime", "Kernel"]),
        .testTarget(name: "AMPTests", dependencies: ["AMP"], resources: [.copy("Vectors")]),
        .testTarget(name: "SessionTests", dependencies: ["AMPSession"]),
        .testTarget(name: "KernelTests", dependencies: ["LinuxKernel", "Runtime"]),
        .testTarget(name: "RuntimeTests", dependencies: ["AMPServer", "LinuxKernel", "Daemon"]),
        .testTarget(name: "StoreTests", dependencies: ["Store", "LinuxKernel", "Simulation"]),
        .testTarget(name: "ClientTests", dependencies: ["AMPClient", "AMPServer", "amp", "ampd"]),
        .testTarget(name: "DaemonTests", dependencies: ["Daemon", "LinuxKernel", "AMPClient"]),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Simulation", "Daemon", "AMPServer", "Store", "StoreCommands", "Digests",
            ]),
    ]
)
