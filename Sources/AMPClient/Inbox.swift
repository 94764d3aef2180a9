import Runtime

/// Keeps what comes of a download until somebody reads it, or takes it over. On the loop alone;
/// others only carry it.
///
/// The bytes are copied out of the connection's buffers, so that a reader who stalls holds no
/// more than this stream's window and none of what the other streams need.
final class Inbox: Sink, @unchecked Sendable {
    let stream: StreamID
    let connection: Connection
    /// What its sender said of it at its end.
    private(set) var digest: String?

    private var bytes: [UInt8] = []
    private var outcome: Result<Void, any Error>?
    private var reader: CheckedContinuation<[UInt8]?, any Error>?
    private var isHandedOver = false

    init(_ stream: StreamID, of connection: Connection) {
        self.stream = stream
        self.connection = connection
    }

    // MARK: What comes

    func receive(_ slice: Slice) { bytes += slice.bytes }

    func flush() { deliver() }

    func ended(digest: String?) {
        self.digest = digest
        outcome = .success(())
        deliver()
    }

    func aborted(_ fault: StreamFault) {
        outcome = .failure(fault)
        deliver()
    }

    // MARK: Who takes it

    func read(_ continuation: CheckedContinuation<[UInt8]?, any Error>) {
        guard reader == nil, !isHandedOver else {
            let fault = StreamFault(code: "INTERNAL", reason: "somebody else reads this stream")
            return continuation.resume(throwing: fault)
        }
        reader = continuation
        deliver()
    }

    /// The reader does not wait any more, nor will anybody.
    func cancel() {
        guard outcome == nil else { return }
        connection.stop(stream, .cancelled, reason: "cancelled")
        bytes = []
        outcome = .failure(CancellationError())
        deliver()
    }

    /// Nobody will read it.
    func abandon() {
        guard !isHandedOver else { return }
        connection.consumed(stream, bytes.count)
        if outcome == nil { connection.stop(stream, .cancelled, reason: "nobody reads it") }
        bytes = []
    }

    /// Passes everything on to `sink` from now on, what is here already first.
    func handOver(to sink: WriterSink) {
        isHandedOver = true
        if !bytes.isEmpty {
            let buffer = Buffer(capacity: bytes.count)
            buffer.memory.copyBytes(from: bytes)
            sink.receive(Slice(buffer, 0..<bytes.count))
            bytes = []
        }
        switch outcome {
        case nil: connection.receive(stream, into: sink)
        case .success: sink.ended(digest: digest)
        case .failure(let error):
            let fault = StreamFault(code: "CANCELLED", reason: "\(error)")
            sink.aborted(error as? StreamFault ?? fault)
        }
    }

    private func deliver() {
        guard let reader else { return }
        if !bytes.isEmpty {
            let piece = bytes
            bytes = []
            self.reader = nil
            connection.consumed(stream, piece.count)
            reader.resume(returning: piece)
        } else if let outcome {
            self.reader = nil
            reader.resume(with: outcome.map { nil })
        }
    }
}
