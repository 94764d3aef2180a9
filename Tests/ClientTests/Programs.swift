import AMPClient
import Foundation

/// The programs as they were built beside the tests, run as users run them.
enum Programs {
    static let folder: String = {
        // The repository: three levels above this file.
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        #if DEBUG
            return root.appendingPathComponent(".build/debug").path
        #else
            return root.appendingPathComponent(".build/release").path
        #endif
    }()
}

/// A directory of one test, removed with it.
final class Workspace: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "amp-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], to name: String) throws -> String {
        let url = URL(fileURLWithPath: file(name))
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return url.path
    }

    func read(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

    func names(in folder: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: file(folder)).sorted()
    }
}

/// An ampd of one test, stopped with it.
final class RunningDaemon: @unchecked Sendable {
    let root: String
    private(set) var endpoint: Endpoint
    private var process: Process

    init(in workspace: Workspace) throws {
        root = workspace.file("root")
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        (process, endpoint) = try Self.start("127.0.0.1:0", root)
    }

    deinit { kill() }

    /// As a power cut would (`SIGKILL`).
    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Lets go of what clients wait for (`SIGTERM`).
    func terminate() {
        process.terminate()
        process.waitUntilExit()
    }

    /// Anew on the same port and files.
    func restart() throws { (process, endpoint) = try Self.start("\(endpoint)", root) }

    private static func start(_ address: String, _ root: String) throws -> (Process, Endpoint) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Programs.folder + "/ampd")
        process.arguments = ["--listen", address, "--root", root]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var line = ""
        while !line.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw POSIXError(.ECHILD) }
            line += String(decoding: data, as: UTF8.self)
        }
        let words = line.split(whereSeparator: \.isWhitespace)
        return (process, try Endpoint(String(words.last ?? "")))
    }
}

/// What a run of `amp` came to.
struct Run {
    var status: Int32
    var output: String
    var errors: String
}

/// Runs of `amp` against one server, in one directory.
struct AmpProgram {
    let server: Endpoint
    let workspace: Workspace

    func callAsFunction(_ arguments: String..., input: [UInt8] = []) async throws -> Run {
        let process = start(arguments)
        let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = standardInput
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Each end on a thread of its own: a pool of tasks has few, and must not be blocked.
        async let outputData = onThread { try output.fileHandleForReading.readToEnd() }
        async let errorData = onThread { try errors.fileHandleForReading.readToEnd() }
        try await onThread {
            let writing = standardInput.fileHandleForWriting
            if !input.isEmpty { try writing.write(contentsOf: Data(input)) }
            try writing.close()
        }
        let texts = try await (outputData, errorData)
        process.waitUntilExit()
        return Run(
            status: process.terminationStatus,
            output: String(decoding: texts.0 ?? Data(), as: UTF8.self),
            errors: String(decoding: texts.1 ?? Data(), as: UTF8.self))
    }

    /// One that is still to be run, with neither input nor output.
    func start(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Programs.folder + "/amp")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: workspace.path)
        process.environment = [
            "AMP_SERVER": "\(server)", "XDG_STATE_HOME": workspace.file("state"),
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        return process
    }
}

/// Runs what blocks on a thread of its own.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        do throws(Errno) {
            try DetachedThread.start { continuation.resume(with: Result(catching: body)) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

/// Bytes that look like no others, always the same for one seed.
func testBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 32)
    }
}
