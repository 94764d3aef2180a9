import Digests
import Kernel

/// A file open for reading. It stays as it was when opened, whatever happens to its name.
///
/// The loop sends from `descriptor` and asks `isCached`; all else, and letting it go, is for
/// workers. Its bytes are never mapped: a file that shrinks under a mapping is a bus error.
public final class StoredFile: @unchecked Sendable {
    public let name: FileName
    /// Bytes when it was opened.
    public let size: UInt64
    /// Last change of the contents before it was opened, nanoseconds since 1970.
    public let modified: Int64
    private let file: Descriptor

    init(name: FileName, size: UInt64, modified: Int64, file: consuming Descriptor) {
        self.name = name
        self.size = size
        self.modified = modified
        self.file = file
    }

    /// For `sendFile`; open as long as this object lives.
    public var descriptor: Int32 { file.number }

    /// Whether all of these bytes are in memory, so that sending them does not wait for the
    /// disk; nil where the kernel cannot tell. Does not block.
    public func isCached(offset: UInt64, count: Int) -> Bool? {
        guard let offset = Int64(exactly: offset) else { return nil }
        return file.kernel.isCached(file.number, offset: offset, count: Int64(count))
    }

    /// Reads at most the buffer's size from `offset`: the bytes read, 0 at the end.
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        guard let offset = Int64(exactly: offset) else { return 0 }
        return try naming(name.path) { () throws(Errno) in
            try file.kernel.read(file.number, into: buffer, at: offset)
        }
    }

    /// Reads `count` bytes from `offset` through a digest. Throws `IO` if the file has become
    /// shorter.
    public func digest(
        _ algorithm: DigestAlgorithm, offset: UInt64, count: UInt64
    ) throws(StoreError) -> Digest {
        var state = DigestState(algorithm)
        try state.update(from: file.number, of: file.kernel, offset: offset, count: count, name)
        return state.finalize()
    }
}

extension DigestState {
    /// How much of a file is read at once.
    private static var step: Int { 1 << 20 }

    /// Appends a range of a file.
    mutating func update(
        from file: Int32, of kernel: any Kernel, offset: UInt64, count: UInt64, _ name: FileName
    ) throws(StoreError) {
        let step = Int(min(UInt64(Self.step), count))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: step, alignment: 4096)
        defer { buffer.deallocate() }
        var position = offset
        var left = count
        while left > 0 {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(UInt64(step), left))])
            guard let at = Int64(exactly: position) else {
                throw StoreError(.badOffset, name.path + ": no file is that long")
            }
            let read = try naming(name.path) { () throws(Errno) in
                try kernel.read(file, into: part, at: at)
            }
            if read == 0 { throw StoreError(.io, name.path + ": the file has become shorter") }
            update(UnsafeRawBufferPointer(rebasing: part[..<read]))
            position += UInt64(read)
            left -= UInt64(read)
        }
    }
}
