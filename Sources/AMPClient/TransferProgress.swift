import Runtime
import Synchronization

/// How far a transfer is, readable from any thread at any time.
public final class TransferProgress: Sendable {
    private let done = Atomic<UInt64>(0)
    private let all = Atomic<UInt64>(.max)
    private let travelled = Atomic<UInt64>(0)

    public init() {}

    /// Bytes that are behind it, those of earlier attempts included.
    public var bytes: UInt64 { done.load(ordering: .relaxed) }

    /// Bytes that travelled since it was made: without those of an earlier transfer that this one
    /// goes on with, and twice those that had to be repeated.
    public var moved: UInt64 { travelled.load(ordering: .relaxed) }

    /// Bytes in all; nil while that is not known.
    public var total: UInt64? {
        let total = all.load(ordering: .relaxed)
        return total == .max ? nil : total
    }

    func reset(to bytes: UInt64, of total: UInt64?) {
        done.store(bytes, ordering: .relaxed)
        all.store(total ?? .max, ordering: .relaxed)
    }

    func add(_ count: UInt64) {
        done.wrappingAdd(count, ordering: .relaxed)
        travelled.wrappingAdd(count, ordering: .relaxed)
    }
}

/// Counts what a source's stream has sent. On the loop.
final class CountingSource: Source {
    private let source: any Source
    private let progress: TransferProgress
    private var counted: UInt64 = 0

    init(_ source: any Source, _ progress: TransferProgress) {
        self.source = source
        self.progress = progress
    }

    func payload(at offset: UInt64, count: Int) -> Payload {
        source.payload(at: offset, count: count)
    }

    func sent(upTo offset: UInt64) {
        progress.add(offset - counted)
        counted = offset
        source.sent(upTo: offset)
    }

    func closed(_ fault: StreamFault?) { source.closed(fault) }
}

/// Counts what passes to a writer. On a worker.
final class CountingWriter: BlockingWriter, @unchecked Sendable {
    private let writer: any BlockingWriter & Sendable
    private let progress: TransferProgress

    init(_ writer: any BlockingWriter & Sendable, _ progress: TransferProgress) {
        self.writer = writer
        self.progress = progress
    }

    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        try writer.write(vectors)
        progress.add(vectors.reduce(0) { $0 + UInt64($1.count) })
    }
}
