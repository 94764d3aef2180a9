import Digests
import Runtime

/// What is sent for an ``Upload``: where its bytes come from.
public struct UploadBody: Sendable {
    /// Bytes in all, if known beforehand.
    public let length: UInt64?
    private let origin: Origin
    private var progress: TransferProgress?

    private enum Origin: Sendable {
        case bytes([UInt8])
        case file(any ReadableFile, Range<UInt64>, DigestAlgorithm?)
        case producer(any BlockingProducer & Sendable)
        case written(@Sendable (UploadWriter) async throws -> Void)
    }

    private init(_ origin: Origin, length: UInt64?) {
        self.origin = origin
        self.length = length
    }

    /// Bytes in memory.
    public static func bytes(_ bytes: [UInt8]) -> UploadBody {
        UploadBody(.bytes(bytes), length: UInt64(bytes.count))
    }

    /// A range of a file, sent by `sendfile(2)` from the page cache.
    ///
    /// - Parameter digest: what the stream's end is to carry, so that the server can verify the
    ///   range before it keeps it.
    public static func file(
        _ file: any ReadableFile, _ range: Range<UInt64>, digest: DigestAlgorithm? = nil
    ) -> UploadBody {
        UploadBody(.file(file, range, digest), length: range.upperBound - range.lowerBound)
    }

    /// What a producer makes, on a worker where it may block: a pipe's bytes.
    public static func producer(_ producer: any BlockingProducer & Sendable) -> UploadBody {
        UploadBody(.producer(producer), length: nil)
    }

    /// What a task writes, which waits while the server takes no more. An error that `body`
    /// throws abandons the stream.
    public static func written(
        length: UInt64? = nil, by body: @escaping @Sendable (UploadWriter) async throws -> Void
    ) -> UploadBody {
        UploadBody(.written(body), length: length)
    }

    /// The pieces of a sequence.
    public static func sequence<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces, length: UInt64? = nil
    ) -> UploadBody where Pieces.Element == [UInt8] {
        written(length: length) { writer in
            for try await piece in pieces { try await writer.write(piece) }
        }
    }

    /// The same, counted in `progress` as it is sent.
    public func counted(in progress: TransferProgress) -> UploadBody {
        var body = self
        body.progress = progress
        return body
    }

    /// Begins to send. On the loop; the box that carries the stream is queued.
    func start(as stream: StreamID, on connection: Connection, loop: EventLoop) {
        let source: any Source
        switch origin {
        case .bytes(let bytes):
            let queue = QueueSource(as: stream, on: connection)
            source = queue
            connection.send(stream, from: queue)
            queue.append(bytes) { _ in }
            queue.finish()
        case .file(let file, let range, let digest):
            let file = FileSource(file, range, digest: digest, as: stream, on: connection)
            source = file
            file.start()
        case .producer(let producer):
            let made = ProducerSource(producer, as: stream, on: connection, lane: .scans)
            source = made
            made.start()
        case .written(let body):
            let queue = QueueSource(as: stream, on: connection)
            source = queue
            connection.send(stream, from: queue)
            queue.run(body, on: loop)
        }
        if let progress, connection.isSending(stream) {
            connection.send(stream, from: CountingSource(source, progress))
        }
    }
}

/// Where a task writes the bytes of an upload.
public struct UploadWriter: Sendable {
    fileprivate let source: QueueSource
    fileprivate let loop: EventLoop

    /// Appends bytes; returns when the server has room for more. Throws a ``StreamFault`` when
    /// it wants no more, or the connection is gone.
    public func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Void, any Error>) in
            loop.post { [source] in source.append(bytes) { continuation.resume(with: $0) } }
        }
    }
}

/// Sends pieces of memory in the order in which they were appended. On the loop alone.
final class QueueSource: Source, @unchecked Sendable {
    /// Bytes that may wait before the appender has to.
    private static let ahead: UInt64 = 512 << 10

    private struct Block {
        let start: UInt64
        let slice: Slice
    }

    private let stream: StreamID
    private weak var connection: Connection?
    private var blocks: [Block] = []
    private var appended: UInt64 = 0
    private var sent: UInt64 = 0
    private var appender: ((Result<Void, any Error>) -> Void)?
    private var task: Task<Void, Never>?
    private var end: StreamFault?

    init(as stream: StreamID, on connection: Connection) {
        self.stream = stream
        self.connection = connection
    }

    /// Has `body` write the stream, and ends it when it returns.
    func run(_ body: @escaping @Sendable (UploadWriter) async throws -> Void, on loop: EventLoop) {
        let writer = UploadWriter(source: self, loop: loop)
        task = Task(executorPreference: loop) {
            do {
                try await body(writer)
                loop.post { self.finish() }
            } catch {
                loop.post { self.abandon(error) }
            }
        }
    }

    /// - Parameter whenRoom: told when more may be appended.
    func append(_ bytes: [UInt8], whenRoom: @escaping (Result<Void, any Error>) -> Void) {
        if let end { return whenRoom(.failure(end)) }
        if !bytes.isEmpty {
            let buffer = Buffer(capacity: bytes.count)
            buffer.memory.copyBytes(from: bytes)
            blocks.append(Block(start: appended, slice: Slice(buffer, 0..<bytes.count)))
            appended += UInt64(bytes.count)
            connection?.ready(stream, upTo: appended)
        }
        appender = whenRoom
        tellIfRoom()
    }

    func finish() {
        guard end == nil else { return }
        connection?.finish(stream)
    }

    func payload(at offset: UInt64, count: Int) -> Payload {
        guard let block = blocks.first(where: { offset < $0.start + UInt64($0.slice.count) }),
            offset >= block.start
        else { return .missing }
        let start = Int(offset - block.start)
        let end = min(block.slice.count, start + count)
        return .memory(UnsafeRawBufferPointer(rebasing: block.slice.bytes[start..<end]))
    }

    func sent(upTo offset: UInt64) {
        sent = offset
        while let first = blocks.first, first.start + UInt64(first.slice.count) <= offset {
            blocks.removeFirst()
        }
        tellIfRoom()
    }

    func closed(_ fault: StreamFault?) {
        let reason = fault ?? StreamFault(code: "CANCELLED", reason: "the stream has ended")
        end = reason
        blocks = []
        task?.cancel()
        task = nil
        let waiting = appender
        appender = nil
        waiting?(.failure(reason))
    }

    private func abandon(_ error: any Error) {
        guard end == nil else { return }
        let fault = error as? StreamFault
        let code = error is CancellationError ? "CANCELLED" : fault?.code ?? "INTERNAL"
        connection?.reset(stream, Code(code), reason: fault?.reason ?? "\(error)")
    }

    private func tellIfRoom() {
        guard let appender, appended - sent < Self.ahead else { return }
        self.appender = nil
        appender(.success(()))
    }
}
