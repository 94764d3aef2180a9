import AMPServer
import Digests
import Foundation
import Testing

@testable import AMPClient

@Suite("Servers that are wrong, old or hostile", .serialized)
struct HostileServerTests {
    private let loop: EventLoop
    private let workspace: Workspace

    init() throws {
        loop = try EventLoop()
        workspace = try Workspace()
    }

    // MARK: Peers that are no ampd

    @Test("A stock AMP peer answers calls, and has no streams")
    func stockPeer() async throws {
        let server = try await ScriptedServer.start(
            on: loop,
            saying: [
                wire(
                    ("_error", "1"), ("_error_code", "UNHANDLED"),
                    ("_error_description", "Unhandled Command: b'stream-hello'")),
                wire(("_answer", "2")),
            ])
        defer { server.stop() }
        let client = try await Client.connect(to: server.endpoint, on: loop)
        #expect(await !client.hasStreams)
        try await client.call(Ping())
        await #expect {
            try await client.call(
                Put(upload: Upload(), filename: "x"), uploads: [\.upload: .bytes([1])])
        } throws: { error in
            if case ConnectionError.noStreams = error { true } else { false }
        }
    }

    @Test(
        "Garbage is no AMP, and says where",
        arguments: [
            Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), [0, 0],
            [UInt8](repeating: 255, count: 99),
        ])
    func garbage(bytes: [UInt8]) async throws {
        let server = try await ScriptedServer.start(on: loop, saying: [bytes])
        defer { server.stop() }
        await #expect {
            _ = try await Client.connect(to: server.endpoint, on: loop)
        } throws: { error in
            guard case ConnectionError.cannotConnect(let endpoint, let reason) = error else {
                return false
            }
            return endpoint == server.endpoint && reason.contains("protocol")
        }
    }

    @Test("A server that says nothing is given up")
    func silence() async throws {
        let server = try await ScriptedServer.start(on: loop, saying: [[], []])
        defer { server.stop() }
        await #expect(throws: ConnectionError.self) {
            _ = try await Client.connect(
                to: server.endpoint, on: loop, timeout: .milliseconds(50))
        }
    }

    @Test("Nobody there")
    func refused() async throws {
        let server = try await ScriptedServer.start(on: loop, saying: [])
        let endpoint = server.endpoint
        server.stop()
        try await loop.onLoop {}
        await #expect {
            _ = try await Client.connect(to: endpoint, on: loop)
        } throws: { "\($0)" == "cannot connect to \(endpoint): connection refused" }
    }

    // MARK: An ampd that lies

    /// Answers Get with bytes of its own, and whatever it likes to say of them.
    private final class LyingGet: Responder {
        let bytes: [UInt8]
        let size: UInt64
        let digest: String?
        let loop: EventLoop

        init(_ bytes: [UInt8], size: UInt64, digest: String?, _ loop: EventLoop) {
            (self.bytes, self.size, self.digest, self.loop) = (bytes, size, digest, loop)
        }

        func respond(to get: Get, _ request: Request) {
            guard let stream = try? request.connection.openStream() else { return }
            request.answer(
                Get.Response(
                    download: Download(id: stream), size: size,
                    modified: DateTime(microseconds: 1)))
            let source = QueueSource(as: stream, on: request.connection)
            request.connection.send(stream, from: source)
            source.append(bytes) { _ in }
            request.connection.finish(stream, digest: digest)
        }
    }

    private final class LyingPut: Responder {
        func respond(to put: Put, _ request: Request) {
            request.connection.stop(put.upload.id, .cancelled)
            request.answer(
                Put.Response(size: 3, digest: "xxh3:" + String(repeating: "0", count: 32)))
        }
    }

    @Test("A wrong digest is found out, and nothing is published")
    func wrongDigest() async throws {
        let loop = loop
        let server = try await TestServer.start(on: loop) {
            $0.register(
                LyingGet(
                    [1, 2, 3], size: 3, digest: "xxh3:" + String(repeating: "0", count: 32), loop))
            $0.register(LyingPut())
        }
        defer { server.stop() }
        let store = try StoreClient(server.endpoint, on: loop, policy: .never)
        let mismatch = { (error: any Error) -> Bool in
            if case TransferError.mismatch = error { true } else { false }
        }
        await #expect {
            try await store.get("x", into: workspace.file("x"))
        } throws: { mismatch($0) }
        #expect(!workspace.exists("x"))
        await #expect { try await store.put(bytes: [1, 2, 3], as: "x") } throws: { mismatch($0) }
    }

    @Test("A stream that is shorter or longer than was said is no file", arguments: [2, 4])
    func wrongLength(size: UInt64) async throws {
        let loop = loop
        let digest = Digest(of: [1, 2, 3], by: .xxh3).description
        let server = try await TestServer.start(on: loop) {
            $0.register(LyingGet([1, 2, 3], size: size, digest: digest, loop))
        }
        defer { server.stop() }
        let store = try StoreClient(server.endpoint, on: loop, policy: .never)
        await #expect {
            try await store.get("x", into: workspace.file("x"))
        } throws: { error in
            if case TransferError.wrongLength = error { true } else { false }
        }
        #expect(!workspace.exists("x"))
    }

    /// Answers List with bytes of its own.
    private final class LyingList: Responder {
        let bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func respond(to list: List, _ request: Request) {
            guard let stream = try? request.connection.openStream() else { return }
            request.answer(List.Response(listing: Download(id: stream)))
            let source = QueueSource(as: stream, on: request.connection)
            request.connection.send(stream, from: source)
            source.append(bytes) { _ in }
            request.connection.finish(stream)
        }
    }

    private func entry(_ name: String) -> [UInt8] {
        wire(("name", name), ("size", "1"), ("modified", "2012-01-23T12:34:56.054321-00:00"))
    }

    @Test("Names of a listing are text, and reach no terminal as commands")
    func hostileNames() async throws {
        let names = [
            "../../etc/passwd", "\u{1B}]0;owned\u{07}", "a\rb", "\u{9B}2J", "\u{202E}txt.exe",
        ]
        let bytes = names.flatMap { entry($0) }
        let server = try await TestServer.start(on: loop) { $0.register(LyingList(bytes)) }
        defer { server.stop() }
        let amp = AmpProgram(server: server.endpoint, workspace: workspace)
        let run = try await amp("ls", "-l")
        #expect(run.status == 0)
        #expect(run.output.contains("../../etc/passwd"))
        #expect(run.output.split(separator: "\n").count == names.count)
        for harmful in ["\u{1B}", "\u{07}", "\r", "\u{9B}", "\u{202E}"] {
            #expect(!run.output.unicodeScalars.contains { String($0) == harmful })
        }
        #expect(try workspace.names().isEmpty)
    }

    @Test(
        "A listing that breaks off, or is none, is an error",
        arguments: [
            Array("not a box at all".utf8), wire(("name", "a")),
        ])
    func brokenListing(bytes: [UInt8]) async throws {
        try await expectBadAnswer(to: bytes)
    }

    @Test("A listing that ends within a box is an error")
    func truncatedListing() async throws {
        try await expectBadAnswer(to: entry("a") + entry("b").dropLast(3))
    }

    private func expectBadAnswer(to bytes: [UInt8]) async throws {
        let server = try await TestServer.start(on: loop) { $0.register(LyingList(bytes)) }
        defer { server.stop() }
        let store = try StoreClient(server.endpoint, on: loop)
        await #expect {
            for try await _ in store.list() {}
        } throws: { error in
            if case ConnectionError.badAnswer = error { true } else { false }
        }
    }
}
