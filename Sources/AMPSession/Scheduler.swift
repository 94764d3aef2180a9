import AMP

/// Whose chunk goes next: the most urgent first, and within one urgency deficit round robin
/// with a quantum of one chunk, so that each backlogged stream gets the same bytes.
///
/// Streams that have something to send stand in one ring an urgency, linked through a table by
/// their slots: putting one in, taking one out and choosing the next cost the same with ten
/// thousand as with two, and blocked ones cost nothing.
struct Scheduler {
    private struct Entry {
        var urgency = 3
        var next = -1
        var previous = -1
        var isActive = false
        /// Bytes that may still go in this stream's turn.
        var deficit = 0
    }

    private struct Ring {
        var first = -1
        var last = -1
    }

    /// The quantum: bytes of one turn.
    var chunk: Int

    private var entries: [Entry] = []
    private var rings = [Ring](repeating: Ring(), count: 8)
    /// Bit `u` is set while the ring of urgency `u` has streams.
    private var occupied: UInt8 = 0

    init(chunk: Int) { self.chunk = chunk }

    var isEmpty: Bool { occupied == 0 }

    /// Puts a stream at the end of its urgency's ring, if it is not in it.
    mutating func activate(_ slot: Int, _ urgency: Urgency) {
        while entries.count <= slot { entries.append(Entry()) }
        if entries[slot].isActive { return }
        entries[slot] = Entry(urgency: Int(urgency.level), isActive: true, deficit: chunk)
        append(slot)
    }

    /// Takes a stream out: it is blocked, done or gone. What was left of its turn is lost.
    mutating func deactivate(_ slot: Int) {
        guard slot < entries.count, entries[slot].isActive else { return }
        unlink(slot)
        entries[slot].isActive = false
    }

    /// The stream whose turn it is, and how many bytes it may send in it.
    var next: (slot: Int, bytes: Int)? {
        guard occupied != 0 else { return nil }
        let slot = rings[occupied.trailingZeroBitCount].first
        return (slot, entries[slot].deficit)
    }

    /// Counts bytes of the stream whose turn it is; when its turn is used up it goes last.
    mutating func sent(_ slot: Int, _ count: Int) {
        entries[slot].deficit -= count
        guard entries[slot].deficit <= 0 else { return }
        unlink(slot)
        entries[slot].deficit = chunk
        append(slot)
    }

    private mutating func append(_ slot: Int) {
        let urgency = entries[slot].urgency
        let last = rings[urgency].last
        entries[slot].previous = last
        entries[slot].next = -1
        if last < 0 { rings[urgency].first = slot } else { entries[last].next = slot }
        rings[urgency].last = slot
        occupied |= 1 << UInt8(urgency)
    }

    private mutating func unlink(_ slot: Int) {
        let (urgency, next, previous) = (
            entries[slot].urgency, entries[slot].next, entries[slot].previous
        )
        if previous < 0 { rings[urgency].first = next } else { entries[previous].next = next }
        if next < 0 { rings[urgency].last = previous } else { entries[next].previous = previous }
        if rings[urgency].first < 0 { occupied &= ~(1 << UInt8(urgency)) }
    }
}
