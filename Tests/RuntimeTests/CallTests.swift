import AMPServer
import Testing

@Suite("Calls that wait")
struct CallTests {
    private static func echoes(_ count: Int, of text: String = "x") -> [UInt8] {
        (1...count).flatMap { wire([("_ask", "\($0)"), ("_command", "Echo"), ("text", text)]) }
    }

    /// The kernel may take the whole of a full outbox at once: nobody but the connection itself
    /// then goes on with the calls that had waited for room in it.
    @Test func callsThatWaitedForTheOutboxAreTakenUpOnceItIsWritten() throws {
        let bench = try Bench { $0.session.outboxBytes = 1_000 }
        let caller = try bench.call()
        caller.say(bytes: Self.echoes(200))
        #expect(
            try bench.turn {
                try caller.work()
                return caller.answers == 200
            }, "\(caller.answers) of 200")
    }

    @Test func callsThatWaitedAreAnsweredToAPeerThatHasHalfClosed() throws {
        let bench = try Bench {
            $0.session.outboxBytes = 1_000
            $0.session.deferredBytes = 1 << 26
        }
        let caller = try bench.call()
        let text = String(repeating: "x", count: 20_000)
        caller.say(bytes: Self.echoes(1_000, of: text))
        var isFinished = false
        // The peer reads nothing before it has closed its half.
        _ = try bench.turn {
            if !isFinished, try caller.work(receiving: false) {
                try caller.halfClose()
                isFinished = true
            }
            return isFinished
        }
        try bench.turn(for: .milliseconds(50))
        #expect(
            try bench.turn {
                try caller.work()
                return caller.hasEnded
            })
        #expect(caller.answers == 1_000)
        #expect(bench.events.closed.map(\.description) == ["done"])
    }

    /// A megabyte of calls is not all answered before anybody else's.
    @Test func oneConnectionDoesNotHoldTheLoop() throws {
        let bench = try Bench()
        let (greedy, modest) = (try bench.call(), try bench.call())
        #expect(try bench.turn { bench.server.connectionCount == 2 })
        greedy.say(bytes: Self.echoes(1_000))
        try greedy.work(receiving: false)
        modest.say([("_ask", "1"), ("_command", "Echo"), ("text", "x")])
        try modest.work(receiving: false)
        try bench.reactor.turn(waitUntil: bench.kernel.now() + .seconds(1))
        try modest.work()
        #expect(modest.answers == 1)
        #expect(bench.events.order.count < 1_000)
        #expect(
            try bench.turn {
                try greedy.work()
                return greedy.answers == 1_000
            })
    }

    /// The session bounds the asks that wait for answers; calls that want none cost as much.
    @Test func callsWithoutAnAnswerAreBoundedToo() throws {
        let bench = try Bench { $0.session.settings.maxAsks = 5 }
        let held = HeldStore()
        bench.server.register(held)
        let caller = try bench.call()
        // What is done does not count.
        for _ in 1...50 { caller.say([("_command", "Echo"), ("text", "x")]) }
        for _ in 1...5 { caller.say([("_command", "Held")]) }
        try caller.work()
        #expect(try bench.turn { held.count == 5 })
        #expect(bench.events.closed.isEmpty)
        caller.say([("_command", "Held")])
        #expect(
            try bench.turn {
                try caller.work()
                return caller.hasEnded && !bench.events.closed.isEmpty
            })
        #expect(held.count == 5)
        guard case .violation = bench.events.closed.first else {
            Issue.record("\(bench.events.closed)")
            return
        }
    }
}
