@_exported import AMPSession

/// Whom a connection serves. On the loop.
public protocol ConnectionDelegate: AnyObject {
    /// The peer calls. The streams that the call carries are to be opened before this returns.
    func received(_ call: Call, on connection: Connection) throws(Violation)
    /// The peer no longer wants a call; its answer is owed all the same.
    func cancelled(_ call: CallID, on connection: Connection)
    /// An ask of ours has its answer. The streams of the answer are to be opened here.
    func answered(_ ask: AskID, _ box: Box, on connection: Connection) throws(Violation)
    func failed(_ ask: AskID, _ error: RemoteError, on connection: Connection)
    /// Hello has settled what both sides keep to.
    func settled(_ settings: Settings, on connection: Connection)
    /// The peer is leaving.
    func peerIsLeaving(_ code: Code, reason: String, on connection: Connection)
    /// The connection is gone; nothing of it is heard any more.
    func closed(_ connection: Connection, _ reason: CloseReason)
}

/// Why a connection is gone.
public enum CloseReason: Sendable, CustomStringConvertible {
    /// Everything that was owed has been sent, and one side had said that it was done.
    case done
    /// The peer closed while something was under way.
    case peerClosed
    case violation(Violation)
    case failed(Errno)
    case closedHere(String)

    public var description: String {
        switch self {
        case .done: "done"
        case .peerClosed: "the peer closed the connection"
        case .violation(let violation): "the peer broke the protocol: \(violation)"
        case .failed(let error): error.description
        case .closedHere(let why): why
        }
    }
}

/// What bounds a connection, beyond the session's own limits.
public struct ConnectionLimits: Sendable {
    public var session = SessionLimits()
    /// How long a box once begun may take to arrive whole. Silence is never timed.
    public var boxTime = Interval.seconds(30)
    /// Chunks written for each time that the kernel wants more: with few, a call never waits
    /// behind much.
    public var chunksPerTurn = 2
    /// How long a connection refused for a violation is read on, so that the reason arrives.
    public var lingerTime = Interval.seconds(1)
    /// Receive buffers that may wait for workers to write them out; then what has not been handed
    /// over is copied out of them, and at twice as many reading pauses.
    public var waitingBuffers = 4

    public init() {}
}

/// One connection: the only place where I/O meets protocol.
///
/// Bytes come into a buffer, are parsed where they lie and handed on as events, calls to the
/// delegate and data to sinks. Answers go out at the end of the turn in which they were made,
/// chunks when the kernel wants more. `Connection+Input` and `Connection+Output` hold the two
/// ways, `Connection+Closing` the end.
public final class Connection {
    public let reactor: Reactor
    public let peer: SocketAddress
    public let limits: ConnectionLimits
    /// Bytes read from and written to the socket.
    public internal(set) var bytesIn: UInt64 = 0
    public internal(set) var bytesOut: UInt64 = 0

    var session: Session
    weak var delegate: (any ConnectionDelegate)?
    let pool: BufferPool
    /// nil once closed.
    var socket: Descriptor?
    let number: Int32
    var token: Token?
    var isFlushQueued = false

    // Input.
    var buffer: Buffer?
    /// The bytes of `buffer` that were read and not yet parsed.
    var unread = 0..<0
    /// The same, kept when no buffer is.
    var remainder: [UInt8] = []
    /// Buffers that sinks still hold.
    var waiting: [Buffer] = []
    var isReadingPaused = false
    /// Until the rest of what was read is parsed: it would have held the loop for too long.
    var parseTimer: TimerToken?
    var sinks: [StreamID: any Sink] = [:]
    var sinksToFlush: [any Sink] = []
    var boxBegan: Instant?
    var boxTimer: TimerToken?

    // Output.
    var sources: [StreamID: any Source] = [:]
    var wantsWritable = false
    /// The kernel takes no more until it says that the socket is writable.
    var isBlocked = false

    // The end.
    var phase = Phase.open
    var isDraining = false
    /// The peer has said that it sends no more.
    var hasPeerFinished = false
    /// Ends what is finishing or lingering.
    var lingerTimer: TimerToken?

    enum Phase {
        case open
        /// The peer sends no more; what is owed still goes.
        case peerFinished
        /// Over, for this reason, once the outbox is empty.
        case finishing(CloseReason)
        /// Our side is shut down, the peer's last words are read and thrown away.
        case lingering(CloseReason)
        case closed
    }

    /// Throws what epoll_ctl(2) throws.
    public init(
        _ socket: consuming Descriptor, peer: SocketAddress, on reactor: Reactor,
        pool: BufferPool, limits: ConnectionLimits, delegate: any ConnectionDelegate
    ) throws(Errno) {
        self.reactor = reactor
        self.peer = peer
        self.limits = limits
        self.pool = pool
        self.delegate = delegate
        number = socket.number
        self.socket = consume socket
        session = Session(limits: limits.session)
        setSocketOptions()
        token = try reactor.add(self, descriptor: number, interest: .readable)
    }

    private func setSocketOptions() {
        guard !peer.isUnix else { return }
        let kernel = reactor.kernel
        // Each only improves: latency, the bytes unsent in the kernel, and when a vanished peer
        // is noticed. A socket that died meanwhile says so when it is read.
        try? kernel.setOption(number, .noDelay, 1)
        try? kernel.setOption(number, .notSentLowWater, 131_072)
        try? kernel.setOption(number, .userTimeout, 60_000)
    }

    public var isClosed: Bool { if case .closed = phase { true } else { false } }
    var isReading: Bool { if case .open = phase { true } else { false } }
    /// Whether calls are taken up and chunks begun.
    var isServing: Bool {
        switch phase {
        case .open, .peerFinished: true
        case .finishing, .lingering, .closed: false
        }
    }

    // MARK: Calls

    /// What hello has settled; the defaults before.
    public var peerSettings: Settings { session.peer }
    public var isSettled: Bool { session.isSettled }
    public var openCalls: Int { session.openCalls }
    public var openAsks: Int { session.openAsks }
    /// Streams open in both directions.
    public var openStreams: Int { session.incomingCount + session.outgoingCount }

    public func answer(_ call: CallID?, _ box: Box) {
        session.answer(call, box)
        wake()
    }

    public func fail(_ call: CallID?, _ error: RemoteError) {
        session.fail(call, error)
        wake()
    }

    public func ask(
        _ command: String, _ arguments: Box, requiresAnswer: Bool = true,
        uploads: [StreamID] = []
    ) throws(AskError) -> AskID? {
        let id = try session.ask(
            command, arguments, requiresAnswer: requiresAnswer, uploads: uploads)
        wake()
        return id
    }

    public func sayHello() throws(AskError) -> AskID? {
        let id = try session.sayHello()
        wake()
        return id
    }

    public func cancel(_ ask: AskID) {
        session.cancel(ask)
        wake()
    }

    /// Tells the peer that asks sent from now on fail with `GOAWAY`.
    public func goAway(_ code: Code, reason: String) {
        session.goAway(code, reason: reason)
        wake()
    }

    // MARK: Streams to us

    /// Opens the streams that a call or an answer carried. False if they are too many: nothing
    /// is open then, and the command is to fail with `LIMIT`.
    public func open(_ streams: [StreamID]) throws(Violation) -> Bool { try session.open(streams) }

    /// Passes what comes of a stream on to `sink`, until its end. If nothing comes any more it
    /// is told so at once.
    public func receive(_ stream: StreamID, into sink: any Sink) {
        guard isReading else { return sink.aborted(.peerClosed) }
        sinks[stream] = sink
    }

    /// Bytes of a stream that its sink is done with.
    public func consumed(_ stream: StreamID, _ count: Int) {
        guard !isClosed else { return }
        session.consumed(stream, count)
        wake()
    }

    /// Wants no more of a stream; its sink hears nothing more.
    public func stop(_ stream: StreamID, _ code: Code, reason: String = "") {
        sinks[stream] = nil
        session.stop(stream, code, reason: reason)
        wake()
    }

    // MARK: Streams from us

    /// The number of a new stream. Queue the box that carries it at once.
    public func openStream(_ urgency: Urgency = .standard) throws(StreamError) -> StreamID {
        try session.openStream(urgency)
    }

    /// Takes the bytes of a stream from `source`, as far as ``ready(_:upTo:)`` says.
    public func send(_ stream: StreamID, from source: any Source) {
        guard !isClosed else { return source.closed(.peerClosed) }
        sources[stream] = source
    }

    public func ready(_ stream: StreamID, upTo offset: UInt64) {
        session.ready(stream, upTo: offset)
        wake()
    }

    /// What is ready is all.
    public func finish(_ stream: StreamID, digest: String? = nil) {
        session.finish(stream, digest: digest)
        closeFinishedSource(stream)
        wake()
    }

    /// Abandons a stream; its source is closed as soon as no chunk of it is under way.
    public func reset(_ stream: StreamID, _ code: Code, reason: String = "") {
        session.reset(stream, code, reason: reason)
        closeSource(stream, StreamFault(code: code.word, reason: reason))
        wake()
    }

    public func isSending(_ stream: StreamID) -> Bool { session.isSending(stream) }
}
