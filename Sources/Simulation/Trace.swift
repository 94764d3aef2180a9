import Clocks

/// What happened on the machine: the last events for people, and a hash of all of them, by which
/// two runs are told to be the same.
///
/// An event is a few plain numbers, made into text only when somebody asks.
public final class Trace {
    /// One system call or decision of the scheduler.
    struct Entry {
        var time: Instant
        var process: Int
        var what: StaticString
        var first: Int64
        var second: Int64
    }

    public private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    public private(set) var count = 0
    private var ring: [Entry] = []
    private let capacity: Int

    init(capacity: Int) { self.capacity = max(1, capacity) }

    func record(
        _ time: Instant, _ process: Int, _ what: StaticString, _ first: Int64, _ second: Int64
    ) {
        mix(time.nanoseconds)
        mix(UInt64(truncatingIfNeeded: process))
        mix(UInt64(what.utf8CodeUnitCount) << 8 | UInt64(what.utf8Start[0]))
        mix(UInt64(bitPattern: first))
        mix(UInt64(bitPattern: second))
        let entry = Entry(time: time, process: process, what: what, first: first, second: second)
        if ring.count < capacity { ring.append(entry) } else { ring[count % capacity] = entry }
        count += 1
    }

    /// The last events, oldest first, a line each; `names` are the processes'.
    func lines(names: [String]) -> [String] {
        let start = count > capacity ? count % capacity : 0
        return (ring[start...] + ring[..<start]).map { entry in
            let microseconds = entry.time.nanoseconds / 1_000
            let name = names.indices.contains(entry.process) ? names[entry.process] : "machine"
            return "\(microseconds) us  \(name)  \(entry.what) \(entry.first) \(entry.second)"
        }
    }

    private func mix(_ word: UInt64) {
        hash = (hash ^ word) &* 0x0000_0100_0000_01b3
        hash ^= hash >> 29
    }
}
