import Kernel
import Runtime
import Simulation
import Testing

/// The scheduler and the workers: chance interleaves them, and a run that cannot go on says so.
@Suite struct SchedulerTests {
    /// Notes when it is performed and finished.
    private final class Note: Job, @unchecked Sendable {
        final class Book { var performed: [Int] = [], finished: [Int] = [] }

        let number: Int
        let book: Book

        init(_ number: Int, _ book: Book) {
            self.number = number
            self.book = book
        }

        override func perform() { book.performed.append(number) }
        override func finish() { book.finished.append(number) }
    }

    @Test func jobsOvertakeOneAnotherAndAllFinish() throws {
        var orders: Set<[Int]> = []
        for number in 1...100 as ClosedRange<UInt64> {
            let simulation = Seed(number: number, test: "jobsOvertake").simulation()
            let process = try simulation.start("worker")
            let book = Note.Book()
            for job in 0..<12 {
                let lane = try #require(Lane(rawValue: job % Lane.allCases.count))
                process.reactor?.submit(Note(job, book), to: lane)
            }
            #expect(process.workers?.pending == 12)
            try simulation.run { book.finished.count == 12 }
            #expect(book.performed.sorted() == Array(0..<12))
            #expect(book.finished.sorted() == Array(0..<12))
            #expect(process.workers?.pending == 0)
            orders.insert(book.performed)
            #expect(process.exit() == [])
        }
        #expect(orders.count > 90)
    }

    @Test func jobsOfADeadProcessAreNotPerformed() throws {
        let simulation = Seed(number: 1, test: "jobsOfADeadProcess").simulation()
        let process = try simulation.start("worker")
        let book = Note.Book()
        process.reactor?.submit(Note(0, book), to: .writes)
        process.kill()
        try simulation.run(for: .seconds(1))
        #expect(book.performed.isEmpty)
    }

    @Test func aDeadlockIsReportedWithItsSeed() throws {
        let simulation = Seed(number: 17, test: "aDeadlockIsReported").simulation()
        _ = try simulation.start("sleeper")
        let failure = #expect(throws: SimulationFailure.self) { try simulation.run { false } }
        let report = failure?.description ?? ""
        #expect(report.contains("deadlock"))
        #expect(report.contains("AMPD_SEED=17"))
        #expect(report.contains("epoll_wait"))
    }

    /// Reschedules itself for ever, as a broken retry would.
    private final class Busy: TimerHandler {
        unowned let reactor: Reactor
        init(_ reactor: Reactor) { self.reactor = reactor }
        func fire(_ timer: TimerToken) {
            _ = reactor.schedule(self, at: reactor.now + .milliseconds(1))
        }
    }

    @Test func aRunThatGoesNowhereIsStuck() throws {
        let simulation = Seed(number: 2, test: "aRunThatGoesNowhere").simulation()
        simulation.timeLimit = .seconds(1)
        let process = try simulation.start("busy")
        let reactor = try #require(process.reactor)
        let busy = Busy(reactor)
        _ = reactor.schedule(busy, at: reactor.now)
        let failure = #expect(throws: SimulationFailure.self) { try simulation.run { false } }
        #expect(failure?.reason.contains("stuck") == true)
    }

    @Test func timersFireInTheirTimeHoweverFar() throws {
        let simulation = Seed(number: 3, test: "timersFire").simulation()
        let process = try simulation.start("waiter")
        let reactor = try #require(process.reactor)
        let alarm = Alarm(reactor)
        let due = reactor.now + .seconds(1_000)
        _ = reactor.schedule(alarm, at: due)
        try simulation.run { alarm.fired != nil }
        let late = try #require(alarm.fired) - due
        #expect(alarm.fired.map { $0 >= due } == true)
        #expect(late < .milliseconds(1))
        #expect(simulation.steps < 50, "the clock leaps")
    }

    private final class Alarm: TimerHandler {
        unowned let reactor: Reactor
        var fired: Instant?
        init(_ reactor: Reactor) { self.reactor = reactor }
        func fire(_ timer: TimerToken) { fired = reactor.now }
    }

    @Test func signalsArriveOnce() throws {
        final class Ears: SignalsDelegate {
            var heard: [Signal] = []
            func received(_ signal: Signal) { heard.append(signal) }
        }
        let simulation = Seed(number: 4, test: "signalsArrive").simulation()
        let process = try simulation.start("listener")
        let reactor = try #require(process.reactor)
        let ears = Ears()
        let signals = try Signals([.hangup, .terminate], on: reactor, delegate: ears)
        for signal in [Signal.hangup, .hangup, .user1, .terminate] {
            process.kernel.raise(signal)
        }
        try simulation.run { ears.heard.count == 2 }
        #expect(ears.heard == [.hangup, .terminate])
        signals.close()
    }

    @Test func chanceIsNotSkewed() {
        var chance = Chance(seed: 9, for: .scenario)
        var counts = [Int](repeating: 0, count: 8)
        for _ in 0..<8_000 { counts[chance.below(8)] += 1 }
        #expect(counts.allSatisfy { (850...1_150).contains($0) })
        let sizes = (0..<2_000).map { _ in chance.size(in: 3...1_000) }
        #expect(sizes.allSatisfy { (3...1_000).contains($0) })
        #expect(sizes.contains { $0 < 8 } && sizes.contains { $0 > 500 })
    }
}
