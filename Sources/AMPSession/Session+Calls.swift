import AMP

/// An ask of ours that waits for its answer.
struct Ask {
    /// The streams that it carries: they are reset if it fails.
    var uploads: [StreamID]
}

/// Why an ask cannot be made.
public enum AskError: Error, Equatable, Sendable {
    /// As many asks wait for their answers as the peer allows.
    case tooManyAsks
}

extension Session {
    // MARK: Calls of the peer's

    /// Answers a call. An answer to a call already answered, or that wanted none, goes nowhere.
    public mutating func answer(_ call: CallID?, _ box: Box) {
        guard let tag = takeTag(call) else { return }
        outbox.append { $0.appendAnswer(tag, box) }
    }

    /// Answers a call with an error; its description is cut at 1,024 bytes.
    public mutating func fail(_ call: CallID?, _ error: RemoteError) {
        guard let tag = takeTag(call) else { return }
        outbox.append { $0.appendError(tag, error) }
    }

    /// Calls of the peer's that wait for their answers.
    public var openCalls: Int { tags.count }

    /// A call that waited because the outbox was full, once it is not any more.
    public mutating func takeDeferredCall() -> Call? {
        guard outbox.count < limits.outboxBytes else { return nil }
        return popDeferred()
    }

    /// A call that waited but goes before the box that was just read: an answer, or data of a
    /// stream not known yet. Either may need what the call opens.
    mutating func takeCallDue(before input: Span<UInt8>) throws(Violation) -> Call? {
        guard !deferred.isEmpty, try needsEarlierStreams(input) else { return nil }
        guard outbox.count < limits.unreadBytes else {
            throw Violation(.limit, "\(outbox.count) bytes of answers unread")
        }
        return popDeferred()
    }

    private func needsEarlierStreams(_ input: Span<UInt8>) throws(Violation) -> Bool {
        if parser.value(of: "_answer", in: input) != nil { return true }
        guard let name = parser.value(of: "_command", in: input), input.hasStreamPrefix(name),
            let id = parser.value(of: "id", in: input)
        else { return false }
        switch StreamCommand(input, name) {
        case .data, .end, .reset:
            let stream = StreamID(try input.number(id, "id"))
            return stream > highestIncoming && !refused.contains(stream)
        default: return false
        }
    }

    private mutating func popDeferred() -> Call? {
        guard let call = deferred.popFirst() else { return nil }
        deferredBytes -= call.box.footprint
        return call
    }

    mutating func readCall(_ name: Range<Int>, _ input: Span<UInt8>) throws(Violation)
        -> SessionEvent
    {
        let tag = parser.value(of: "_ask", in: input).map { input.bytes(in: $0) }
        var id: CallID?
        if let tag {
            callsTaken += 1
            id = CallID(number: callsTaken)
            try keepTag(tag, id: CallID(number: callsTaken))
        }
        let call = Call(
            id: id, name: String(decoding: input.bytes(in: name), as: UTF8.self),
            box: Box(parser.pairs, of: input))
        if isLeaving, let tag = takeTag(id) {
            let error = RemoteError(code: "GOAWAY", reason: "this server is shutting down")
            reply { $0.appendError(tag, error) }
            return .nothing
        }
        guard outbox.count >= limits.outboxBytes || !deferred.isEmpty else { return .call(call) }
        deferredBytes += call.box.footprint
        guard deferredBytes <= limits.deferredBytes else {
            throw Violation(
                .limit, "more than \(limits.deferredBytes) bytes of calls, answers unread")
        }
        deferred.append(call)
        return .nothing
    }

    mutating func readPing(_ arguments: StreamArguments) -> SessionEvent {
        guard let tag = arguments.tag else { return .nothing }
        var box = Box()
        if let nonce = arguments.nonce { try? box.append("nonce", nonce) }
        sendAnswer(tag, box)
        return .nothing
    }

    mutating func readCancel(_ arguments: StreamArguments) throws(Violation) -> SessionEvent {
        guard let ask = arguments.ask else {
            throw Violation(.refused, "stream-cancel without ask")
        }
        guard let id = tags.first(where: { $0.value == ask })?.key else { return .nothing }
        if let index = deferred.firstIndex(where: { $0.id == id }) {
            deferredBytes -= deferred.remove(at: index).box.footprint
            fail(id, RemoteError(code: "CANCELLED", reason: "cancelled before it began"))
            return .nothing
        }
        return .cancel(id)
    }

    private mutating func keepTag(_ tag: [UInt8], id: CallID) throws(Violation) {
        guard tag.count <= Box.longestValue else {
            throw Violation(.refused, "an ask's tag of \(tag.count) bytes cannot be echoed")
        }
        guard tags.count < Int(limits.settings.maxAsks) else {
            throw Violation(.limit, "more than \(limits.settings.maxAsks) asks outstanding")
        }
        tagBytes += tag.count
        guard tagBytes <= limits.tagBytes else {
            throw Violation(.limit, "more than \(limits.tagBytes) bytes of ask tags outstanding")
        }
        tags[id] = tag
    }

    private mutating func takeTag(_ call: CallID?) -> [UInt8]? {
        guard let call, let tag = tags.removeValue(forKey: call) else { return nil }
        tagBytes -= tag.count
        return tag
    }

    mutating func sendAnswer(_ tag: [UInt8], _ box: Box) { reply { $0.appendAnswer(tag, box) } }

    /// Queues a box that the session itself owes. What is queued so while the outbox is full is
    /// counted: a peer that sends pings and never reads would make it grow for ever.
    mutating func reply(_ write: (inout [UInt8]) -> Void) {
        let before = outbox.count
        if before < limits.outboxBytes { unreadReplies = 0 }
        outbox.append(write)
        if before >= limits.outboxBytes { unreadReplies += outbox.count - before }
    }

    // MARK: Calls of ours

    /// Calls a command of the peer's; `uploads` are the streams that its arguments carry.
    ///
    /// - Returns: what its answer will name; nil for a command without one.
    public mutating func ask(
        _ command: String, _ arguments: Box, requiresAnswer: Bool = true,
        uploads: [StreamID] = []
    ) throws(AskError) -> AskID? {
        guard asks.count < peer.maxAsks else { throw .tooManyAsks }
        asksMade += 1
        let id = AskID(number: asksMade)
        outbox.append { output in
            if requiresAnswer { output.appendPair("_ask", id.tag) }
            output.appendPair("_command", command.utf8.prefix(65_534))
            arguments.write(to: &output)
        }
        guard requiresAnswer else { return nil }
        asks[id] = Ask(uploads: uploads)
        return id
    }

    /// Asks the peer to cancel a call of ours; its one answer still comes.
    public mutating func cancel(_ ask: AskID) {
        guard asks[ask] != nil, isSettled, peer.features.contains(.cancel) else { return }
        outbox.append { output in
            output.appendPair("_command", "stream-cancel".utf8)
            output.appendPair("ask", ask.tag)
            output.appendTerminator()
        }
    }

    /// Asks of ours that wait for their answers.
    public var openAsks: Int { asks.count }

    mutating func readAnswer(_ tag: Range<Int>, _ input: Span<UInt8>) throws(Violation)
        -> SessionEvent
    {
        guard let id = AskID(tag: input.bytes(in: tag)), asks.removeValue(forKey: id) != nil else {
            return .nothing
        }
        let box = Box(parser.pairs, of: input)
        guard id == helloAsk else { return .answer(id, box) }
        helloAsk = nil
        try settle(with: box)
        following.append(.answer(id, box))
        return .hello(peer)
    }

    mutating func readError(_ tag: Range<Int>, _ input: Span<UInt8>) -> SessionEvent {
        guard let id = AskID(tag: input.bytes(in: tag)), let ask = asks.removeValue(forKey: id)
        else { return .nothing }
        if id == helloAsk { helloAsk = nil }
        let box = Box(parser.pairs, of: input)
        let error = RemoteError(
            code: box.text(of: "_error_code") ?? RemoteError.unknown,
            reason: box.text(of: "_error_description") ?? "")
        for stream in ask.uploads where isSending(stream) {
            reset(stream, .cancelled, reason: "the call failed")
            following.append(.stop(stream, Code(error.code), reason: error.reason))
        }
        return .failure(id, error)
    }
}

extension [UInt8] {
    mutating func appendAnswer(_ tag: [UInt8], _ box: Box) {
        appendPair("_answer", tag)
        box.write(to: &self)
    }

    mutating func appendError(_ tag: [UInt8], _ error: RemoteError) {
        appendPair("_error", tag)
        appendPair("_error_code", error.code.utf8.prefix(255))
        appendPair("_error_description", error.reason.utf8(prefix: 1_024))
        appendTerminator()
    }
}

extension Box {
    /// Bytes of memory that a call with this box takes while it waits: short pairs take less on
    /// the wire than the table of where they are.
    fileprivate var footprint: Int {
        bytes.count + pairs.count * MemoryLayout<BoxParser.Pair>.stride + 256
    }
}

extension AskID {
    /// The tag that Twisted would give it: lower-case hexadecimal.
    var tag: String.UTF8View { String(number, radix: 16).utf8 }

    /// nil for a tag that is none of ours.
    init?(tag: [UInt8]) {
        guard tag.count <= 16, let number = UInt64(String(decoding: tag, as: UTF8.self), radix: 16)
        else { return nil }
        self.init(number: number)
        guard self.tag.elementsEqual(tag) else { return nil }
    }
}

extension String {
    /// At most `count` bytes of UTF-8, cut between characters.
    func utf8(prefix count: Int) -> Substring.UTF8View {
        guard utf8.count > count else { return self[...].utf8 }
        var end = utf8.index(startIndex, offsetBy: count)
        while end > startIndex, !utf8[end].isUTF8Start { end = utf8.index(before: end) }
        return self[..<end].utf8
    }
}

extension UInt8 {
    fileprivate var isUTF8Start: Bool { self & 0xC0 != 0x80 }
}
