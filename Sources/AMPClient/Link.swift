import Runtime

/// What an actor's client does on the loop: one connection, and the calls of ours that wait on
/// it. On the loop alone; others only carry it.
final class Link: @unchecked Sendable {
    let server: Endpoint
    private let loop: EventLoop
    private var connector: Connector?
    private(set) var connection: Connection?
    private var calls: [AskID: any PendingCall] = [:]
    /// Uploads of calls that wait for their answers. They, not the streams still open here, are
    /// what the server may count against us.
    private var uploads = 0
    private var waiters: [CheckedContinuation<Void, any Error>] = []
    private var hello: (ask: AskID, continuation: CheckedContinuation<Void, any Error>)?
    /// Why there is no connection any more.
    private(set) var fault: ConnectionError?
    /// The server asks for no more calls.
    private(set) var isLeaving = false

    init(to server: Endpoint, on loop: EventLoop) {
        self.server = server
        self.loop = loop
    }

    // MARK: Beginning and end

    /// One attempt at one address.
    nonisolated(nonsending) func connect(
        to address: SocketAddress, until deadline: Instant
    ) async throws {
        try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Void, any Error>) in
            connector = Connector(on: loop.reactor) { outcome in
                switch consume outcome {
                case .connected(let socket):
                    do throws(Errno) {
                        try self.adopt(socket, to: address)
                        continuation.resume()
                    } catch {
                        continuation.resume(throwing: error)
                    }
                case .failed(let error): continuation.resume(throwing: error)
                }
            }
            connector?.connect(to: address, until: deadline)
        }
        connector = nil
    }

    private func adopt(_ socket: consuming Descriptor, to address: SocketAddress) throws(Errno) {
        connection = try Connection(
            socket, peer: address, on: loop.reactor, pool: loop.pool,
            limits: ConnectionLimits(), delegate: self)
    }

    /// Says hello and waits for the answer, whichever it is.
    nonisolated(nonsending) func sayHello(until deadline: Instant) async throws {
        guard let connection else { throw lost }
        let timer = Deadline(of: self)
        let token = loop.reactor.schedule(timer, at: deadline)
        defer { loop.reactor.cancel(token) }
        try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Void, any Error>) in
            do {
                guard let ask = try connection.sayHello() else { throw lost }
                hello = (ask, continuation)
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    func close(_ reason: String) {
        if fault == nil { fault = .closed(server) }
        connection?.close(.closedHere(reason))
        connection = nil
    }

    /// The error that a call on a connection that is gone fails with.
    var lost: ConnectionError { fault ?? .lost(server, reason: "it is not open") }

    // MARK: Calls

    /// Waits until the server would take one more call with so many uploads.
    nonisolated(nonsending) func waitForRoom(uploads count: Int) async throws {
        while let connection, fault == nil {
            let settings = connection.peerSettings
            let fits =
                connection.openAsks < settings.maxAsks
                && (count == 0 || uploads + count <= settings.maxStreams)
            if fits { return }
            try await withCheckedThrowingContinuation { waiters.append($0) }
        }
        throw lost
    }

    func began(_ call: some PendingCall, as ask: AskID) {
        calls[ask] = call
        uploads += call.uploads.count
    }

    /// The asker does not wait any more; what comes of the call is thrown away.
    func cancel(_ call: some PendingCall) {
        guard let ask = call.ask, calls[ask] != nil else { return }
        connection?.cancel(ask)
        for stream in call.uploads { connection?.reset(stream, .cancelled) }
    }

    private func take(_ ask: AskID) -> (any PendingCall)? {
        guard let call = calls.removeValue(forKey: ask) else { return nil }
        uploads -= call.uploads.count
        wakeWaiters()
        return call
    }

    private func wakeWaiters() {
        let waiters = waiters
        self.waiters = []
        for waiter in waiters { waiter.resume() }
    }

    /// The server may be silent for ever; who waits for hello does not.
    private final class Deadline: TimerHandler {
        private let link: Link

        init(of link: Link) { self.link = link }

        func fire(_ timer: TimerToken) {
            link.fault = .cannotConnect(link.server, reason: "no answer to hello")
            link.connection?.close(.closedHere("no answer to hello"))
        }
    }
}

extension Link: ConnectionDelegate {
    /// Servers that call their clients find no responders here.
    func received(_ call: Call, on connection: Connection) throws(Violation) {
        guard let id = call.id else { return }
        let reason = "Unhandled Command: b'\(call.name)'"
        connection.fail(id, RemoteError(code: RemoteError.unhandled, reason: reason))
    }

    func cancelled(_ call: CallID, on connection: Connection) {}

    func answered(_ ask: AskID, _ box: Box, on connection: Connection) throws(Violation) {
        if ask == hello?.ask { return finishHello(.success(())) }
        try take(ask)?.answered(box, on: connection)
    }

    func failed(_ ask: AskID, _ error: RemoteError, on connection: Connection) {
        if ask == hello?.ask {
            // A stock peer says UNHANDLED and is welcome. Another error, such as GOAWAY of a
            // server that shuts down, is as good as no connection.
            let isStock = error.code == RemoteError.unhandled
            finishHello(
                isStock
                    ? .success(())
                    : .failure(ConnectionError.cannotConnect(server, reason: "\(error)")))
            return
        }
        take(ask)?.failed(error)
    }

    func settled(_ settings: Settings, on connection: Connection) {}

    func peerIsLeaving(_ code: Code, reason: String, on connection: Connection) {
        isLeaving = true
        connection.closeWhenIdle()
    }

    func closed(_ connection: Connection, _ reason: CloseReason) {
        if fault == nil { fault = .lost(server, reason: reason.description) }
        self.connection = nil
        finishHello(.failure(fault ?? lost))
        let calls = calls
        self.calls = [:]
        uploads = 0
        for (_, call) in calls { call.failed(lost) }
        wakeWaiters()
    }

    private func finishHello(_ result: Result<Void, any Error>) {
        let waiting = hello
        hello = nil
        waiting?.continuation.resume(with: result)
    }
}
