import Foundation
import LinuxKernel
import Synchronization
import Testing

@testable import Runtime

/// A reactor over the real machine.
final class Loop {
    let kernel = LinuxKernel()
    let workers: ThreadWorkers
    let reactor: Reactor

    init() throws {
        workers = try ThreadWorkers(kernel: kernel)
        reactor = try Reactor(kernel: kernel, workers: workers)
    }

    /// Takes turns until `condition` holds, for ten seconds at most.
    func run(until condition: () -> Bool) throws {
        let deadline = kernel.now() + .seconds(10)
        while !condition(), kernel.now() < deadline { try reactor.turn(waitUntil: deadline) }
        #expect(condition(), "not within ten seconds")
    }

    /// One turn that does not wait.
    func turn() throws { try reactor.turn(waitUntil: .start) }

    func event() throws -> Descriptor { Descriptor(try kernel.eventCreate(), of: kernel) }
}

final class Handler: EventHandler, TimerHandler, Deferred {
    var calls = 0
    var timers: [TimerToken] = []
    private let body: () -> Void

    init(_ body: @escaping () -> Void = {}) { self.body = body }

    func ready(_ readiness: Readiness) { call() }

    func fire(_ timer: TimerToken) {
        timers.append(timer)
        call()
    }

    func runDeferred() { call() }

    private func call() {
        calls += 1
        body()
    }
}

@Suite("The reactor's descriptors")
struct ReactorEventTests {
    let loop: Loop

    init() throws { loop = try Loop() }

    @Test("call their handlers while they are ready, for what was asked") func levels() throws {
        let event = try loop.event()
        let handler = Handler()
        let token = try loop.reactor.add(
            handler, descriptor: event.number, interest: .readable)
        try loop.turn()
        #expect(handler.calls == 0)
        loop.kernel.eventSignal(event.number)
        try loop.turn()
        try loop.turn()
        #expect(handler.calls == 2)
        loop.kernel.eventDrain(event.number)
        try loop.turn()
        #expect(handler.calls == 2)
        loop.reactor.modify(token, interest: .writable)
        try loop.turn()
        #expect(handler.calls == 3)
        loop.reactor.modify(token, interest: [])
        try loop.turn()
        #expect(handler.calls == 3)
        loop.reactor.remove(token)
        loop.reactor.remove(token)
        loop.reactor.modify(token, interest: .writable)
        try loop.turn()
        #expect(handler.calls == 3)
    }

    /// Two descriptors are ready in one batch; whichever handler comes first removes the other
    /// and gives its slot to a third, which must not hear of it.
    @Test("leave no event behind for their successors") func staleEvents() throws {
        let events = try (0..<2).map { _ in try loop.kernel.eventCreate() }
        let quiet = try loop.kernel.eventCreate()
        defer { for event in events + [quiet] { loop.kernel.close(event) } }
        let reactor = loop.reactor
        let successor = Handler()
        var tokens: [Token] = []
        var slots: [(old: UInt32, new: UInt32)] = []
        let replace = { (other: Int) in
            guard slots.isEmpty else { return }
            reactor.remove(tokens[other])
            let token = try? reactor.add(
                successor, descriptor: quiet, interest: .readable)
            slots.append((tokens[other].slot, token?.slot ?? .max))
        }
        let handlers = [Handler { replace(1) }, Handler { replace(0) }]
        for (handler, event) in zip(handlers, events) {
            loop.kernel.eventSignal(event)
            tokens.append(
                try reactor.add(handler, descriptor: event, interest: .readable))
        }
        try loop.turn()
        #expect(handlers.map(\.calls).sorted() == [0, 1])
        #expect(slots.count == 1 && slots[0].old == slots[0].new)
        #expect(successor.calls == 0)
    }

    @Test("may remove themselves and be added again while they are called") func readded() throws {
        let event = try loop.event()
        let reactor = loop.reactor
        let (number, kernel) = (event.number, loop.kernel)
        var token: Token?
        let second = Handler { kernel.eventDrain(number) }
        let first = Handler {
            if let token { reactor.remove(token) }
            token = try? reactor.add(second, descriptor: number, interest: .readable)
        }
        token = try reactor.add(first, descriptor: number, interest: .readable)
        kernel.eventSignal(number)
        for _ in 0..<3 { try loop.turn() }
        #expect(first.calls == 1 && second.calls == 1)
    }

    @Test("that epoll refuses are not kept") func refused() throws {
        weak var kept: Handler?
        do {
            let handler = Handler()
            kept = handler
            #expect(throws: Errno.badDescriptor) {
                try loop.reactor.add(handler, descriptor: -1, interest: .readable)
            }
        }
        #expect(kept == nil)
    }
}

@Suite("The reactor's timers")
struct ReactorTimerTests {
    let loop: Loop

    init() throws { loop = try Loop() }

    @Test("fire in the order of their deadlines, equal ones in that of scheduling")
    func order() throws {
        let reactor = loop.reactor
        var order: [Int] = []
        let delays = (0..<40).map { UInt64($0 * 7 % 5) }
        for (number, delay) in delays.enumerated() {
            _ = reactor.schedule(
                Handler { order.append(number) }, at: reactor.now + .microseconds(delay))
        }
        try loop.run { order.count == delays.count }
        #expect(order == delays.indices.sorted { (delays[$0], $0) < (delays[$1], $1) })
    }

    @Test("do not fire early, and once") func once() throws {
        let deadline = loop.kernel.now() + .milliseconds(5)
        let handler = Handler()
        let timer = loop.reactor.schedule(handler, at: deadline)
        try loop.run { handler.calls > 0 }
        #expect(loop.reactor.now >= deadline)
        try loop.turn()
        #expect(handler.timers == [timer])
        loop.reactor.cancel(timer)
    }

    @Test("that are cancelled do not fire, though they are due in this very turn")
    func cancelled() throws {
        let reactor = loop.reactor
        let never = Handler()
        var later: TimerToken?
        let first = Handler { later.map(reactor.cancel) }
        _ = reactor.schedule(first, at: .start)
        later = reactor.schedule(never, at: .start)
        try loop.turn()
        try loop.turn()
        #expect(first.calls == 1 && never.calls == 0)
    }

    @Test("that schedule timers already due do not hold the turn") func endless() throws {
        let reactor = loop.reactor
        var schedule: () -> Void = {}
        let handler = Handler { schedule() }
        schedule = { _ = reactor.schedule(handler, at: .start) }
        schedule()
        try loop.turn()
        #expect(handler.calls == 1)
        try reactor.turn(waitUntil: .never)
        #expect(handler.calls == 2)
        schedule = {}
    }

    @Test("leave no heap behind when they are cancelled") func bounded() {
        var timers = Timers()
        let handler = Handler()
        let far = Instant(nanoseconds: 1 << 60)
        let kept = (0..<10).map { _ in timers.schedule(handler, at: far) }
        for round: UInt64 in 0..<10_000 {
            // Behind and before those that stay.
            let deadline = round % 2 == 0 ? far + .seconds(1) : Instant(nanoseconds: round)
            timers.cancel(timers.schedule(handler, at: deadline))
            #expect(timers.held <= 2 * kept.count + 64)
        }
        #expect(timers.next == far)
        for timer in kept { timers.cancel(timer) }
        #expect(timers.next == .never)
        #expect(timers.held == 0)
    }
}

@Suite("The reactor's turn")
struct ReactorTurnTests {
    let loop: Loop

    init() throws { loop = try Loop() }

    @Test("ends with what was put off, after events and timers") func deferred() throws {
        let reactor = loop.reactor
        let event = try loop.event()
        var order: [String] = []
        let last = Handler { order.append("deferred") }
        _ = reactor.schedule(Handler { order.append("timer") }, at: .start)
        loop.kernel.eventSignal(event.number)
        let token = try reactor.add(
            Handler {
                order.append("event")
                reactor.runBeforeSleep(last)
            }, descriptor: event.number, interest: .readable)
        try loop.turn()
        #expect(order == ["event", "timer", "deferred"])
        reactor.remove(token)
        try loop.turn()
        #expect(order.count == 3)
    }

    @Test("runs what deferred work puts off in turn, but not for ever") func bounded() throws {
        let reactor = loop.reactor
        var again: () -> Void = {}
        let endless = Handler { again() }
        again = { reactor.runBeforeSleep(endless) }
        again()
        try loop.turn()
        let calls = endless.calls
        #expect(calls > 1)
        try reactor.turn(waitUntil: .never)  // does not wait
        #expect(endless.calls == 2 * calls)
        again = {}
        try loop.turn()
        #expect(endless.calls == 2 * calls + 1)
    }

    @Test("leaves bulk to the next one, which does not wait but polls first") func bulk() throws {
        let reactor = loop.reactor
        let event = try loop.event()
        let (number, kernel) = (event.number, loop.kernel)
        var order: [String] = []
        let token = try reactor.add(
            Handler {
                order.append("event")
                kernel.eventDrain(number)
            }, descriptor: number, interest: .readable)
        var rounds = 0
        var next: () -> Void = {}
        let bulk = Handler {
            order.append("bulk")
            rounds += 1
            kernel.eventSignal(number)
            if rounds < 3 { next() }
        }
        next = { reactor.runNextTurn(bulk) }
        next()
        for _ in 0..<3 { try reactor.turn(waitUntil: .never) }
        #expect(order == ["bulk", "event", "bulk", "event", "bulk"])
        next = {}
        reactor.remove(token)
    }

    @Test("is measured") func measures() throws {
        let reactor = loop.reactor
        reactor.runBeforeSleep(Handler { usleep(2000) })
        try loop.turn()
        try loop.turn()
        let measures = reactor.measures
        #expect(measures.turns == 2)
        #expect(measures.longestTurn >= .milliseconds(2))
        #expect(measures.busy >= measures.longestTurn)
        reactor.resetMeasures()
        #expect(reactor.measures.turns == 0)
    }

    @Test("brings finished jobs back to the loop's thread") func jobs() throws {
        final class Where: Job, @unchecked Sendable {
            var performed: pthread_t?
            var finished: pthread_t?
            override func perform() { performed = pthread_self() }
            override func finish() { finished = pthread_self() }
        }
        let jobs = (0..<100).map { _ in Where() }
        for (index, job) in jobs.enumerated() {
            loop.reactor.submit(job, to: Lane.allCases[index % 3])
        }
        try loop.run { jobs.allSatisfy { $0.finished != nil } }
        #expect(jobs.allSatisfy { $0.finished == pthread_self() })
        #expect(jobs.allSatisfy { $0.performed != pthread_self() })
        #expect(loop.reactor.pendingJobs == 0)
    }

    @Test("runs what other threads post, in their order, until stopped") func post() throws {
        let seen = Mutex<[Int]>([])
        final class Number: Posted {
            let number: Int
            let seen: @Sendable (Int) -> Void
            init(_ number: Int, _ seen: @escaping @Sendable (Int) -> Void) {
                self.number = number
                self.seen = seen
            }
            func runPosted() { seen(number) }
        }
        let reactor = loop.reactor
        nonisolated(unsafe) let stopping = reactor
        let note: @Sendable (Int) -> Void = { number in
            seen.withLock { $0.append(number) }
            if number == 999 { stopping.stop() }
        }
        let mailbox = reactor.mailbox
        Thread { for number in 0..<1000 { mailbox.post(Number(number, note)) } }.start()
        try reactor.run()
        #expect(seen.withLock { $0 } == Array(0..<1000))
    }

    @Test("hears signals through a descriptor") func signals() throws {
        final class Ears: SignalsDelegate {
            var heard: [Signal] = []
            func received(_ signal: Signal) { heard.append(signal) }
        }
        let ears = Ears()
        let signals = try Signals([.hangup, .windowChanged], on: loop.reactor, delegate: ears)
        pthread_kill(pthread_self(), SIGWINCH)
        pthread_kill(pthread_self(), SIGHUP)
        try loop.turn()
        #expect(Set(ears.heard) == [.hangup, .windowChanged])
        signals.close()
        pthread_kill(pthread_self(), SIGHUP)
        try loop.turn()
        #expect(ears.heard.count == 2)
        // It stays blocked, and waits; taken off here, since this thread serves other tests.
        let heir = Descriptor(try loop.kernel.signalCreate([.hangup]), of: loop.kernel)
        #expect(loop.kernel.signalRead(heir.number) == .hangup)
    }
}
