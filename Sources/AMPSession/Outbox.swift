import AMP
import DequeModule

/// What waits to be written, in the order of the wire.
///
/// Commands are queued as bytes, in runs of whole boxes; at most one chunk at a time is promised,
/// as the head of its box, and its payload comes from elsewhere. Commands queued while a chunk is
/// on its way wait behind that chunk alone:
///
///     front  [00 00, a run, head of a chunk]  payload(stream, offset, count)  runs [00 00, …]
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
    /// The zero bytes that end the promised chunk's box are still to come, behind its payload.
    private var owesTerminator = false

    /// Commands that wait behind it: after each run, once it is full, a chunk may go.
    private var runs = Deque<[UInt8]>()
    /// Memory of a run that is gone, for the next.
    private var spare: [UInt8] = []
    private let run: Int

    /// Bytes of commands ever queued, and how many of them were chosen to go.
    private(set) var queued: UInt64 = 0
    private(set) var chosen: UInt64 = 0

    init(run: Int) { self.run = run }

    /// Bytes of commands that wait.
    var count: Int {
        front.count - written + (owesTerminator ? 2 : 0) + Int(truncatingIfNeeded: queued - chosen)
    }

    var isEmpty: Bool { count == 0 && payload == nil }

    /// Queues one whole box, written by `write`.
    mutating func append(_ write: (inout [UInt8]) -> Void) {
        if runs.isEmpty || runs[runs.count - 1].count >= run {
            runs.append(spare)
            spare = []
        }
        let last = runs.count - 1
        let before = runs[last].count
        write(&runs[last])
        queued += UInt64(runs[last].count - before)
    }

    /// Whether all that was chosen to go has gone, so that the next may be chosen.
    var needsRefill: Bool { written == front.count && payload == nil }

    /// Chooses what goes next: the end of the chunk that went last, and one run.
    mutating func refill() {
        front.removeAll(keepingCapacity: front.capacity <= 2 * run)
        written = 0
        if owesTerminator { front.appendTerminator() }
        owesTerminator = false
        guard var next = runs.popFirst() else { return }
        chosen += UInt64(next.count)
        front.append(contentsOf: next)
        next.removeAll(keepingCapacity: next.capacity <= 2 * run)
        spare = next
    }

    /// Promises a chunk: its head goes after what is in front, its payload after that. The runs
    /// that are left keep their place behind it.
    mutating func promise(_ chunk: Payload) {
        front.appendPair("_command", "stream-data".utf8)
        front.appendPair("id", chunk.stream.number)
        front.appendLength(4)
        front.append(contentsOf: "data".utf8)
        front.appendLength(chunk.count)
        payload = chunk
        owesTerminator = true
    }

    /// Counts bytes as written, of the front or of the payload.
    mutating func wrote(_ count: Int) {
        if written < front.count {
            precondition(count <= front.count - written, "wrote more than there was")
            written += count
            return
        }
        guard var chunk = payload else { preconditionFailure("wrote more than there was") }
        precondition(count <= chunk.count, "wrote more than there was")
        chunk.offset += UInt64(count)
        chunk.count -= count
        payload = chunk.count == 0 ? nil : chunk
    }

    /// Gives the memory back; the outbox is empty.
    mutating func release() {
        if front.capacity > 0 { front = [] }
        if spare.capacity > 0 { spare = [] }
        written = 0
    }
}
