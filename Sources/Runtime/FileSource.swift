import Digests
import Kernel

/// A file that a stream is sent from.
public protocol ReadableFile: AnyObject, Sendable {
    /// For `sendfile`, on the loop.
    var descriptor: Int32 { get }
    /// Whether the range is in memory; nil if it cannot be known. Does not block.
    func isCached(offset: UInt64, count: Int) -> Bool?
    /// On a worker: the bytes read, 0 at the end.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StreamFault) -> Int
}

/// Sends a range of a file. The loop sends what is in the page cache straight from it; workers
/// go ahead, bring in what is not, and digest what is asked for.
public final class FileSource: Source {
    /// Bytes that a worker prepares at once, and how far it goes ahead: while one piece is
    /// sent, the next is prepared.
    private static let piece: UInt64 = 2 << 20
    private static let ahead: UInt64 = 4 << 20

    private let range: Range<UInt64>
    private let stream: StreamID
    private weak var connection: Connection?
    private let reactor: Reactor
    /// nil once the stream is over.
    private var preparation: Preparation?
    /// Bytes of the stream that are sent, and that are prepared.
    private var sent: UInt64 = 0
    private var prepared: UInt64 = 0
    private var isPreparing = false
    private var isFinished = false
    private var onClose: ((StreamFault?) -> Void)?

    /// - Parameter digest: what the stream's end is to carry, over the bytes sent.
    /// - Parameter onClose: told once that the stream is over, nil if all was sent.
    public init(
        _ file: any ReadableFile, _ range: Range<UInt64>, digest: DigestAlgorithm?,
        as stream: StreamID, on connection: Connection,
        onClose: ((StreamFault?) -> Void)? = nil
    ) {
        self.range = range
        self.stream = stream
        self.connection = connection
        reactor = connection.reactor
        preparation = Preparation(file, digest: digest)
        self.onClose = onClose
    }

    /// Begins to send. What is in memory already, and need not be digested, goes at once.
    public func start() {
        connection?.send(stream, from: self)
        prepareMore()
    }

    public func payload(at offset: UInt64, count: Int) -> Payload {
        guard let preparation, let position = Int64(exactly: range.lowerBound + offset) else {
            return .missing
        }
        return .file(preparation.file.descriptor, offset: position)
    }

    public func sent(upTo offset: UInt64) {
        sent = offset
        prepareMore()
    }

    public func closed(_ fault: StreamFault?) {
        // What is being prepared comes back first.
        if !isPreparing, let preparation { reactor.dispose(of: preparation) }
        preparation = nil
        onClose?(fault)
        onClose = nil
    }

    private var length: UInt64 { range.upperBound - range.lowerBound }

    private func prepareMore() {
        guard !isPreparing, !isFinished, let preparation else { return }
        guard prepared < length else { return finish(preparation) }
        guard prepared - sent < Self.ahead else { return }
        let count = min(Self.piece, length - prepared)
        let start = range.lowerBound + prepared
        if preparation.isReady(offset: start, count: Int(count)) { return advance(by: count) }
        isPreparing = true
        reactor.submit(PreparationJob(preparation, start..<start + count, for: self), to: .scans)
    }

    private func advance(by count: UInt64) {
        prepared += count
        connection?.ready(stream, upTo: prepared)
        prepareMore()
    }

    private func finish(_ preparation: Preparation) {
        isFinished = true
        let digest = preparation.takeDigest()
        connection?.finish(stream, digest: digest?.description)
    }

    fileprivate func didPrepare(
        _ count: UInt64, _ fault: StreamFault?, with used: consuming Preparation?
    ) {
        isPreparing = false
        if preparation == nil, let used {
            reactor.dispose(of: used)
        } else if let fault {
            connection?.reset(stream, .storage, reason: fault.reason)
        } else {
            advance(by: count)
        }
    }
}

/// The part of a file source that works on workers, a job at a time.
private final class Preparation: @unchecked Sendable {
    let file: any ReadableFile
    private var digest: DigestState?
    private static let step = 256 << 10

    init(_ file: any ReadableFile, digest algorithm: DigestAlgorithm?) {
        self.file = file
        if let algorithm { digest = DigestState(algorithm) }
    }

    /// Whether the range can be sent without a worker's help.
    func isReady(offset: UInt64, count: Int) -> Bool {
        digest == nil && file.isCached(offset: offset, count: count) == true
    }

    func takeDigest() -> Digest? {
        guard let state = digest.take() else { return nil }
        return state.finalize()
    }

    /// Reads the range: it is in the page cache then, and in the digest.
    func prepare(_ range: Range<UInt64>) throws(StreamFault) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.step, alignment: 4_096)
        defer { buffer.deallocate() }
        var position = range.lowerBound
        while position < range.upperBound {
            let count = Int(min(UInt64(Self.step), range.upperBound - position))
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            let read = try file.read(into: part, at: position)
            guard read > 0 else {
                throw StreamFault(code: "STORAGE", reason: "the file has become shorter")
            }
            digest?.update(UnsafeRawBufferPointer(rebasing: part[..<read]))
            position += UInt64(read)
        }
    }
}

private final class PreparationJob: Job, @unchecked Sendable {
    private var preparation: Preparation?
    private let range: Range<UInt64>
    private var source: FileSource?
    private var fault: StreamFault?

    init(_ preparation: Preparation, _ range: Range<UInt64>, for source: FileSource) {
        self.preparation = preparation
        self.range = range
        self.source = source
    }

    override func perform() {
        do throws(StreamFault) { try preparation?.prepare(range) } catch { fault = error }
    }

    override func finish() {
        let count = range.upperBound - range.lowerBound
        source.take()?.didPrepare(count, fault, with: preparation.take())
    }
}
