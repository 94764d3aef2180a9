import AMP
import Testing

@testable import AMPSession

/// Who sends next.
struct SchedulerTests {
    private let chunk = 1_000

    /// Streams with credits that come and go. Over any stretch of the schedule in which two
    /// streams of one urgency always had something to send, neither gets a chunk more than the
    /// other; and nobody sends while a more urgent one could.
    @Test func backloggedStreamsDifferByAChunkAtMost() {
        for seed in 0..<10_000 {
            var model = ScheduleModel(seed: UInt64(seed), chunk: chunk)
            for _ in 0..<60 { model.step() }
            #expect(model.faults == [], "seed \(seed)")
            if !model.faults.isEmpty { return }
        }
    }

    @Test func theOrderIsByUrgency() throws {
        var scheduler = Scheduler(chunk: chunk)
        for level in [5, 0, 7, 3] {
            scheduler.activate(level, try #require(Urgency(level: UInt8(level))))
        }
        var order: [Int] = []
        while let turn = scheduler.next {
            order.append(turn.slot)
            scheduler.sent(turn.slot, chunk)
            scheduler.deactivate(turn.slot)
        }
        #expect(order == [0, 3, 5, 7])
        #expect(scheduler.isEmpty)
    }

    /// What a turn leaves, because the connection's credit was short, goes before the next turn.
    @Test func anInterruptedTurnGoesOn() {
        var scheduler = Scheduler(chunk: chunk)
        scheduler.activate(0, .standard)
        scheduler.activate(1, .standard)
        scheduler.sent(0, 300)
        #expect(scheduler.next?.slot == 0 && scheduler.next?.bytes == 700)
        scheduler.sent(0, 700)
        #expect(scheduler.next?.slot == 1 && scheduler.next?.bytes == 1_000)
    }

    /// Ten thousand streams in the ring, nearly all of them blocked in between: each choice is
    /// the next of those that are not, without a look at the others.
    @Test(arguments: [10, 10_000])
    func blockedStreamsAreOutOfTheRing(count: Int) {
        var scheduler = Scheduler(chunk: chunk)
        for slot in 0..<count { scheduler.activate(slot, .standard) }
        for slot in 0..<count where slot != 4 && slot != 8 { scheduler.deactivate(slot) }
        var order: [Int] = []
        for _ in 0..<4 {
            guard let turn = scheduler.next else { break }
            order.append(turn.slot)
            scheduler.sent(turn.slot, chunk)
        }
        #expect(order == [4, 8, 4, 8])
        #expect(scheduler.ringSteps(to: 8) == scheduler.ringSteps(to: 4) + 1)
    }
}

/// Streams as the session has them, beside a scheduler, and what each has sent.
private struct ScheduleModel {
    private struct Stream {
        let urgency: Int
        var backlog: Int
    }

    private(set) var faults: [String] = []
    private var generator: SeededGenerator
    private var scheduler: Scheduler
    private var streams: [Stream] = []
    private let chunk: Int
    /// For two streams: the least and the greatest that the one was ahead of the other, and is
    /// now, since both have been backlogged.
    private var leads: [[Lead]] = []

    private struct Lead {
        var now = 0
        var least = 0
        var most = 0
    }

    init(seed: UInt64, chunk: Int) {
        generator = SeededGenerator(seed: seed)
        scheduler = Scheduler(chunk: chunk)
        self.chunk = chunk
        let count = Int.random(in: 2...6, using: &generator)
        let levels = Int.random(in: 1...2, using: &generator)
        for _ in 0..<count {
            streams.append(Stream(urgency: .random(in: 1...levels, using: &generator), backlog: 0))
        }
        leads = Array(repeating: Array(repeating: Lead(), count: count), count: count)
    }

    mutating func step() {
        if Int.random(in: 0..<4, using: &generator) == 0 || scheduler.isEmpty { refill() }
        guard let turn = scheduler.next else { return faults.append("nobody's turn") }
        if streams.contains(where: { $0.backlog > 0 && $0.urgency < streams[turn.slot].urgency }) {
            faults.append("\(turn.slot) before a more urgent one")
        }
        // The connection's credit may end a turn early.
        let credit = Int.random(in: 1...2 * chunk, using: &generator)
        let count = min(turn.bytes, credit, streams[turn.slot].backlog)
        guard count > 0, count <= chunk else { return faults.append("a chunk of \(count)") }
        send(turn.slot, count)
    }

    private mutating func refill() {
        let slot = Int.random(in: streams.indices, using: &generator)
        if streams[slot].backlog == 0 { forget(slot) }
        streams[slot].backlog += Int.random(in: 1...8 * chunk, using: &generator)
        guard let urgency = Urgency(level: UInt8(streams[slot].urgency)) else { return }
        scheduler.activate(slot, urgency)
    }

    private mutating func send(_ slot: Int, _ count: Int) {
        streams[slot].backlog -= count
        scheduler.sent(slot, count)
        if streams[slot].backlog == 0 { scheduler.deactivate(slot) }
        for other in streams.indices where other != slot {
            guard streams[other].backlog > 0, streams[other].urgency == streams[slot].urgency
            else { continue }
            note(slot, other, count)
            note(other, slot, -count)
        }
        if streams[slot].backlog == 0 { forget(slot) }
    }

    /// The lead over a stretch is the difference of two of its values: of the greatest and the
    /// least, over the worst stretch.
    private mutating func note(_ left: Int, _ right: Int, _ bytes: Int) {
        leads[left][right].now += bytes
        leads[left][right].least = min(leads[left][right].least, leads[left][right].now)
        leads[left][right].most = max(leads[left][right].most, leads[left][right].now)
        let spread = leads[left][right].most - leads[left][right].least
        if spread > chunk { faults.append("\(left) is \(spread) ahead of \(right)") }
    }

    private mutating func forget(_ slot: Int) {
        for other in streams.indices { (leads[slot][other], leads[other][slot]) = (Lead(), Lead()) }
    }
}

extension Scheduler {
    /// How many turns of one chunk pass until it is this stream's; the ring has it.
    fileprivate func ringSteps(to slot: Int) -> Int {
        var copy = self
        var steps = 0
        while let turn = copy.next, turn.slot != slot {
            copy.sent(turn.slot, turn.bytes)
            steps += 1
        }
        return steps
    }
}
