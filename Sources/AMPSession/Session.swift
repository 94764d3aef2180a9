import AMP
import DequeModule

/// One AMP connection with streams, as a state machine without I/O: bytes in, events and
/// outputs out. It never reads a clock or a socket.
///
/// The owner feeds it what arrives (``next(_:)``), tells it what the application does (answers,
/// consumption, data that is ready to go), and writes what ``output()`` says. Faults of the
/// peer's are thrown as a ``Violation`` or end one stream; calling in a wrong order traps.
///
/// The rules are those of docs/PROTOCOL.md. The parts: this file reads boxes and tells what
/// they are; `Session+Calls` keeps asks and answers, `Session+Incoming` and `Session+Outgoing`
/// the two directions of streams, `Session+Output` what goes out when.
public struct Session: ~Copyable {
    public let limits: SessionLimits

    /// The peer's settings, with the features that both sides have; the convention's defaults
    /// until a hello.
    public internal(set) var peer = Settings()
    /// Whether a hello, ours or the peer's, has settled both directions.
    public internal(set) var isSettled = false
    /// Whether the peer is known to understand commands without an answer.
    var peerKnowsStreams = false
    var hasReadBox = false
    var parser: BoxParser

    // Calls.
    var callsTaken: UInt64 = 0
    var tags: [CallID: [UInt8]] = [:]
    var tagBytes = 0
    var deferred = Deque<Call>()
    var deferredBytes = 0
    var unreadReplies = 0
    var asksMade: UInt64 = 0
    var asks: [AskID: Ask] = [:]
    var helloAsk: AskID?
    var isLeaving = false

    // Streams to us.
    var incoming: [StreamID: IncomingStream] = [:]
    var highestIncoming = StreamID(0)
    var receiveWindow: ReceiveWindow
    var refused: Set<StreamID> = []
    var emptyChunks = 0

    // Streams from us.
    var outgoing = Slab<OutgoingStream>()
    var outgoingSlots: [StreamID: Int] = [:]
    var highestOutgoing = StreamID(0)
    /// Streams whose opening box waits in the outbox, in its order.
    var opening = Deque<StreamID>()
    var connectionCredit: SendCredit
    var scheduler: Scheduler
    var outbox: Outbox

    /// Events that follow from one already delivered; they come before the next box.
    var following = Deque<SessionEvent>()

    public init(limits: SessionLimits = SessionLimits()) {
        self.limits = limits
        parser = BoxParser(limits: limits.box)
        let defaults = Settings()
        receiveWindow = ReceiveWindow(limit: defaults.connectionWindow)
        connectionCredit = SendCredit(limit: defaults.connectionWindow)
        scheduler = Scheduler(chunk: defaults.chunk)
        outbox = Outbox(run: limits.commandRun)
    }

    /// Reads the box at the start of `input`: its length, to be dropped from the input, and
    /// what it means. nil if it has not all arrived: call again with more behind the same bytes.
    ///
    /// The length is 0 for an event that follows from the box before.
    public mutating func next(
        _ input: Span<UInt8>
    ) throws(Violation) -> (length: Int, event: SessionEvent)? {
        if let event = following.popFirst() { return (0, event) }
        guard let length = try parser.next(input) else { return nil }
        if let call = try takeCallDue(before: input) { return (0, .call(call)) }
        let event = try read(input)
        guard unreadReplies <= limits.unreadReplies || outbox.count < limits.outboxBytes else {
            throw Violation(.limit, "\(unreadReplies) bytes of replies unread")
        }
        return (length, event)
    }

    private mutating func read(_ input: Span<UInt8>) throws(Violation) -> SessionEvent {
        defer { hasReadBox = true }
        if let tag = parser.value(of: "_answer", in: input) { return try readAnswer(tag, input) }
        if let tag = parser.value(of: "_error", in: input) { return readError(tag, input) }
        guard let command = parser.value(of: "_command", in: input) else {
            throw Violation(.refused, "a box without _answer, _error or _command")
        }
        if input.hasStreamPrefix(command), let word = StreamCommand(input, command) {
            return try readStreamCommand(word, input)
        }
        return try readCall(command, input)
    }

    private mutating func readStreamCommand(
        _ command: StreamCommand, _ input: Span<UInt8>
    ) throws(Violation) -> SessionEvent {
        let arguments = try StreamArguments(command, parser, input)
        let event =
            switch command {
            case .data: try readData(arguments)
            case .credit: try readCredit(arguments)
            case .end: try readEnd(arguments)
            case .reset: try readReset(arguments)
            case .stop: try readStop(arguments)
            case .hello: try readHello(input)
            case .ping: readPing(arguments)
            case .goAway:
                SessionEvent.goAway(arguments.code, reason: arguments.reason)
            case .cancel: try readCancel(arguments)
            }
        if let tag = arguments.tag, !command.answersItself { sendAnswer(tag, Box()) }
        return event
    }
}

extension Span<UInt8> {
    /// A quick look that tells almost all calls from the commands of streams.
    func hasStreamPrefix(_ range: Range<Int>) -> Bool {
        range.count > 7 && matches("stream-", in: range.lowerBound..<range.lowerBound + 7)
    }

    func bytes(in range: Range<Int>) -> [UInt8] { range.map { self[$0] } }
}
