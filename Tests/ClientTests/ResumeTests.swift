import AMPClient
import Foundation
import Synchronization
import Testing

@Suite("Transfers through a daemon's death")
struct ResumeTests {
    private let workspace: Workspace
    private let daemon: RunningDaemon
    private let events = Events()
    private let store: StoreClient

    /// Large enough to be caught in the middle.
    private static let size: UInt64 = 384 << 20

    private final class Events: Sendable {
        let seen = Mutex<[String]>([])

        func add(_ event: StoreEvent) { seen.withLock { $0.append("\(event)") } }
        var count: Int { seen.withLock { $0.count } }
    }

    init() throws {
        workspace = try Workspace()
        daemon = try RunningDaemon(in: workspace)
        let events = events
        store = try StoreClient(daemon.endpoint) { events.add($0) }
    }

    /// A file with different bytes here and there, and holes between them.
    private func makeLargeFile(_ name: String) throws -> String {
        let path = try workspace.write([], to: name)
        let file = try #require(FileHandle(forWritingAtPath: path))
        for offset in stride(from: UInt64(0), to: Self.size, by: 5 << 20) {
            try file.seek(toOffset: offset)
            try file.write(contentsOf: Data(testBytes(4_096, seed: offset + 1)))
        }
        try file.truncate(atOffset: Self.size)
        try file.close()
        return path
    }

    private func areEqual(_ left: String, _ right: String) -> Bool {
        FileManager.default.contentsEqual(atPath: left, andPath: right)
    }

    @Test("A put goes on where the daemon that was killed had come to")
    func put() async throws {
        let path = try makeLargeFile("in")
        let (store, progress) = (store, TransferProgress())
        let put = Task { try await store.put(file: path, as: "big", progress: progress) }
        while progress.bytes < 64 << 20 { await Task.yield() }
        daemon.kill()
        try daemon.restart()
        #expect(try await put.value.size == Self.size)
        #expect(events.count >= 2, "it was not interrupted: \(events.seen.withLock { $0 })")
        #expect(areEqual(path, daemon.root + "/big"))
        // What came before the kill did not come again.
        #expect(try await store.status().bytesIn < Self.size)
    }

    @Test("A get goes on where it was, and the whole is verified")
    func get() async throws {
        let path = try makeLargeFile("in")
        try await store.put(file: path, as: "big")
        let (store, progress, target) = (store, TransferProgress(), workspace.file("out"))
        let get = Task { try await store.get("big", into: target, progress: progress) }
        while progress.bytes < 64 << 20 { await Task.yield() }
        daemon.kill()
        try daemon.restart()
        #expect(try await get.value.size == Self.size)
        #expect(events.count >= 2, "it was not interrupted: \(events.seen.withLock { $0 })")
        #expect(areEqual(path, target))
        #expect(try await store.status().bytesOut < Self.size)
    }

    @Test("A get of what has changed meanwhile begins anew")
    func changed() async throws {
        let path = try makeLargeFile("in")
        try await store.put(file: path, as: "big")
        let (store, progress, target) = (store, TransferProgress(), workspace.file("out"))
        let get = Task { try await store.get("big", into: target, progress: progress) }
        while progress.bytes < 64 << 20 { await Task.yield() }
        daemon.kill()
        let other = try workspace.write(testBytes(100_000, seed: 9), to: "root/big")
        try daemon.restart()
        #expect(try await get.value.size == 100_000)
        #expect(areEqual(other, target))
    }

    @Test("A pipe cannot be sent again, and says so")
    func pipe() async throws {
        let pipe = Pipe()
        let reader = PipeReader(
            pipe.fileHandleForReading.fileDescriptor, kernel: LinuxKernel())
        let (store, progress) = (store, TransferProgress())
        let put = Task { try await store.put(pipe: reader, as: "piped", progress: progress) }
        try pipe.fileHandleForWriting.write(contentsOf: Data(testBytes(50_000)))
        while progress.bytes < 50_000 { await Task.yield() }
        daemon.kill()
        await #expect {
            _ = try await put.value
        } throws: { error in
            if case TransferError.cannotRepeat = error { true } else { false }
        }
        try pipe.fileHandleForWriting.close()
    }

    @Test("Without a server it gives up when its patience ends")
    func patience() async throws {
        var policy = RetryPolicy()
        policy.giveUpAfter = .milliseconds(300)
        let store = try StoreClient(daemon.endpoint, policy: policy)
        try await store.ping()
        let path = try makeLargeFile("in")
        daemon.kill()
        await #expect(throws: ConnectionError.self) { try await store.put(file: path, as: "big") }
    }

    @Test("A put that was killed goes on when it is run again")
    func putAgain() async throws {
        _ = try makeLargeFile("in")
        let amp = AmpProgram(server: daemon.endpoint, workspace: workspace)
        try await interrupt(amp.start(["put", "in", "big"])) { $0.bytesIn }
        #expect(try workspace.names(in: "state/amp/uploads").count == 1)
        let before = try await store.status().bytesIn
        #expect(try await amp("put", "in", "big").status == 0)
        #expect(try await store.status().bytesIn - before < Self.size)
        #expect(areEqual(workspace.file("in"), daemon.root + "/big"))
        #expect(try workspace.names(in: "state/amp/uploads").isEmpty)
    }

    @Test("A get that was killed goes on when it is run again")
    func getAgain() async throws {
        let path = try makeLargeFile("root/big")
        let amp = AmpProgram(server: daemon.endpoint, workspace: workspace)
        try await interrupt(amp.start(["get", "big"])) { $0.bytesOut }
        #expect(workspace.exists("big.part") && workspace.exists("big.part.amp"))
        let before = try await store.status().bytesOut
        #expect(try await amp("get", "big").status == 0)
        #expect(try await store.status().bytesOut - before < Self.size)
        #expect(areEqual(path, workspace.file("big")))
        #expect(!workspace.exists("big.part") && !workspace.exists("big.part.amp"))
    }

    /// Ctrl-C in the middle of a transfer, as the server sees it.
    private func interrupt(
        _ process: Process, _ counter: (Status.Response) -> UInt64
    ) async throws {
        let start = counter(try await store.status())
        try process.run()
        while process.isRunning, counter(try await store.status()) - start < 64 << 20 {}
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal)
    }

    @Test("A file that is in the way of a get stays as it is")
    func inTheWay() async throws {
        try await store.put(bytes: [1, 2, 3], as: "x")
        let part = try workspace.write([9], to: "x.part")
        await #expect(throws: TransferError.self) {
            try await store.get("x", into: workspace.file("x"))
        }
        #expect(try workspace.read("x.part") == [9])
        try FileManager.default.removeItem(atPath: part)
        try await store.get("x", into: workspace.file("x"))
        #expect(try workspace.read("x") == [1, 2, 3])
    }

    @Test("A damaged part is found out and fetched anew")
    func damagedPart() async throws {
        let bytes = testBytes(1 << 20, seed: 4)
        try await store.put(bytes: bytes, as: "x")
        let stat = try await store.stat("x")
        _ = try workspace.write([UInt8](repeating: 0, count: 1000), to: "x.part")
        let record = """
            amp-get 1
            "\(daemon.endpoint)"
            "x"
            \(stat.size)
            \(stat.modified.microseconds)

            """
        _ = try workspace.write(Array(record.utf8), to: "x.part.amp")
        try await store.get("x", into: workspace.file("x"))
        #expect(try workspace.read("x") == bytes)
    }
}
