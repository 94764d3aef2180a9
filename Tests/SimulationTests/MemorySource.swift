import AMPServer

/// Bytes that lie ready.
final class MemorySource: Source {
    private let buffer: Buffer
    private let count: Int

    init(_ bytes: [UInt8]) {
        count = bytes.count
        buffer = Buffer(capacity: max(1, count))
        buffer.memory.copyBytes(from: bytes)
    }

    func payload(at offset: UInt64, count: Int) -> Payload {
        let start = Int(offset)
        guard start < self.count else { return .missing }
        let end = min(self.count, start + count)
        return .memory(UnsafeRawBufferPointer(rebasing: buffer.memory[start..<end]))
    }

    func sent(upTo offset: UInt64) {}
    func closed(_ fault: StreamFault?) {}
}
