import Kernel

public protocol ListenerDelegate: AnyObject {
    func accepted(_ socket: consuming Descriptor, peer: SocketAddress, on listener: Listener)

    /// The machine is short of what a connection needs (descriptors, memory): the listener tries
    /// again by itself, and says so once, until it has accepted somebody again.
    func cannotAccept(_ reason: Errno, on listener: Listener)
}

/// A socket that listens, of TCP or Unix. New connections wait in the kernel's backlog while it
/// is paused or out of descriptors: nobody is turned away.
public final class Listener: EventHandler, TimerHandler {
    /// Where it is bound: the port that was picked, if 0 was asked for.
    public let address: SocketAddress
    /// A socket's file made here, which `close(removingPath:)` may remove.
    private let ownsPath: Bool
    /// The listening socket's number, to hand it over to a younger process.
    public let descriptor: Int32
    private let reactor: Reactor
    private var socket: Descriptor?
    private weak var delegate: (any ListenerDelegate)?
    private var token: Token?
    private var isPaused = false
    private var retry: TimerToken?
    private var isShort = false

    /// Connections accepted before others have their turn.
    private static let acceptsPerTurn = 64
    private static let retryInterval = Interval.milliseconds(100)
    /// Bounded by net.core.somaxconn.
    private static let backlog: Int32 = 4096

    /// Binds `address` and listens. A Unix socket's file behind which nobody listens is replaced;
    /// `.addressInUse` if somebody does, or if the file is no socket. May block for a moment on
    /// the file system: for a program's start.
    public convenience init(
        _ address: SocketAddress, on reactor: Reactor, delegate: any ListenerDelegate
    ) throws(Errno) {
        let kernel = reactor.kernel
        let socket = Descriptor(try kernel.socket(for: address), of: kernel)
        switch address {
        case .unix(let path):
            try SocketFile(path, kernel: kernel).removeIfStale()
        case .v6:
            try kernel.setOption(socket.number, .reuseAddress, 1)
            try kernel.setOption(socket.number, .v6Only, 1)
        case .v4:
            try kernel.setOption(socket.number, .reuseAddress, 1)
        }
        try kernel.bind(socket.number, to: address)
        try kernel.listen(socket.number, backlog: Self.backlog)
        try self.init(
            listening: socket, ownsPath: address.isUnix, on: reactor, delegate: delegate)
    }

    /// Takes over a socket that listens already, from systemd or from an elder process.
    public convenience init(
        adopting socket: consuming Descriptor, on reactor: Reactor,
        delegate: any ListenerDelegate
    ) throws(Errno) {
        try reactor.kernel.makeNonBlocking(socket.number)
        try self.init(listening: socket, ownsPath: false, on: reactor, delegate: delegate)
    }

    private init(
        listening socket: consuming Descriptor, ownsPath: Bool, on reactor: Reactor,
        delegate: any ListenerDelegate
    ) throws(Errno) {
        address = try reactor.kernel.localAddress(socket.number)
        self.ownsPath = ownsPath
        descriptor = socket.number
        self.socket = consume socket
        self.reactor = reactor
        self.delegate = delegate
        token = try reactor.add(self, descriptor: descriptor, interest: .readable)
    }

    /// Accepts nobody until ``resume()``: the daemon's own limit is reached.
    public func pause() {
        isPaused = true
        updateInterest()
    }

    public func resume() {
        isPaused = false
        updateInterest()
    }

    /// Accepts nobody any more and closes the socket. A Unix socket's file goes only if
    /// `removingPath`: another process may have been given the socket.
    public func close(removingPath: Bool = false) {
        guard let token else { return }
        reactor.remove(token)
        self.token = nil
        if let retry { reactor.cancel(retry) }
        retry = nil
        socket = nil
        guard removingPath, ownsPath, case .unix(let path) = address else { return }
        try? SocketFile(path, kernel: reactor.kernel).remove()
    }

    public func ready(_ readiness: Readiness) {
        for _ in 0..<Self.acceptsPerTurn where token != nil && !isPaused {
            do {
                let (number, peer) = try reactor.kernel.accept(descriptor)
                isShort = false
                delegate?.accepted(
                    Descriptor(number, of: reactor.kernel), peer: peer, on: self)
            } catch {
                if error == .again { return }
                if !error.isOfOnePeer { return waitForRoom(error) }
            }
        }
    }

    public func fire(_ timer: TimerToken) {
        retry = nil
        updateInterest()
    }

    private func waitForRoom(_ reason: Errno) {
        retry = reactor.schedule(self, at: reactor.now + Self.retryInterval)
        updateInterest()
        guard !isShort else { return }
        isShort = true
        delegate?.cannotAccept(reason, on: self)
    }

    private func updateInterest() {
        guard let token else { return }
        reactor.modify(token, interest: isPaused || retry != nil ? [] : .readable)
    }
}

extension Errno {
    /// Errors of accept(2) that concern the connection it would have returned, not the listener:
    /// aborted, forbidden by a firewall, or an error of the network that was pending on it.
    fileprivate var isOfOnePeer: Bool {
        switch number {
        case 1, 64, 71, 92, 95, 100, 101, 103, 112, 113: true
        default: false
        }
    }
}
