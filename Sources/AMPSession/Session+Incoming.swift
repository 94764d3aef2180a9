import AMP

/// A stream that the peer sends.
struct IncomingStream {
    enum State {
        case open
        /// Whole; it stays until the application has consumed it.
        case ended
        /// We want no more; it stays until its sender has let go, what comes is discarded.
        case stopped
    }

    var state = State.open
    var window: ReceiveWindow
}

/// Why a command's streams cannot be opened; the command fails, the connection lives.
public enum StreamError: Error, Equatable, Sendable {
    /// As many streams are open as the receiver allows.
    case tooManyStreams
}

extension Session {
    /// Opens the streams that a call or an answer carried: at once, before the next box is read.
    ///
    /// - Throws: a ``Violation`` if one of the numbers was used before. Returns false, and opens
    ///   none, if they would be more than may be open: then the command fails with `LIMIT`.
    public mutating func open(_ streams: [StreamID]) throws(Violation) -> Bool {
        guard let highest = streams.max() else { return true }
        guard streams.allSatisfy({ $0 > highestIncoming }), Set(streams).count == streams.count
        else { throw Violation(.refused, "a stream's number was used twice") }
        highestIncoming = highest
        if !refused.isEmpty { refused = refused.filter { $0 > highest } }
        peerKnowsStreams = true
        guard incoming.count + streams.count <= Int(ownSettings.maxStreams) else { return false }
        for id in streams {
            incoming[id] = IncomingStream(window: ReceiveWindow(limit: ownSettings.window))
        }
        // Who opens streams without a hello has the default window for the connection, which a
        // few stalled streams would use up.
        if !isSettled { consumeFromConnection(0) }
        return true
    }

    /// Streams of the peer's that are open.
    public var incomingCount: Int { incoming.count }

    /// Counts bytes of a stream that the application is done with, and grants as many anew.
    public mutating func consumed(_ id: StreamID, _ count: Int) {
        guard let slot = incoming.index(forKey: id), incoming.values[slot].state != .stopped,
            count > 0
        else { return }
        let before = incoming.values[slot].window.unread
        incoming.values[slot].window.consume(UInt64(count))
        consumeFromConnection(before - incoming.values[slot].window.unread)

        if incoming.values[slot].state == .ended {
            if incoming.values[slot].window.unread == 0 { incoming.remove(at: slot) }
        } else if let limit = incoming.values[slot].window.renewal(size: windowSize) {
            grant(id, limit)
        }
    }

    /// Wants no more of a stream: what comes of it from now on is discarded.
    public mutating func stop(_ id: StreamID, _ code: Code, reason: String = "") {
        guard var stream = incoming[id], stream.state != .stopped else { return }
        consumeFromConnection(stream.window.unread)
        stream.window.consume(stream.window.unread)
        let hasEnded = stream.state == .ended
        stream.state = .stopped
        incoming[id] = hasEnded ? nil : stream
        if !hasEnded { sendStop(id, code, reason) }
    }

    mutating func readData(_ arguments: StreamArguments) throws(Violation) -> SessionEvent {
        let id = try arguments.stream()
        guard let data = arguments.data else {
            throw Violation(.refused, "stream-data without data")
        }
        guard data.count <= ownSettings.chunk else {
            throw Violation(
                .refused, "a chunk of \(data.count) bytes; \(ownSettings.chunk) are allowed")
        }
        guard !data.isEmpty else { return try readEmptyData() }
        emptyChunks = 0
        guard receiveWindow.receive(data.count) else {
            throw overrun(id, "the connection's credit of \(receiveWindow.limit) bytes")
        }
        guard let slot = incoming.index(forKey: id) else {
            discard(data.count)
            try refuse(id)
            return .nothing
        }
        // One that has ended is closed to its sender, whether or not it has been consumed here.
        if incoming.values[slot].state == .ended {
            discard(data.count)
            return .nothing
        }
        guard incoming.values[slot].window.receive(data.count) else {
            throw overrun(id, "its credit of \(incoming.values[slot].window.limit) bytes")
        }
        if incoming.values[slot].state == .open { return .data(id, data) }
        incoming.values[slot].window.consume(UInt64(data.count))
        discard(data.count)
        return .nothing
    }

    mutating func readEnd(_ arguments: StreamArguments) throws(Violation) -> SessionEvent {
        let id = try arguments.stream()
        guard let length = arguments.length else {
            throw Violation(.refused, "stream-end without length")
        }
        guard var stream = incoming[id] else {
            try refuse(id)
            return .nothing
        }
        if stream.state != .open {
            // The sender had ended it before it heard of our stop.
            if stream.state == .stopped { incoming[id] = nil }
            return .nothing
        }
        guard length == stream.window.received else {
            consumeFromConnection(stream.window.unread)
            incoming[id] = nil
            return .reset(
                id, .mismatch, reason: "\(stream.window.received) bytes came, \(length) were meant")
        }
        stream.state = .ended
        incoming[id] = stream.window.unread == 0 ? nil : stream
        return .end(id, digest: arguments.digest)
    }

    mutating func readReset(_ arguments: StreamArguments) throws(Violation) -> SessionEvent {
        let id = try arguments.stream()
        guard let stream = incoming[id] else {
            try refuse(id)
            return .nothing
        }
        guard stream.state != .ended else { return .nothing }
        consumeFromConnection(stream.window.unread)
        incoming[id] = nil
        return stream.state == .stopped
            ? .nothing : .reset(id, arguments.code, reason: arguments.reason)
    }

    /// What the peer keeps to: our settings once a hello has told it, the defaults before.
    private var ownSettings: Settings { isSettled ? limits.settings : Settings() }

    /// How far ahead of consumption each stream may be now: few share more, many get at least
    /// what was announced, since that was promised.
    private var windowSize: UInt64 {
        let share = limits.sharedWindow / UInt64(max(2, incoming.count))
        return max(ownSettings.window, share)
    }

    private mutating func readEmptyData() throws(Violation) -> SessionEvent {
        emptyChunks += 1
        guard emptyChunks <= limits.emptyChunks else {
            throw Violation(.limit, "\(emptyChunks) empty chunks in a row")
        }
        return .nothing
    }

    /// Data, end or reset of a stream that is not open: ignored if it once was, and else
    /// answered once, since a command that did not decode may have carried it.
    private mutating func refuse(_ id: StreamID) throws(Violation) {
        guard id > highestIncoming, refused.insert(id).inserted else { return }
        guard refused.count <= limits.refusedStreams else {
            throw Violation(.limit, "data of more than \(limits.refusedStreams) unknown streams")
        }
        sendStop(id, .refused, "no command that was understood has opened it")
    }

    private mutating func overrun(_ id: StreamID, _ what: String) -> Violation {
        sendStop(id, .flow, "data past \(what)")
        return Violation(.flow, "stream \(id): data past \(what)")
    }

    private mutating func discard(_ count: Int) { consumeFromConnection(UInt64(count)) }

    private mutating func consumeFromConnection(_ count: UInt64) {
        receiveWindow.consume(count)
        if let limit = receiveWindow.renewal(size: limits.settings.connectionWindow) {
            grant(StreamID(0), limit)
        }
    }

    private mutating func grant(_ id: StreamID, _ limit: UInt64) {
        reply { output in
            output.appendPair("_command", "stream-credit".utf8)
            output.appendPair("id", id.number)
            output.appendPair("limit", limit)
            output.appendTerminator()
        }
    }

    private mutating func sendStop(_ id: StreamID, _ code: Code, _ reason: String) {
        reply { $0.appendStreamCommand("stream-stop", id, code, reason) }
    }
}

extension [UInt8] {
    /// A whole `stream-reset` or `stream-stop`.
    mutating func appendStreamCommand(
        _ command: StaticString, _ id: StreamID, _ code: Code, _ reason: String
    ) {
        appendPair("_command", "\(command)".utf8)
        appendPair("id", id.number)
        appendPair("code", code.word.utf8)
        if !reason.isEmpty { appendPair("reason", reason.utf8(prefix: 1_024)) }
        appendTerminator()
    }
}
