import Kernel

/// A stream socket, TCP or Unix, from `socket` or `accept` until its descriptor is closed.
///
/// It ends as Linux lets it end: a close with everything read sends what is left and then the
/// end of the stream; a close with bytes unread, or a death by chance, resets the connection, and
/// then the other side first reads what had arrived and next gets `ECONNRESET`, or `EPIPE` when it
/// writes (`tcp_reset` and `tcp_close` in the kernel's `net/ipv4`).
final class SimulatedSocket: KernelObject {
    enum State { case fresh, connecting, connected, failed, closed }

    unowned let machine: Machine
    let isUnix: Bool
    var state = State.fresh
    var local: SocketAddress?
    /// What `SO_ERROR` would report.
    var pendingError: Errno?
    private(set) var wasReset = false
    private(set) var hasShutDown = false
    private(set) var incoming: Pipe?
    private(set) var outgoing: Pipe?
    weak var peer: SimulatedSocket?

    init(on machine: Machine, isUnix: Bool) {
        self.machine = machine
        self.isUnix = isUnix
    }

    var title: String { "socket, \(state)" }

    /// As `tcp_poll` in the kernel has it.
    var readiness: Readiness {
        switch state {
        case .fresh: return [.writable, .hungUp]
        case .connecting, .closed: return []
        case .failed: return [.readable, .writable, .failed, .hungUp, .peerClosed]
        case .connected: break
        }
        if wasReset {
            let all: Readiness = [.readable, .writable, .hungUp, .peerClosed]
            return pendingError == nil ? all : all.union(.failed)
        }
        var readiness: Readiness = []
        guard let incoming, let outgoing else { return readiness }
        if incoming.arrived > 0 { readiness.insert(.readable) }
        if incoming.hasEnded { readiness.formUnion([.readable, .peerClosed]) }
        if incoming.hasEnded && hasShutDown { readiness.insert(.hungUp) }
        // Writable from a third of the buffer on: sk_stream_is_writeable.
        if hasShutDown || outgoing.room * 3 >= outgoing.capacity { readiness.insert(.writable) }
        return readiness
    }

    // MARK: Transfers

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        if let incoming, incoming.arrived > 0, !buffer.isEmpty {
            if machine.network.oneIn(machine.faults.falseReadiness) { throw .again }
            let count = portion(of: min(incoming.arrived, buffer.count))
            return incoming.receive(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
        }
        if let error = takeError() { throw error }
        guard state == .connected, let incoming else {
            throw state == .connecting ? .again : .notConnected
        }
        if incoming.hasEnded || wasReset || buffer.isEmpty { return 0 }
        throw .again
    }

    /// The number of bytes, of `count` offered, that a send may move now.
    func admit(_ count: Int) throws(Errno) -> Int {
        if let error = takeError() { throw error }
        guard state != .connecting else { throw .again }
        guard state == .connected, !wasReset, !hasShutDown, let outgoing else {
            throw .brokenPipe
        }
        if outgoing.isAbandoned {
            if isUnix { throw .brokenPipe }
            // The peer's kernel answers data for a closed socket with a reset.
            let error: Errno = incoming?.hasEnded == true ? .brokenPipe : .connectionReset
            machine.at(outgoing.nextArrival()) { [weak self] in self?.reset(error) }
        }
        if count == 0 { return 0 }
        let room = outgoing.room
        if room == 0 || machine.network.oneIn(machine.faults.falseReadiness) { throw .again }
        return portion(of: min(room, count))
    }

    func shutDownWrites() throws(Errno) {
        guard state == .connected, !wasReset else { throw .notConnected }
        guard !hasShutDown else { return }
        hasShutDown = true
        outgoing?.end()
    }

    func takeError() -> Errno? {
        defer { pendingError = nil }
        return pendingError
    }

    // MARK: Life and death

    /// Joins two sockets into a connection.
    static func join(_ client: SimulatedSocket, _ server: SimulatedSocket) {
        let machine = client.machine
        let slowest = client.isUnix ? Interval.zero : .milliseconds(40)
        let delay = machine.network.interval(upTo: slowest)
        for (sender, receiver) in [(client, server), (server, client)] {
            let capacity = machine.network.size(in: 512...262_144)
            let pipe = Pipe(on: machine, capacity: capacity, delay: delay)
            sender.outgoing = pipe
            receiver.incoming = pipe
            sender.peer = receiver
        }
        server.state = .connected
        if machine.network.oneIn(machine.faults.reset) {
            let time = machine.time + machine.network.interval(upTo: .seconds(2))
            machine.at(time) { [weak client, weak server] in
                client?.reset(.connectionReset)
                server?.reset(.connectionReset)
            }
        }
    }

    /// The connection is found dead.
    func reset(_ error: Errno) {
        fail(error)
        guard state == .connected, !wasReset else { return }
        wasReset = true
        pendingError = error
        incoming?.cut()
        outgoing?.cut()
    }

    func fail(_ error: Errno) {
        guard state == .connecting else { return }
        state = .failed
        pendingError = error
    }

    func released() {
        let isOver = wasReset || state == .failed
        state = .closed
        guard !isOver, let incoming, let outgoing else { return }
        let unread = incoming.count > 0
        incoming.isAbandoned = true
        if unread, let peer {
            // The reset may overtake what is still on its way.
            if machine.network.oneIn(2) { outgoing.cut() }
            machine.at(outgoing.nextArrival()) { [weak peer] in peer?.reset(.connectionReset) }
        } else if !hasShutDown {
            outgoing.end()
        }
    }

    private func portion(of count: Int) -> Int {
        guard count > 1, machine.network.oneIn(machine.faults.shortTransfer) else { return count }
        return machine.network.size(in: 1...count)
    }
}
