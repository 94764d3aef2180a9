import Kernel

/// Takes the bytes of a stream on a worker, where it may block.
public protocol BlockingWriter: AnyObject {
    /// Appends bytes.
    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault)
}

/// Whom a ``WriterSink`` reports to, once for each stream. On the loop; no write is under way.
public protocol WriterSinkDelegate: AnyObject {
    /// Everything came and is written; `digest` is what the sender says of it.
    func written(_ sink: WriterSink, digest: String?)
    /// The stream was abandoned, or the connection is gone; what came may be written or not.
    func aborted(_ sink: WriterSink, _ fault: StreamFault)
    /// The writer failed; nothing more is taken of the stream.
    func failed(_ sink: WriterSink, _ fault: StreamFault)
}

/// A sink that hands what comes to a worker: one write at a time, of everything that came while
/// the one before was under way, so that the loop receives while the disk is written.
///
/// Bytes are given back as credit when they are written. Until ``start(_:)`` they are kept,
/// within the stream's window.
public final class WriterSink: Sink {
    public let stream: StreamID
    /// Bytes that came.
    public private(set) var received: UInt64 = 0
    /// Held until it has been told how the stream ended.
    public var delegate: (any WriterSinkDelegate)?

    private weak var connection: Connection?
    private let reactor: Reactor
    private let lane: Lane
    private var writer: (any BlockingWriter)?
    private var waiting: [Slice] = []
    /// How many of those hold memory of their own.
    private var copied = 0
    private var isWriting = false
    private var outcome: Outcome?

    private enum Outcome {
        case ended(digest: String?)
        case aborted(StreamFault)
        case failed(StreamFault)
    }

    public init(_ stream: StreamID, of connection: Connection, lane: Lane) {
        self.stream = stream
        self.connection = connection
        reactor = connection.reactor
        self.lane = lane
    }

    /// Whether the stream will not become whole; reported once no write is under way.
    public var isGivenUp: Bool { outcome != nil && !isUndecided }

    /// The writer is ready: what came so far goes to it.
    public func start(_ writer: any BlockingWriter) {
        self.writer = writer
        writeOrReport()
    }

    /// Takes no more, for a reason of this side's; reports ``WriterSinkDelegate/failed(_:_:)``
    /// as soon as no write is under way.
    public func fail(_ code: Code, _ fault: StreamFault) {
        guard outcome == nil || writer == nil else { return }
        connection?.stop(stream, code, reason: fault.reason)
        finish(.failed(fault))
    }

    public func receive(_ slice: Slice) {
        received += UInt64(slice.count)
        waiting.append(slice)
    }

    public func flush() { writeOrReport() }

    /// A slow disk thus costs a copy of what waits for it, which the stream's window bounds,
    /// and not the connection's buffers: calls are read on.
    public func copyOut() {
        let fresh = waiting[copied...]
        guard !fresh.isEmpty else { return }
        let copy = Buffer(capacity: fresh.reduce(0) { $0 + $1.count })
        var end = 0
        for slice in fresh {
            let place = UnsafeMutableRawBufferPointer(rebasing: copy.memory[end...])
            place.copyMemory(from: slice.bytes)
            end += slice.count
        }
        waiting.replaceSubrange(copied..., with: [Slice(copy, 0..<end)])
        copied = waiting.count
    }

    public func ended(digest: String?) { finish(.ended(digest: digest)) }

    /// What came is written all the same: the upload may be taken up where it broke off.
    public func aborted(_ fault: StreamFault) { finish(.aborted(fault)) }

    private func finish(_ outcome: Outcome) {
        self.outcome = outcome
        writeOrReport()
    }

    private func writeOrReport() {
        guard !isWriting else { return }
        switch outcome {
        case .aborted(let fault) where waiting.isEmpty || writer == nil:
            report { $0.aborted(self, fault) }
        case .failed(let fault): report { $0.failed(self, fault) }
        case .ended(let digest) where waiting.isEmpty && writer != nil:
            report { $0.written(self, digest: digest) }
        case .ended, .aborted, nil: write()
        }
    }

    private func write() {
        guard let writer, !waiting.isEmpty else { return }
        isWriting = true
        reactor.submit(WriteJob(waiting, to: writer, of: self), to: lane)
        (waiting, copied) = ([], 0)
    }

    fileprivate func wrote(_ count: Int, _ fault: StreamFault?) {
        isWriting = false
        connection?.consumed(stream, count)
        if let fault {
            (waiting, copied) = ([], 0)
            if isUndecided {
                connection?.stop(stream, fault.streamCode, reason: fault.reason)
                outcome = .failed(fault)
            }
        }
        writeOrReport()
    }

    /// Whether a failed write still decides what becomes of the stream.
    private var isUndecided: Bool {
        switch outcome {
        case nil, .ended: true
        case .aborted, .failed: false
        }
    }

    private func report(_ call: (any WriterSinkDelegate) -> Void) {
        writer = nil
        (waiting, copied) = ([], 0)
        guard let delegate else { return }
        self.delegate = nil
        call(delegate)
    }
}

private final class WriteJob: Job, @unchecked Sendable {
    private var slices: [Slice]
    private var writer: (any BlockingWriter)?
    private var sink: WriterSink?
    private var fault: StreamFault?

    init(_ slices: [Slice], to writer: any BlockingWriter, of sink: WriterSink) {
        self.slices = slices
        self.writer = writer
        self.sink = sink
    }

    override func perform() {
        let vectors = slices.map { IOVector(base: $0.bytes.baseAddress, count: $0.count) }
        do throws(StreamFault) {
            try vectors.withUnsafeBufferPointer { vectors throws(StreamFault) in
                try writer?.write(vectors)
            }
        } catch {
            fault = error
        }
    }

    /// Lets go of the buffers first, so that the connection can use them again, and of the
    /// writer, so that a worker is the last to hold it.
    override func finish() {
        let count = slices.reduce(0) { $0 + $1.count }
        slices = []
        writer = nil
        sink?.wrote(count, fault)
        sink = nil
    }
}
