import AMPServer
import Runtime

@testable import AMPClient

/// A server in this process, with responders of a test's own.
final class TestServer: @unchecked Sendable {
    let endpoint: Endpoint
    private let server: Server
    private let delegate = Silence()
    private let loop: EventLoop

    static func start(
        on loop: EventLoop, _ register: @escaping @Sendable (Server) -> Void
    ) async throws -> TestServer {
        try await loop.onLoop { try TestServer(loop, register) }
    }

    private init(_ loop: EventLoop, _ register: (Server) -> Void) throws {
        self.loop = loop
        server = Server(
            on: loop.reactor, limits: ConnectionLimits(), maxConnections: 10, delegate: delegate)
        register(server)
        let listener = try server.listen(on: .v4([127, 0, 0, 1], port: 0))
        endpoint = try Endpoint("\(listener.address)")
    }

    func stop() {
        loop.post { [self] in
            server.drain(reason: "the test is over")
            server.closeAll(reason: "the test is over")
        }
    }
}

private final class Silence: ServerDelegate {
    func accepted(_ connection: Connection) {}
    func closed(_ connection: Connection, _ reason: CloseReason) {}
    func answered(_ request: Request, error: RemoteError?) {}
    func ignored(_ call: Call, on connection: Connection) {}
    func cannotAccept(_ reason: Errno, on listener: Listener) {}
    func drained() {}
}

extension EventLoop {
    /// Runs `body` on the loop and waits for what it returns.
    func onLoop<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            post { continuation.resume(with: Result(catching: body)) }
        }
    }
}

/// Answers each piece that a client sends with the next of some bytes, then closes.
final class ScriptedServer: ListenerDelegate, @unchecked Sendable {
    private(set) var endpoint = Endpoint.unix("none")
    private let replies: [[UInt8]]
    private let loop: EventLoop
    private var listener: Listener?
    private var conversations: [Conversation] = []

    static func start(
        on loop: EventLoop, saying replies: [[UInt8]]
    ) async throws -> ScriptedServer {
        try await loop.onLoop {
            let server = ScriptedServer(loop, replies)
            let listener = try Listener(
                .v4([127, 0, 0, 1], port: 0), on: loop.reactor, delegate: server)
            server.listener = listener
            server.endpoint = try Endpoint("\(listener.address)")
            return server
        }
    }

    private init(_ loop: EventLoop, _ replies: [[UInt8]]) {
        self.loop = loop
        self.replies = replies
    }

    func stop() {
        loop.post { [self] in
            listener?.close(removingPath: true)
            for conversation in conversations { conversation.close() }
        }
    }

    func accepted(_ socket: consuming Descriptor, peer: SocketAddress, on listener: Listener) {
        let conversation = Conversation(socket, replies, loop.reactor)
        conversation.token = try? loop.reactor.add(
            conversation, descriptor: conversation.number, interest: .readable)
        conversations.append(conversation)
    }

    func cannotAccept(_ reason: Errno, on listener: Listener) {}

    private final class Conversation: EventHandler {
        var token: Token?
        let number: Int32
        private var socket: Descriptor?
        private var replies: ArraySlice<[UInt8]>
        private let reactor: Reactor
        private let buffer = Buffer(capacity: 65_536)

        init(_ socket: consuming Descriptor, _ replies: [[UInt8]], _ reactor: Reactor) {
            number = socket.number
            self.socket = consume socket
            self.replies = replies[...]
            self.reactor = reactor
        }

        func ready(_ readiness: Readiness) {
            do throws(Errno) {
                let count = try reactor.kernel.receive(number, into: buffer.memory)
                guard count > 0, let reply = replies.popFirst() else { return close() }
                let out = Buffer(capacity: reply.count)
                out.memory.copyBytes(from: reply)
                _ = try reactor.kernel.send(
                    number, UnsafeRawBufferPointer(out.memory), more: false)
            } catch {
                if error != .again { close() }
            }
        }

        func close() {
            if let token { reactor.remove(token) }
            token = nil
            socket = nil
        }
    }
}

/// A box as bytes of the wire.
func wire(_ pairs: (String, String)...) -> [UInt8] {
    var box = Box()
    for (key, value) in pairs { try? box.append(key, value.utf8) }
    var bytes: [UInt8] = []
    box.write(to: &bytes)
    return bytes
}
