import Runtime

/// The bytes of a download, as they come: a sequence of pieces, or written to a
/// ``BlockingWriter``. Its sender may be ahead of whoever reads by no more than a window, 128 KiB
/// to 1 MiB; a piece that is read is room for another.
///
/// It can be read once. Letting go of it before its end tells the sender to stop.
public final class ByteStream: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let inbox: Inbox
    private let client: Client

    init(_ inbox: Inbox, of client: Client) {
        self.inbox = inbox
        self.client = client
    }

    deinit { client.loop.post { [inbox] in inbox.abandon() } }

    /// Its number on its connection.
    public var id: StreamID { inbox.stream }

    /// What came since the last piece, at least a byte; nil at the end. Throws a ``StreamFault``
    /// if its sender abandons it, or ``ConnectionError`` if the connection goes.
    public func next() async throws -> [UInt8]? {
        let piece = try await client.read(inbox)
        return withExtendedLifetime(self) { piece }  // its end would stop the stream
    }

    /// The digest that the sender gave at the end; nil before, and if it gave none.
    public var digest: String? { get async { await client.digest(of: inbox) } }

    /// All of it in memory. Throws a ``StreamFault`` with code `LIMIT` if it is longer.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard piece.count <= limit - bytes.count else {
                throw StreamFault(code: "LIMIT", reason: "more than \(limit) bytes came")
            }
            bytes += piece
        }
        return bytes
    }

    /// Hands what comes to `writer`, on a worker, until the end. Bytes are let go when they are
    /// written.
    ///
    /// - Returns: the digest that the sender gave, if it gave one.
    @discardableResult
    public func write(
        to writer: any BlockingWriter & Sendable, on lane: Lane = .writes
    ) async throws -> String? {
        let digest = try await client.write(inbox, to: writer, on: lane)
        return withExtendedLifetime(self) { digest }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(stream: self) }

    public struct Iterator: AsyncIteratorProtocol {
        let stream: ByteStream

        public mutating func next() async throws -> [UInt8]? { try await stream.next() }
    }
}

extension Client {
    func read(_ inbox: Inbox) async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { read(inbox, $0) }
        } onCancel: {
            loop.post { inbox.cancel() }
        }
    }

    func digest(of inbox: Inbox) -> String? { inbox.digest }

    // Methods of the actor, because a closure is isolated to it only if it captures it: one that
    // does not would run on some thread of the global pool.
    private func read(_ inbox: Inbox, _ continuation: CheckedContinuation<[UInt8]?, any Error>) {
        loop.checkIsolated()
        inbox.read(continuation)
    }

    private func begin(
        _ copying: Copying, of inbox: Inbox, to writer: any BlockingWriter, on lane: Lane,
        _ continuation: CheckedContinuation<String?, any Error>
    ) {
        loop.checkIsolated()
        copying.begin(inbox, to: writer, on: lane, continuation)
    }

    func write(
        _ inbox: Inbox, to writer: any BlockingWriter & Sendable, on lane: Lane
    ) async throws -> String? {
        let copying = Copying()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation {
                begin(copying, of: inbox, to: writer, on: lane, $0)
            }
        } onCancel: {
            loop.post { copying.cancel() }
        }
    }
}

/// A stream on its way to a writer. On the loop alone.
private final class Copying: WriterSinkDelegate, @unchecked Sendable {
    private var sink: WriterSink?
    private var continuation: CheckedContinuation<String?, any Error>?
    private var isCancelled = false

    func begin(
        _ inbox: Inbox, to writer: any BlockingWriter, on lane: Lane,
        _ continuation: CheckedContinuation<String?, any Error>
    ) {
        self.continuation = continuation
        if isCancelled { return report(.failure(CancellationError())) }
        let sink = WriterSink(inbox.stream, of: inbox.connection, lane: lane)
        sink.delegate = self
        self.sink = sink
        inbox.handOver(to: sink)
        sink.start(writer)
    }

    func cancel() {
        isCancelled = true
        sink?.fail(.cancelled, StreamFault(code: "CANCELLED", reason: "cancelled here"))
    }

    func written(_ sink: WriterSink, digest: String?) { report(.success(digest)) }

    func aborted(_ sink: WriterSink, _ fault: StreamFault) { report(.failure(fault)) }

    func failed(_ sink: WriterSink, _ fault: StreamFault) {
        report(.failure(isCancelled ? CancellationError() : fault))
    }

    private func report(_ result: Result<String?, any Error>) {
        sink = nil
        let waiting = continuation
        continuation = nil
        waiting?.resume(with: result)
    }
}
