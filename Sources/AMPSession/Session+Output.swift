import AMP

/// What is to be written next.
public enum Output: Equatable, Sendable {
    /// Nothing now.
    case idle
    /// Bytes of ``Session/withOutputBytes(_:)``; `more` if a payload follows at once.
    case bytes(Int, more: Bool)
    /// Bytes of an outgoing stream, from its source. Their head is out: they must follow, and
    /// be padded if the source turns out to lack them.
    case payload(StreamID, offset: UInt64, count: Int)
}

extension Session {
    /// What to write next; stays the same until ``wrote(_:)`` says that some of it is written.
    ///
    /// - Parameter withChunk: whether a new chunk may be begun; the owner bounds with it how
    ///   much of a turn streams may take.
    public mutating func output(withChunk: Bool = true) -> Output {
        if outbox.needsRefill {
            outbox.refill()
            letOpenedSend()
            if withChunk { promiseChunk() }
        }
        if outbox.written < outbox.front.count {
            return .bytes(outbox.front.count - outbox.written, more: outbox.payload != nil)
        }
        guard let payload = outbox.payload else {
            outbox.release()
            return .idle
        }
        return .payload(payload.stream, offset: payload.offset, count: payload.count)
    }

    /// The bytes that ``Output/bytes(_:more:)`` speaks of.
    public borrowing func withOutputBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let written = outbox.written
        let result = unsafe outbox.front.withUnsafeBytes { bytes -> Swift.Result<Result, Failure> in
            do throws(Failure) {
                return .success(
                    try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[written...])))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Counts bytes of the last output as written.
    ///
    /// A stream's end is queued only behind its last byte: until then its source may turn out
    /// to lack what was promised, and the stream is reset instead.
    public mutating func wrote(_ count: Int) {
        let chunk = outbox.payload
        outbox.wrote(count)
        guard let chunk, outbox.payload == nil, let slot = outgoingSlots[chunk.stream] else {
            return
        }
        endIfAllSent(slot)
    }

    /// Whether a chunk of this stream has been begun and is not yet all written.
    public func isChunkUnderWay(_ id: StreamID) -> Bool { outbox.payload?.stream == id }

    /// Bytes of answers and commands that wait.
    public var outboxBytes: Int { outbox.count }

    /// Whether no command waits and no chunk is under way.
    public var isOutboxEmpty: Bool { outbox.isEmpty }

    /// Whether nothing waits to be written that could be written now.
    public var isFlushed: Bool {
        outbox.isEmpty && (scheduler.isEmpty || connectionCredit.available == 0)
    }

    private mutating func promiseChunk() {
        guard let chunk = takeChunk() else { return }
        outbox.promise(chunk)
    }
}
