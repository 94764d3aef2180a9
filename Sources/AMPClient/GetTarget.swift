import Digests
import Runtime

/// Which contents a name had: a get that is interrupted goes on only with the same.
public struct FileVersion: Hashable, Sendable {
    public var size: UInt64
    public var modified: DateTime
}

/// Where the bytes of a get go, in order. Its calls may block; one is under way at a time.
protocol GetTarget: BlockingWriter, Sendable {
    /// Bytes that it has.
    var position: UInt64 { get }
    /// What they are part of; nil if it has none.
    var version: FileVersion? { get }
    /// Before the first byte of these contents.
    func begin(_ version: FileVersion) throws
    /// Throws away what it has. Throws if that went where it cannot be taken back.
    func startOver() throws
    /// XXH3 of all that it has. Nothing is written any more.
    func digest() -> Digest
    /// Everything is there and verified.
    func finish() throws
}

/// What every target keeps: how far it is, and the digest of what passed.
final class Passed: @unchecked Sendable {
    private(set) var position: UInt64 = 0
    var version: FileVersion?
    private var state: DigestState? = DigestState(.xxh3)
    private var result: Digest?

    func add(_ vectors: UnsafeBufferPointer<IOVector>) {
        for vector in vectors {
            add(UnsafeRawBufferPointer(start: vector.base, count: vector.count))
        }
    }

    func add(_ bytes: UnsafeRawBufferPointer) {
        state?.update(bytes)
        position += UInt64(bytes.count)
    }

    func startOver() {
        position = 0
        version = nil
        state = DigestState(.xxh3)
        result = nil
    }

    func digest() -> Digest {
        if let result { return result }
        let state = state.take() ?? DigestState(.xxh3)
        let digest = state.finalize()
        result = digest
        return digest
    }
}

/// Passes the bytes on to a writer that cannot go back: a pipe, a parser.
final class WriterTarget: GetTarget, @unchecked Sendable {
    private let writer: any BlockingWriter & Sendable
    private let name: String
    private let passed = Passed()

    init(_ writer: any BlockingWriter & Sendable, name: String) {
        self.writer = writer
        self.name = name
    }

    var position: UInt64 { passed.position }
    var version: FileVersion? { passed.version }

    func begin(_ version: FileVersion) { passed.version = version }

    func startOver() throws {
        guard position == 0 else { throw TransferError.changed(name) }
        passed.startOver()
    }

    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        try writer.write(vectors)
        passed.add(vectors)
    }

    func digest() -> Digest { passed.digest() }
    func finish() {}
}

/// Keeps the bytes in memory, up to a limit.
final class MemoryWriter: BlockingWriter, @unchecked Sendable {
    private let limit: Int
    private(set) var bytes: [UInt8] = []

    init(limit: Int) { self.limit = limit }

    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        for vector in vectors {
            guard vector.count <= limit - bytes.count else {
                throw StreamFault(code: "LIMIT", reason: "more than \(limit) bytes came")
            }
            bytes += UnsafeRawBufferPointer(start: vector.base, count: vector.count)
        }
    }
}

/// Writes to a pipe, a terminal or whatever else a descriptor is.
public final class DescriptorWriter: BlockingWriter, Sendable {
    private let descriptor: Int32
    private let kernel: any Kernel

    /// - Parameter descriptor: whoever gives it closes it.
    public init(_ descriptor: Int32, kernel: any Kernel) {
        self.descriptor = descriptor
        self.kernel = kernel
    }

    public func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        for vector in vectors {
            try write(UnsafeRawBufferPointer(start: vector.base, count: vector.count))
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(StreamFault) {
        var rest = bytes[...]
        do throws(Errno) {
            while !rest.isEmpty {
                let count = try kernel.write(descriptor, UnsafeRawBufferPointer(rebasing: rest))
                rest = rest.dropFirst(count)
            }
        } catch {
            throw StreamFault(code: "STORAGE", reason: "writing the output: \(error)")
        }
    }
}
