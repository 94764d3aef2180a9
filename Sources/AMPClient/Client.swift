// Writers, producers and faults of streams are part of this library's face.
@_exported import Runtime

/// A connection to an AMP server, from the side that calls.
///
///     let client = try await Client.connect(to: Endpoint("127.0.0.1:2673"))
///     let answer = try await client.call(Stat(filename: "a/b"))
///
/// Any number of calls and streams are under way at once; none waits for another. Large values
/// go as streams: an ``Upload`` of a command is sent from an ``UploadBody``, a ``Download`` of a
/// response is read from the ``Reply``:
///
///     let file = try UploadBody.bytes(Array("hello".utf8))
///     _ = try await client.call(Put(upload: Upload(), filename: "a"), uploads: [\.upload: file])
///     let reply = try await client.request(Get(filename: "a"))
///     for try await piece in reply.stream(reply.response.download)! { … }
///
/// The connection begins with a hello. A server that does not know it is a stock AMP peer:
/// commands without streams work, others throw ``ConnectionError/noStreams(_:)``. A lost
/// connection fails everything under way; ``StoreClient`` is the one that connects again.
///
/// The actor runs on an ``EventLoop``, where its connection lives.
public actor Client {
    public nonisolated let server: Endpoint
    public nonisolated let loop: EventLoop
    private let link: Link

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    /// Connects and says hello.
    ///
    /// - Parameter timeout: for each of the server's addresses, and for the hello.
    /// - Throws: ``ConnectionError/cannotConnect(_:reason:)``.
    public static func connect(
        to server: Endpoint, on loop: EventLoop? = nil, timeout: Interval = .seconds(10)
    ) async throws -> Client {
        let loop = try loop ?? .shared()
        let client = Client(to: server, on: loop)
        try await client.open(timeout: timeout)
        return client
    }

    private init(to server: Endpoint, on loop: EventLoop) {
        self.server = server
        self.loop = loop
        link = Link(to: server, on: loop)
    }

    deinit { loop.post { [link] in link.close("nobody uses it any more") } }

    private func open(timeout: Interval) async throws {
        let server = server
        var reason: any Error = Errno.timedOut
        do {
            let addresses = try await loop.blocking { try AddressResolver.addresses(of: server) }
            for address in addresses {
                do {
                    try await link.connect(to: address, until: loop.kernel.now() + timeout)
                    try await link.sayHello(until: loop.kernel.now() + timeout)
                    return
                } catch let error as ConnectionError {
                    throw error  // it does listen there: another address would not know more
                } catch {
                    reason = error
                }
            }
        } catch let error as ConnectionError {
            throw ConnectionError.cannotConnect(server, reason: error.detail)
        } catch {
            reason = error
        }
        throw ConnectionError.cannotConnect(server, reason: "\(reason)")
    }

    /// Closes the connection at once: what is under way fails.
    public func close() { link.close("closed") }

    /// Closes the connection as soon as nothing is under way.
    public func closeWhenIdle() { link.connection?.closeWhenIdle() }

    /// Why no new calls can be made: the connection is gone, or the server has said that it
    /// leaves; nil while they can.
    public var fault: ConnectionError? {
        if let fault = link.fault { return fault }
        return link.isLeaving ? .lost(server, reason: "the server is shutting down") : nil
    }

    /// Whether the server knows streams.
    public var hasStreams: Bool { link.connection?.isSettled ?? false }

    // MARK: Calls

    /// Calls a command and waits for its response; streams of the response are not read.
    ///
    /// A cancelled task stops waiting at once; the server is told that the call is not wanted,
    /// and may have done it all the same.
    ///
    /// - Parameter uploads: what is sent for each ``Upload`` among the arguments.
    /// - Throws: ``RemoteError`` with what the server says, ``ConnectionError``, ``ArgumentError``
    ///   for an argument that does not fit into a box, `CancellationError`.
    @discardableResult
    public func call<C: Command>(
        _ command: C,
        uploads: KeyValuePairs<WritableKeyPath<C, Upload> & Sendable, UploadBody> = [:]
    ) async throws -> C.Response {
        try await request(command, uploads: uploads).response
    }

    /// Calls a command whose response carries streams.
    public func request<C: Command>(
        _ command: C,
        uploads: KeyValuePairs<WritableKeyPath<C, Upload> & Sendable, UploadBody> = [:]
    ) async throws -> Reply<C.Response> {
        if !uploads.isEmpty, !hasStreams, link.connection != nil {
            throw ConnectionError.noStreams(server)
        }
        try await link.waitForRoom(uploads: uploads.count)
        try Task.checkCancellation()
        let call = TypedCall<C>(of: self)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                do {
                    try begin(call, command, uploads, continuation)
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            loop.post { [link] in
                link.cancel(call)
                call.cancel()
            }
        }
    }

    /// Sends a command that has no answer; returns when it is queued. A stock peer that does not
    /// know it would close the connection.
    public func send(_ command: some Command) throws {
        guard let connection = link.connection else { throw link.lost }
        let box = try Box(arguments: command)
        _ = try connection.ask(type(of: command).name, box, requiresAnswer: false)
    }

    private func begin<C: Command>(
        _ call: TypedCall<C>, _ command: C,
        _ bodies: KeyValuePairs<WritableKeyPath<C, Upload> & Sendable, UploadBody>,
        _ continuation: CheckedContinuation<Reply<C.Response>, any Error>
    ) throws {
        guard let connection = link.connection else { throw link.lost }
        var command = command
        var streams: [StreamID] = []
        do {
            for (path, body) in bodies {
                let urgency = command[keyPath: path].priority ?? .standard
                let stream = try connection.openStream(urgency)
                streams.append(stream)
                command[keyPath: path].id = stream
                if let length = body.length { command[keyPath: path].length = length }
            }
            let box = try Box(arguments: command)
            guard let ask = try connection.ask(C.name, box, uploads: streams) else { return }
            call.began(as: ask, uploads: streams, continuation)
            link.began(call, as: ask)
        } catch {
            for stream in streams { connection.reset(stream, .cancelled) }
            throw error
        }
        for (stream, (_, body)) in zip(streams, bodies) {
            body.start(as: stream, on: connection, loop: loop)
        }
    }
}

extension ConnectionError {
    /// The reason alone, for an error that names the server itself.
    fileprivate var detail: String {
        switch self {
        case .cannotConnect(_, let reason), .lost(_, let reason): reason
        case .closed, .noStreams, .badAnswer: description
        }
    }
}
