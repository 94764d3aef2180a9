import Kernel

/// Makes the bytes of a stream on a worker, where it may block: reads a pipe, walks a directory.
public protocol BlockingProducer: AnyObject {
    /// Puts some bytes into `buffer`: how many, 0 at the end.
    func produce(into buffer: UnsafeMutableRawBufferPointer) throws(StreamFault) -> Int
}

/// Sends what a producer makes, and lets it make no more than a little ahead of what is sent.
public final class ProducerSource: Source {
    /// Bytes of one block, and blocks that are made ahead.
    private static let block = 256 << 10
    private static let ahead = 4

    private struct Block {
        let start: UInt64
        let slice: Slice
    }

    /// nil once the stream is over.
    private var producer: (any BlockingProducer)?
    private let stream: StreamID
    private weak var connection: Connection?
    private let reactor: Reactor
    private let lane: Lane
    private var blocks: [Block] = []
    private var made: UInt64 = 0
    private var isProducing = false
    private var hasEnded = false
    private var onClose: ((StreamFault?) -> Void)?

    /// - Parameter onClose: told once that the stream is over, nil if all was sent.
    public init(
        _ producer: any BlockingProducer, as stream: StreamID, on connection: Connection,
        lane: Lane, onClose: ((StreamFault?) -> Void)? = nil
    ) {
        self.producer = producer
        self.stream = stream
        self.connection = connection
        reactor = connection.reactor
        self.lane = lane
        self.onClose = onClose
    }

    public func start() {
        connection?.send(stream, from: self)
        produceMore()
    }

    public func payload(at offset: UInt64, count: Int) -> Payload {
        guard let block = blocks.first(where: { offset < $0.start + UInt64($0.slice.count) }),
            offset >= block.start
        else { return .missing }
        let start = Int(offset - block.start)
        let end = min(block.slice.count, start + count)
        return .memory(UnsafeRawBufferPointer(rebasing: block.slice.bytes[start..<end]))
    }

    public func sent(upTo offset: UInt64) {
        while let first = blocks.first, first.start + UInt64(first.slice.count) <= offset {
            blocks.removeFirst()
        }
        produceMore()
    }

    public func closed(_ fault: StreamFault?) {
        blocks = []
        if !isProducing, let producer { reactor.dispose(of: producer) }
        producer = nil
        onClose?(fault)
        onClose = nil
    }

    private func produceMore() {
        guard !isProducing, !hasEnded, let producer, blocks.count < Self.ahead else { return }
        isProducing = true
        reactor.submit(ProductionJob(producer, size: Self.block, for: self), to: lane)
    }

    fileprivate func produced(
        _ slice: Slice?, _ fault: StreamFault?, by used: consuming (any BlockingProducer)?
    ) {
        isProducing = false
        if producer == nil, let used {
            reactor.dispose(of: used)
        } else if let fault {
            hasEnded = true
            connection?.reset(stream, fault.streamCode, reason: fault.reason)
        } else if let slice {
            blocks.append(Block(start: made, slice: slice))
            made += UInt64(slice.count)
            connection?.ready(stream, upTo: made)
            produceMore()
        } else {
            hasEnded = true
            connection?.finish(stream)
        }
    }
}

private final class ProductionJob: Job, @unchecked Sendable {
    private var producer: (any BlockingProducer)?
    private let size: Int
    private var source: ProducerSource?
    private var slice: Slice?
    private var fault: StreamFault?

    init(_ producer: any BlockingProducer, size: Int, for source: ProducerSource) {
        self.producer = producer
        self.size = size
        self.source = source
    }

    override func perform() {
        let buffer = Buffer(capacity: size)
        do throws(StreamFault) {
            let count = try producer?.produce(into: buffer.memory) ?? 0
            if count > 0 { slice = Slice(buffer, 0..<count) }
        } catch {
            fault = error
        }
    }

    override func finish() {
        source.take()?.produced(slice.take(), fault, by: producer.take())
    }
}
