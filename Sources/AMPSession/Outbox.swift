import AMP

/// What waits to be written, in the order of the wire.
///
/// Commands are queued as bytes; at most one chunk at a time is promised, as the head of its
/// box, and its payload comes from elsewhere. Commands queued while a chunk is on its way wait
/// behind that chunk alone:
///
///     front  [commands … head of a chunk] payload(stream, offset, count)  back [00 00, commands …]
struct Outbox {
    /// A chunk whose head is out, or about to be.
    struct Payload {
        var stream: StreamID
        var offset: UInt64
        var count: Int
    }

    /// Bytes that go before the payload; those before `written` are gone.
    private(set) var front: [UInt8] = []
    private(set) var written = 0
    private(set) var payload: Payload?

    /// Bytes that go after it.
    private var back: [UInt8] = []
    /// Offsets in `back` of ends of boxes at which a chunk may go, one after each full run.
    private var marks: [Int] = []
    private let run: Int

    init(run: Int) { self.run = run }

    /// Bytes of commands that wait.
    var count: Int { front.count - written + back.count }

    var isEmpty: Bool { count == 0 && payload == nil }

    /// Queues one whole box, written by `write`.
    mutating func append(_ write: (inout [UInt8]) -> Void) {
        write(&back)
        if back.count - (marks.last ?? 0) >= run { marks.append(back.count) }
    }

    /// Whether all that was chosen to go has gone, so that the next may be chosen.
    var needsRefill: Bool { written == front.count && payload == nil }

    /// Moves what waits to the front; all of it, or one run of it if a chunk is to go then.
    mutating func refill(oneRun: Bool) {
        written = 0
        if oneRun, let mark = marks.first, mark < back.count {
            front = Array(back[..<mark])
            back.removeFirst(mark)
            marks.removeFirst()
            for index in marks.indices { marks[index] -= mark }
        } else {
            front.removeAll(keepingCapacity: front.capacity <= run)
            swap(&front, &back)
            marks.removeAll(keepingCapacity: true)
        }
    }

    /// Promises a chunk: its head goes after what is in front, its payload after that. What is
    /// left behind it of the commands keeps its place after the chunk.
    mutating func promise(_ chunk: Payload) {
        front.appendPair("_command", "stream-data".utf8)
        front.appendPair("id", chunk.stream.number)
        front.appendLength(4)
        front.append(contentsOf: "data".utf8)
        front.appendLength(chunk.count)
        payload = chunk
        back.insert(contentsOf: [0, 0], at: 0)
        for index in marks.indices { marks[index] += 2 }
    }

    /// Counts bytes as written, of the front or of the payload; true if a payload is complete.
    mutating func wrote(_ count: Int) -> Bool {
        if written < front.count {
            precondition(count <= front.count - written, "wrote more than there was")
            written += count
            return false
        }
        guard var chunk = payload else { preconditionFailure("wrote more than there was") }
        precondition(count <= chunk.count, "wrote more than there was")
        chunk.offset += UInt64(count)
        chunk.count -= count
        payload = chunk.count == 0 ? nil : chunk
        return chunk.count == 0
    }

    /// Gives the memory back; the outbox is empty.
    mutating func release() {
        if front.capacity > 0 { front = [] }
        if back.capacity > 0 { back = [] }
        written = 0
    }
}
