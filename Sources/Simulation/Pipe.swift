import Kernel

/// One direction of a connection: the sender's buffer, the way, and the receiver's buffer.
///
/// Bytes enter at once, where there is room, and arrive in order, each portion after a time of
/// its own. What has arrived may be taken in portions of any size.
final class Pipe {
    let capacity: Int
    /// Bytes on the way and arrived.
    private(set) var count = 0
    /// Bytes that the receiver may take.
    private(set) var arrived = 0
    /// The sender said that nothing more comes, and the receiver could know it.
    private(set) var hasEnded = false
    /// The receiver is gone.
    var isAbandoned = false

    private unowned let machine: Machine
    private let storage: UnsafeMutableRawBufferPointer
    private var head = 0
    private let delay: Interval
    private var lastArrival: Instant
    private var isCut = false

    /// `delay` is the longest that a portion is on its way.
    init(on machine: Machine, capacity: Int, delay: Interval) {
        self.machine = machine
        self.capacity = capacity
        self.delay = delay
        lastArrival = machine.time
        storage = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { storage.deallocate() }

    var room: Int { isAbandoned || isCut ? capacity : capacity - count }

    /// Takes as much of `bytes` as there is room for; returns how much that is. A portion for a
    /// receiver that is gone vanishes.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        let sent = min(bytes.count, room)
        guard sent > 0, !isAbandoned, !isCut else { return sent }
        let tail = (head + count) % capacity
        let first = min(sent, capacity - tail)
        copy(UnsafeRawBufferPointer(rebasing: bytes[..<first]), to: tail)
        copy(UnsafeRawBufferPointer(rebasing: bytes[first..<sent]), to: 0)
        count += sent
        arrive { pipe in pipe.arrived += sent }
        return sent
    }

    /// Nothing more comes: the receiver learns it after all that was sent.
    func end() { arrive { pipe in pipe.hasEnded = true } }

    /// Moves what has arrived; returns how much that is.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let taken = min(buffer.count, arrived)
        let first = min(taken, capacity - head)
        copy(head..<head + first, to: buffer, at: 0)
        copy(0..<taken - first, to: buffer, at: first)
        head = (head + taken) % capacity
        count -= taken
        arrived -= taken
        return taken
    }

    /// The connection is reset: what is on its way never arrives.
    func cut() {
        isCut = true
        count = arrived
    }

    /// Nothing arrives before `time`.
    func hold(until time: Instant) { lastArrival = max(lastArrival, time) }

    /// When something sent now would arrive: never before what was sent earlier.
    func nextArrival() -> Instant {
        lastArrival = max(lastArrival, machine.time + machine.network.interval(upTo: delay))
        return lastArrival
    }

    private func arrive(_ action: @escaping (Pipe) -> Void) {
        machine.at(nextArrival()) { [self] in
            if !isCut { action(self) }
        }
    }

    private func copy(_ bytes: UnsafeRawBufferPointer, to offset: Int) {
        guard !bytes.isEmpty else { return }
        UnsafeMutableRawBufferPointer(rebasing: storage[offset..<offset + bytes.count])
            .copyMemory(from: bytes)
    }

    private func copy(_ range: Range<Int>, to buffer: UnsafeMutableRawBufferPointer, at offset: Int)
    {
        guard !range.isEmpty else { return }
        UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + range.count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[range]))
    }
}
