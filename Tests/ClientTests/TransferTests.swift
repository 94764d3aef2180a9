import AMPClient
import Foundation
import Testing

@Suite("Files in and out of an ampd")
struct TransferTests {
    private let workspace: Workspace
    private let daemon: RunningDaemon
    private let store: StoreClient

    init() throws {
        workspace = try Workspace()
        daemon = try RunningDaemon(in: workspace)
        store = try StoreClient(daemon.endpoint)
    }

    @Test(
        "A file comes back as it went, whatever its size",
        arguments: [0, 1, 61_439, 61_440, 61_441, 262_145, 5 << 20])
    func roundTrip(size: Int) async throws {
        let bytes = testBytes(size)
        let path = try workspace.write(bytes, to: "in")
        let progress = TransferProgress()
        let stored = try await store.put(file: path, as: "a/b", progress: progress)
        #expect(stored.size == UInt64(size))
        #expect(progress.bytes == UInt64(size))
        #expect(progress.total == UInt64(size))

        let version = try await store.get("a/b", into: workspace.file("out"))
        #expect(version.size == UInt64(size))
        #expect(try workspace.read("out") == bytes)
        #expect(try await store.get("a/b", upTo: 8 << 20) == bytes)
        #expect(try workspace.names() == ["in", "out", "root"])
    }

    @Test("A pipe is stored up to its end", arguments: [0, 1, 70_000, 3 << 20])
    func pipe(size: Int) async throws {
        let bytes = testBytes(size, seed: 2)
        let pipe = Pipe()
        async let writing: Void = onThread {
            try pipe.fileHandleForWriting.write(contentsOf: Data(bytes))
            try pipe.fileHandleForWriting.close()
        }
        let reader = PipeReader(
            pipe.fileHandleForReading.fileDescriptor, kernel: LinuxKernel())
        let stored = try await store.put(pipe: reader, as: "piped")
        try await writing
        #expect(stored.size == UInt64(size))
        #expect(try await store.get("piped", upTo: 8 << 20) == bytes)
    }

    @Test("A sequence is sent as it is made, and abandoned when it fails")
    func sequence() async throws {
        struct Broken: Error {}
        let client = try await store.client()
        let pieces = AsyncStream { continuation in
            for seed in 1...40 { continuation.yield(testBytes(50_000, seed: UInt64(seed))) }
            continuation.finish()
        }
        let put = Put(upload: Upload(), filename: "pieces")
        let stored = try await client.call(put, uploads: [\.upload: .sequence(pieces)])
        #expect(stored.size == 40 * 50_000)
        let whole = (1...40).flatMap { testBytes(50_000, seed: UInt64($0)) }
        #expect(try await store.get("pieces", upTo: 8 << 20) == whole)

        let broken = UploadBody.written { writer in
            try await writer.write(testBytes(100_000))
            throw Broken()
        }
        await #expect(throws: RemoteError.self) {
            let put = Put(upload: Upload(), filename: "no")
            return try await client.call(put, uploads: [\.upload: broken])
        }
        await #expect(throws: RemoteError.self) { try await store.stat("no") }
    }

    @Test("Memory is bounded by whoever asks")
    func bounded() async throws {
        try await store.put(bytes: testBytes(100_000), as: "x")
        await #expect(throws: StreamFault.self) { try await store.get("x", upTo: 99_999) }
        #expect(try await store.get("x", upTo: 100_000).count == 100_000)
    }

    @Test("A download is read in pieces, no faster than it is taken")
    func pieces() async throws {
        let bytes = testBytes(4 << 20, seed: 3)
        try await store.put(bytes: bytes, as: "x")
        let client = try await store.client()
        let reply = try await client.request(Get(filename: "x"))
        let stream = try #require(reply.stream(reply.response.download))
        // Nobody reads yet, and calls go on beside it all the same.
        for _ in 0..<20 { try await store.ping() }
        var got: [UInt8] = []
        for try await piece in stream {
            #expect(piece.count <= 1 << 20)
            got += piece
        }
        #expect(got == bytes)
    }

    @Test("Two hundred files share a connection with pings")
    func concurrency() async throws {
        let store = store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let bytes = testBytes(number * 977, seed: UInt64(number + 1))
                    try await store.put(bytes: bytes, as: "many/\(number)")
                    #expect(try await store.get("many/\(number)", upTo: 1 << 20) == bytes)
                }
                group.addTask { try await store.ping() }
            }
            try await group.waitForAll()
        }
        var names: Set<String> = []
        for try await entry in store.list(prefix: "many/", recursive: true) {
            names.insert(entry.name)
        }
        #expect(names == Set((0..<200).map { "many/\($0)" }))
        #expect(try await store.status().accepted == 1)
    }

    @Test("A cancelled put leaves nothing, and the connection lives")
    func cancellation() async throws {
        let client = try await store.client()
        let endless = UploadBody.written { writer in
            while true { try await writer.write(testBytes(10_000)) }
        }
        let progress = TransferProgress()
        let put = Task {
            try await client.call(
                Put(upload: Upload(), filename: "endless"),
                uploads: [\.upload: endless.counted(in: progress)])
        }
        while progress.bytes < 1 << 20 { await Task.yield() }
        put.cancel()
        await #expect(throws: CancellationError.self) { try await put.value }
        try await store.ping()
        await #expect(throws: RemoteError.self) { try await store.stat("endless") }
        #expect(try await store.status().accepted == 1)
    }

    @Test("Errors of the server's have its codes")
    func errors() async throws {
        try await store.put(bytes: [1], as: "there")
        var options = PutOptions()
        options.ifAbsent = true
        await expect("EXISTS") { try await store.put(bytes: [2], as: "there", options: options) }
        await expect("NOT_FOUND") { try await store.get("none", upTo: 1) }
        await expect("BAD_NAME") { try await store.put(bytes: [], as: "../up") }
        await expect("IS_DIRECTORY") {
            try await store.put(bytes: [], as: "d/f")
            try await store.put(bytes: [], as: "d")
        }
        try await store.remove("there")
        await expect("NOT_FOUND") { try await store.remove("there") }
    }

    private func expect(_ code: String, _ body: () async throws -> some Any) async {
        do {
            _ = try await body()
            Issue.record("\(code) was expected")
        } catch let error as RemoteError {
            #expect(error.code == code)
        } catch {
            Issue.record("\(code) was expected, not \(error)")
        }
    }
}
