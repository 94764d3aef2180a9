import AMP

@testable import AMPSession

/// One end of a connection in memory: a session, and an application of the simplest kind, which
/// notes what happens, keeps the bytes of streams and consumes them at once if it is to.
final class Peer {
    var session: Session
    /// What happened, a line an event.
    private(set) var events: [String] = []
    private(set) var calls: [Call] = []
    private(set) var answers: [AskID: Box] = [:]
    /// Bytes of the streams that came, and of those that go.
    private(set) var received: [StreamID: [UInt8]] = [:]
    var sources: [StreamID: [UInt8]] = [:]
    var consumes = true
    /// Opens the streams of calls and answers, whose keys are `upload` and `download`.
    var opens = true
    private var input: [UInt8] = []

    init(_ change: (inout SessionLimits) -> Void = { _ in }) {
        var limits = SessionLimits()
        change(&limits)
        session = Session(limits: limits)
    }

    /// What happened since the last look.
    func news() -> [String] {
        defer { events = [] }
        return events
    }

    // MARK: In

    func receive(_ bytes: some Sequence<UInt8>) throws(Violation) {
        input.append(contentsOf: bytes)
        var start = 0
        defer { input.removeFirst(start) }
        while let (length, event) = try session.next(input.span.extracting(start...)) {
            try note(event, at: start)
            start += length
        }
    }

    /// Receives boxes that another hand has written.
    func receive(_ boxes: KeyValuePairs<String, String>...) throws(Violation) {
        for pairs in boxes { try receive(wire(pairs)) }
    }

    private func note(_ event: SessionEvent, at start: Int) throws(Violation) {
        if case .nothing = event { return }
        events.append(event.line)
        switch event {
        case .call(let call):
            calls.append(call)
            if opens, let id = call.box.stream("upload") {
                if try !session.open([id]) { events.append("too many streams") }
            }
        case .answer(let ask, let box):
            answers[ask] = box
            if opens, let id = box.stream("download") { _ = try session.open([id]) }
        case .data(let id, let range):
            received[id, default: []] += input[start + range.lowerBound..<start + range.upperBound]
            if consumes { session.consumed(id, range.count) }
        default: break
        }
    }

    // MARK: Out

    /// At most `most` bytes of what is to be written, as written.
    func take(_ most: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < most {
            switch session.output() {
            case .idle: return bytes
            case .bytes(let count, _):
                let part = min(count, most - bytes.count)
                session.withOutputBytes { unsafe bytes.append(contentsOf: $0.prefix(part)) }
                session.wrote(part)
            case .payload(let id, let offset, let count):
                let part = min(count, most - bytes.count)
                let source = (sources[id] ?? []).dropFirst(Int(offset)).prefix(part)
                bytes += source + [UInt8](repeating: 0, count: part - source.count)
                session.wrote(part)
            }
        }
        return bytes
    }

    /// All that is to be written, box by box.
    func sent() -> [[String: String]] { boxes(in: take()) }

    // MARK: What applications do

    /// Calls `Put` with a stream of these bytes, all of them ready.
    @discardableResult
    func put(_ bytes: [UInt8], _ urgency: Urgency = .standard) throws -> (AskID?, StreamID) {
        let id = try session.openStream(urgency)
        sources[id] = bytes
        var box = Box()
        try box.append("upload", id.number.wireBytes)
        let ask = try session.ask("Put", box, uploads: [id])
        session.ready(id, upTo: UInt64(bytes.count))
        session.finish(id)
        return (ask, id)
    }

    /// Answers a call with a stream of these bytes.
    @discardableResult
    func answer(_ call: Call, with bytes: [UInt8]) throws -> StreamID {
        let id = try session.openStream()
        sources[id] = bytes
        var box = Box()
        try box.append("download", id.number.wireBytes)
        session.answer(call.id, box)
        session.ready(id, upTo: UInt64(bytes.count))
        session.finish(id)
        return id
    }
}

/// Two peers, and the bytes between them, which travel in pieces of random lengths.
struct Pair {
    let client: Peer
    let server: Peer
    var generator: SeededGenerator

    init(seed: UInt64 = 1, client: Peer = Peer(), server: Peer = Peer()) {
        (self.client, self.server) = (client, server)
        generator = SeededGenerator(seed: seed)
    }

    /// Moves bytes until there are none.
    mutating func run() throws {
        while try move(from: client, to: server) + move(from: server, to: client) > 0 {}
    }

    private mutating func move(from: Peer, to: Peer) throws -> Int {
        let most = Bool.random(using: &generator) ? 40 : 100_000
        let bytes = from.take(Int.random(in: 1...most, using: &generator))
        try to.receive(bytes)
        return bytes.count
    }

    /// After a hello of the client's.
    mutating func settle() throws {
        _ = try client.session.sayHello()
        try run()
        (_, _) = (client.news(), server.news())
    }
}

extension SessionEvent {
    /// The event as a test writes it.
    var line: String {
        switch self {
        case .nothing: "nothing"
        case .call(let call): "call \(call.name)\(call.id == nil ? ", no answer" : "")"
        case .answer: "answer"
        case .failure(_, let error): "failure \(error.code)"
        case .data(let id, let range): "data \(id) \(range.count)"
        case .end(let id, let digest): "end \(id)\(digest.map { " " + $0 } ?? "")"
        case .reset(let id, let code, _): "reset \(id) \(code)"
        case .stop(let id, let code, _): "stop \(id) \(code)"
        case .cancel: "cancel"
        case .hello: "hello"
        case .goAway(let code, let reason): "goaway \(code) \(reason)"
        }
    }
}

extension Box {
    func stream(_ key: String) -> StreamID? {
        self[key].flatMap { UInt64(wireBytes: $0) }.map { StreamID($0) }
    }
}
