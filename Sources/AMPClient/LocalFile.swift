import Digests
import Runtime
import Synchronization

/// A regular file of this machine that is put somewhere, and the digest of its whole contents,
/// which is taken while it is read for sending.
///
/// Making one, reading and letting go of it may block: on workers.
public final class LocalFile: ReadableFile, @unchecked Sendable {
    public let path: String
    /// What the file was when it was opened.
    public let status: FileStatus

    private let file: Descriptor
    private let digesting: Mutex<Digesting>

    private struct Digesting: ~Copyable {
        var state: DigestState? = DigestState(.xxh3)
        /// Bytes from the start that are in the digest.
        var position: UInt64 = 0
        var result: Digest?
    }

    /// Opens a file. Throws what open(2) throws; `.isDirectory`, or `.invalid` for anything else
    /// that is no regular file, since such a thing cannot be read twice.
    public init(_ path: String, kernel: any Kernel) throws(Errno) {
        self.path = path
        // A FIFO that nobody writes to would keep open(2) waiting.
        file = Descriptor(try kernel.open(path, in: nil, .nonBlocking, mode: 0), of: kernel)
        status = try kernel.status(file.number)
        if status.kind == .directory { throw .isDirectory }
        guard status.kind == .regular else { throw .invalid }
        digesting = Mutex(Digesting())
    }

    public var size: UInt64 { UInt64(max(0, status.size)) }
    public var descriptor: Int32 { file.number }

    /// Whether it still is what it was when it was opened.
    var isUnchanged: Bool {
        let now = try? file.kernel.status(file.number)
        return now?.size == status.size && now?.modified == status.modified
    }

    /// Never said to be: every byte is read for the digest.
    public func isCached(offset: UInt64, count: Int) -> Bool? { nil }

    public func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StreamFault) -> Int {
        let count: Int
        do throws(Errno) {
            guard let position = Int64(exactly: offset) else { throw .invalid }
            count = try file.kernel.read(file.number, into: buffer, at: position)
        } catch {
            throw StreamFault(code: "STORAGE", reason: "\(path): \(error)")
        }
        digest(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset)
        return count
    }

    /// XXH3 of all of it. What has not passed yet is read now.
    func digest() throws(StreamFault) -> Digest {
        if let known = digesting.withLock({ $0.result }) { return known }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4_096)
        defer { buffer.deallocate() }
        while true {
            let position = digesting.withLock { $0.position }
            guard position < size else { break }
            let count = Int(min(UInt64(buffer.count), size - position))
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            guard try read(into: part, at: position) > 0 else {
                throw StreamFault(code: "STORAGE", reason: "\(path) has become shorter")
            }
        }
        return digesting.withLock { digesting in
            if let result = digesting.result { return result }
            let state = digesting.state.take() ?? DigestState(.xxh3)
            let result = state.finalize()
            digesting.result = result
            return result
        }
    }

    /// Adds bytes that follow on those in the digest; after an interruption some come again.
    private func digest(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
        digesting.withLock { digesting in
            guard offset <= digesting.position else { return }
            let known = digesting.position - offset
            guard known < bytes.count else { return }
            let fresh = UnsafeRawBufferPointer(rebasing: bytes[Int(known)...])
            digesting.state?.update(fresh)
            digesting.position += UInt64(fresh.count)
        }
    }
}

/// Bytes that can be read once, such as those of a pipe, and their digest.
public final class PipeReader: BlockingProducer, @unchecked Sendable {
    private let descriptor: Int32
    private let kernel: any Kernel
    private let state = Mutex<Passed>(Passed())

    private struct Passed: ~Copyable {
        var digest: DigestState? = DigestState(.xxh3)
        var count: UInt64 = 0
    }

    /// - Parameter descriptor: whoever gives it closes it.
    public init(_ descriptor: Int32, kernel: any Kernel) {
        self.descriptor = descriptor
        self.kernel = kernel
    }

    public func produce(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(StreamFault) -> Int {
        do throws(Errno) {
            let count = try kernel.read(descriptor, into: buffer)
            state.withLock { state in
                state.digest?.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                state.count += UInt64(count)
            }
            return count
        } catch {
            throw StreamFault(code: "STORAGE", reason: "reading the input: \(error)")
        }
    }

    /// The bytes that passed and their digest; at the end, once.
    func finish() -> (count: UInt64, digest: Digest) {
        state.withLock { state in
            let digest = state.digest.take() ?? DigestState(.xxh3)
            return (state.count, digest.finalize())
        }
    }
}
