/// Whom a server tells what happens, for logs and counters.
public protocol ServerDelegate: AnyObject {
    func accepted(_ connection: Connection)
    func closed(_ connection: Connection, _ reason: CloseReason)
    /// A call has its answer; `error` is what it failed with.
    func answered(_ request: Request, error: RemoteError?)
    /// A call without an answer, of a command that is not known: nobody else would hear of it.
    func ignored(_ call: Call, on connection: Connection)
    /// The machine is short of descriptors or memory; the listener tries again by itself.
    func cannotAccept(_ reason: Errno, on listener: Listener)
    /// The last connection of a draining server is gone.
    func drained()
}

/// Listens, keeps the connections and has their calls answered.
public final class Server {
    public let reactor: Reactor
    public let limits: ConnectionLimits
    /// Open connections; past it new ones wait in the kernel's backlog.
    public let maxConnections: Int
    public private(set) var listeners: [Listener] = []

    private weak var delegate: (any ServerDelegate)?
    private var registry = Registry()
    private var clients: [ObjectIdentifier: Client] = [:]
    private let pool = BufferPool()
    private var isDraining = false

    private struct Client {
        let connection: Connection
        /// Calls that wait for their answers.
        var requests: [CallID: Request] = [:]
        /// Calls under way that want none.
        var unasked: UInt64 = 0
    }

    public init(
        on reactor: Reactor, limits: ConnectionLimits, maxConnections: Int,
        delegate: any ServerDelegate
    ) {
        self.reactor = reactor
        self.limits = limits
        self.maxConnections = maxConnections
        self.delegate = delegate
    }

    /// Before the first connection.
    public func register(_ responder: some Responder) { registry.register(responder) }

    /// Listens on an address; throws what `bind(2)` throws.
    public func listen(on address: SocketAddress) throws(Errno) -> Listener {
        let listener = try Listener(address, on: reactor, delegate: self)
        listeners.append(listener)
        return listener
    }

    /// Listens on a socket that was handed over.
    public func adopt(_ socket: consuming Descriptor) throws(Errno) -> Listener {
        let listener = try Listener(adopting: socket, on: reactor, delegate: self)
        listeners.append(listener)
        return listener
    }

    public var connections: [Connection] { clients.values.map(\.connection) }
    public var connectionCount: Int { clients.count }

    /// Accepts nobody any more; calls and streams under way complete, later ones fail with
    /// `GOAWAY`. ``ServerDelegate/drained()`` tells the end.
    public func drain(reason: String) {
        isDraining = true
        for listener in listeners { listener.close(removingPath: true) }
        listeners = []
        for connection in connections {
            connection.goAway(.goAway, reason: reason)
            connection.closeWhenIdle()
        }
        if clients.isEmpty { delegate?.drained() }
    }

    /// Closes what is left.
    public func closeAll(reason: String) {
        for connection in connections { connection.close(.closedHere(reason)) }
    }

    func answered(_ request: Request, error: RemoteError?) {
        let client = ObjectIdentifier(request.connection)
        if let id = request.id {
            clients[client]?.requests[id] = nil
        } else {
            clients[client]?.unasked -= 1
        }
        delegate?.answered(request, error: error)
    }
}

extension Server: ListenerDelegate {
    public func accepted(
        _ socket: consuming Descriptor, peer: SocketAddress, on listener: Listener
    ) {
        do throws(Errno) {
            let connection = try Connection(
                socket, peer: peer, on: reactor, pool: pool, limits: limits, delegate: self)
            clients[ObjectIdentifier(connection)] = Client(connection: connection)
            delegate?.accepted(connection)
        } catch {
            delegate?.cannotAccept(error, on: listener)
        }
        if clients.count >= maxConnections { for listener in listeners { listener.pause() } }
    }

    public func cannotAccept(_ reason: Errno, on listener: Listener) {
        delegate?.cannotAccept(reason, on: listener)
    }
}

extension Server: ConnectionDelegate {
    public func received(_ call: Call, on connection: Connection) throws(Violation) {
        guard let entry = registry.entry(for: call.name) else { return unhandled(call, connection) }
        let request = Request(call, on: connection, declaring: entry.errors, of: self)
        if let id = call.id {
            clients[ObjectIdentifier(connection)]?.requests[id] = request
        } else {
            try countUnasked(connection)
        }
        try entry.respond(to: call, request)
    }

    /// Calls that want no answer cost as much as others; the session, which bounds those, does
    /// not know when these are done.
    private func countUnasked(_ connection: Connection) throws(Violation) {
        let client = ObjectIdentifier(connection)
        let count = clients[client]?.unasked ?? 0
        guard count < limits.session.settings.maxAsks else {
            throw Violation(.limit, "more than \(count) calls without an answer under way")
        }
        clients[client]?.unasked = count + 1
    }

    private func unhandled(_ call: Call, _ connection: Connection) {
        guard let id = call.id else {
            delegate?.ignored(call, on: connection)
            return
        }
        let reason = "Unhandled Command: " + call.pythonName
        connection.fail(id, RemoteError(code: RemoteError.unhandled, reason: reason))
    }

    public func cancelled(_ call: CallID, on connection: Connection) {
        let request = clients[ObjectIdentifier(connection)]?.requests[call]
        request?.cancel(StreamFault(code: "CANCELLED", reason: "cancelled by the client"))
    }

    public func closed(_ connection: Connection, _ reason: CloseReason) {
        let client = clients.removeValue(forKey: ObjectIdentifier(connection))
        let fault = StreamFault(code: "CANCELLED", reason: reason.description)
        for (_, request) in client?.requests ?? [:] { request.cancel(fault) }
        delegate?.closed(connection, reason)
        if clients.count == maxConnections - 1 { for listener in listeners { listener.resume() } }
        if isDraining, clients.isEmpty { delegate?.drained() }
    }

    // A server asks nothing of its clients, so these have nothing to tell it.
    public func answered(_ ask: AskID, _ box: Box, on connection: Connection) {}
    public func failed(_ ask: AskID, _ error: RemoteError, on connection: Connection) {}
    public func settled(_ settings: Settings, on connection: Connection) {}
    public func peerIsLeaving(_ code: Code, reason: String, on connection: Connection) {}
}
