import AMP

/// A stream that we send.
struct OutgoingStream {
    let id: StreamID
    let urgency: Urgency
    /// Bytes of commands that were queued before the box that carries its number.
    let openedBehind: UInt64
    var credit: SendCredit
    /// The offset up to which the source has bytes ready.
    var ready: UInt64 = 0
    /// No more will be ready: the end follows the data.
    var isFinished = false
    var digest: String?

    /// Bytes that could go now, as far as the stream itself is concerned.
    var sendable: UInt64 { min(ready - credit.sent, credit.available) }
}

extension Session {
    /// The number for a stream of ours. The box that carries it is to be queued at once: numbers
    /// increase in the order of the wire.
    public mutating func openStream(_ urgency: Urgency = .standard) throws(StreamError) -> StreamID
    {
        guard outgoing.count < min(peer.maxStreams, UInt64(limits.outgoingStreams)),
            highestOutgoing.number < StreamID.largest
        else { throw .tooManyStreams }
        highestOutgoing = StreamID(highestOutgoing.number + 1)
        let stream = OutgoingStream(
            id: highestOutgoing, urgency: urgency, openedBehind: outbox.queued,
            credit: SendCredit(limit: peer.window))
        outgoingSlots[highestOutgoing] = outgoing.insert(stream)
        opening.append(highestOutgoing)
        return highestOutgoing
    }

    /// Streams of ours that are open.
    public var outgoingCount: Int { outgoing.count }

    /// Whether a stream of ours is open: neither all sent, nor reset, nor stopped.
    public func isSending(_ id: StreamID) -> Bool { outgoingSlots[id] != nil }

    /// The source of a stream has bytes ready up to this offset, which never falls.
    public mutating func ready(_ id: StreamID, upTo offset: UInt64) {
        guard let slot = outgoingSlots[id] else { return }
        outgoing[slot].ready = max(outgoing[slot].ready, offset)
        activateIfSendable(slot)
    }

    /// What is ready is all: the end goes right behind it, with the digest if one was asked for.
    public mutating func finish(_ id: StreamID, digest: String? = nil) {
        guard let slot = outgoingSlots[id] else { return }
        outgoing[slot].isFinished = true
        outgoing[slot].digest = digest
        endIfAllSent(slot)
    }

    /// Abandons a stream. A chunk whose head is out still goes: pad what is missing of it.
    public mutating func reset(_ id: StreamID, _ code: Code, reason: String = "") {
        guard let slot = outgoingSlots[id] else { return }
        close(slot)
        outbox.append { $0.appendStreamCommand("stream-reset", id, code, reason) }
    }

    /// Whether streams of ours have nothing to do but wait for the peer's credit, all of them.
    public var awaitsCredit: Bool {
        outgoingSlots.values.allSatisfy { slot in
            let (ready, credit) = (outgoing[slot].ready, outgoing[slot].credit)
            return ready > credit.sent
                && (credit.available == 0 || connectionCredit.available == 0)
        }
    }

    /// How far ahead of what is sent a source should be, to keep the connection busy: what the
    /// receiver would take now.
    public func credit(of id: StreamID) -> UInt64 {
        guard let slot = outgoingSlots[id] else { return 0 }
        return outgoing[slot].credit.limit
    }

    mutating func readCredit(_ arguments: StreamArguments) throws(Violation) -> SessionEvent {
        let id = try arguments.stream()
        guard let limit = arguments.limit else {
            throw Violation(.refused, "stream-credit without limit")
        }
        if id.number == 0 {
            raiseConnectionCredit(to: limit)
        } else if let slot = outgoingSlots[id], outgoing[slot].credit.raise(to: limit) {
            activateIfSendable(slot)
        }
        return .nothing
    }

    mutating func readStop(_ arguments: StreamArguments) throws(Violation) -> SessionEvent {
        let id = try arguments.stream()
        guard let slot = outgoingSlots[id] else { return .nothing }
        close(slot)
        reply { $0.appendStreamCommand("stream-reset", id, arguments.code, "") }
        return .stop(id, arguments.code, reason: arguments.reason)
    }

    mutating func raiseConnectionCredit(to limit: UInt64) {
        _ = connectionCredit.raise(to: limit)
    }

    /// Chooses the chunk that goes next and counts it as sent.
    mutating func takeChunk() -> Outbox.Payload? {
        guard connectionCredit.available > 0, let turn = scheduler.next else { return nil }
        let stream = outgoing[turn.slot]
        let bound = min(stream.sendable, connectionCredit.available)
        let count = min(turn.bytes, scheduler.chunk, Int(clamping: bound))
        let offset = stream.credit.sent
        outgoing[turn.slot].credit.send(UInt64(count))
        connectionCredit.send(UInt64(count))
        scheduler.sent(turn.slot, count)
        if outgoing[turn.slot].sendable == 0 { scheduler.deactivate(turn.slot) }
        return Outbox.Payload(stream: stream.id, offset: offset, count: count)
    }

    /// Puts the end of a stream behind its data, once all of that has gone.
    mutating func endIfAllSent(_ slot: Int) {
        let stream = outgoing[slot]
        guard stream.isFinished, stream.ready == stream.credit.sent,
            !isChunkUnderWay(stream.id), outbox.queued > stream.openedBehind
        else { return }
        close(slot)
        outbox.append { output in
            output.appendPair("_command", "stream-end".utf8)
            output.appendPair("id", stream.id.number)
            output.appendPair("length", stream.credit.sent)
            if let digest = stream.digest { output.appendPair("digest", digest.utf8) }
            output.appendTerminator()
        }
    }

    /// Lets streams send whose opening box goes before any chunk that is chosen from now on.
    mutating func letOpenedSend() {
        while let id = opening.first {
            if let slot = outgoingSlots[id] {
                guard outbox.chosen > outgoing[slot].openedBehind else { return }
                activateIfSendable(slot)
                endIfAllSent(slot)
            }
            opening.removeFirst()
        }
    }

    private mutating func activateIfSendable(_ slot: Int) {
        guard outgoing[slot].sendable > 0, outbox.chosen > outgoing[slot].openedBehind else {
            return
        }
        scheduler.activate(slot, outgoing[slot].urgency)
    }

    private mutating func close(_ slot: Int) {
        scheduler.deactivate(slot)
        outgoingSlots[outgoing[slot].id] = nil
        outgoing.remove(slot)
    }
}
