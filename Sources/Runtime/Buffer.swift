/// A piece of memory that several owners may read: what arrives on a connection, and what a
/// producer makes. It goes when its last owner lets go of it.
public final class Buffer: @unchecked Sendable {
    public let memory: UnsafeMutableRawBufferPointer

    public init(capacity: Int) {
        memory = .allocate(byteCount: capacity, alignment: 4_096)
    }

    deinit { memory.deallocate() }
}

/// Bytes of a buffer, kept alive.
public struct Slice {
    public let buffer: Buffer
    public let range: Range<Int>

    public init(_ buffer: Buffer, _ range: Range<Int>) {
        self.buffer = buffer
        self.range = range
    }

    public var count: Int { range.count }
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: buffer.memory[range])
    }
}

/// Receive buffers that nobody uses now. All connections of a loop share it: an idle connection
/// holds none, and a busy one finds one whose pages are there already.
public final class BufferPool {
    /// Bytes of a buffer. In 1 MiB an upload comes at nearly the speed of a raw splice, 256 KiB
    /// lose a quarter of it.
    public static let capacity = 1 << 20

    private var spare: [Buffer] = []
    private let most: Int

    /// Keeps at most so many unused.
    public init(most: Int = 2) { self.most = most }

    func take() -> Buffer { spare.popLast() ?? Buffer(capacity: Self.capacity) }

    /// Takes back a buffer that has no other owner.
    func give(_ buffer: Buffer) {
        if spare.count < most { spare.append(buffer) }
    }
}
