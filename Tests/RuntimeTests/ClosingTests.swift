import AMPServer
import Testing

@Suite("How connections end")
struct ClosingTests {
    /// What was owed before the violation is owed after it, and to a peer that has finished too.
    @Test func answersGoBeforeTheReasonThoughThePeerHasHalfClosed() throws {
        let bench = try Bench()
        let caller = try bench.call()
        let text = String(repeating: "x", count: 60_000)
        for number in 1...500 {
            caller.say([("_ask", "\(number)"), ("_command", "Echo"), ("text", text)])
        }
        caller.say(bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8))
        var isFinished = false
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
                return caller.hasEnded && !bench.events.closed.isEmpty
            })
        let taken = bench.events.order.count
        #expect(caller.answers == taken && taken > 0)
        guard case .violation = bench.events.closed.first else {
            Issue.record("\(bench.events.closed)")
            return
        }
    }

    @Test func aPeerThatBrokeTheProtocolAndDoesNotReadIsGoneAfterAWhile() throws {
        let bench = try Bench {
            $0.boxTime = .milliseconds(50)
            $0.lingerTime = .milliseconds(50)
        }
        let caller = try bench.call()
        let text = String(repeating: "x", count: 60_000)
        for number in 1...1_000 {
            caller.say([("_ask", "\(number)"), ("_command", "Echo"), ("text", text)])
        }
        caller.say(bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(
            try bench.turn {
                try caller.work(receiving: false)
                return bench.server.connectionCount == 0 && !bench.events.closed.isEmpty
            })
    }

    /// The answer that an aborted upload is still given comes too late for a connection whose
    /// last word is said, and does not cut it off.
    @Test func aLateAnswerDoesNotDisturbALingeringConnection() throws {
        let bench = try Bench { $0.lingerTime = .milliseconds(300) }
        let held = HeldStore()
        bench.server.register(held)
        let caller = try bench.call()
        caller.say([("_ask", "1"), ("_command", "Held")])
        caller.say(bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(
            try bench.turn {
                try caller.work()
                return caller.hasEnded
            })
        held.request?.fail("FULL", "too late")
        held.request = nil
        try bench.turn(for: .milliseconds(50))
        #expect(bench.events.closed.isEmpty)
        #expect(try bench.turn { !bench.events.closed.isEmpty })
        guard case .violation = bench.events.closed.first else {
            Issue.record("\(bench.events.closed)")
            return
        }
    }

    /// Its end is to be read for ever, or said for ever: neither may keep the loop from sleeping.
    @Test(arguments: [false, true])
    func aPeerThatHasHalfClosedCostsNoTurns(afterViolation: Bool) throws {
        let bench = try Bench()
        let held = HeldStore()
        bench.server.register(held)
        let caller = try bench.call()
        caller.say([("_ask", "1"), ("_command", "Held")])
        if afterViolation {
            let text = String(repeating: "x", count: 60_000)
            for number in 2...300 {
                caller.say([("_ask", "\(number)"), ("_command", "Echo"), ("text", text)])
            }
            caller.say(bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8))
        }
        #expect(try bench.turn { try caller.work(receiving: false) && held.count == 1 })
        try caller.halfClose()
        try bench.turn(for: .milliseconds(50))
        bench.reactor.resetMeasures()
        try bench.turn(for: .milliseconds(100))
        #expect(bench.reactor.measures.turns < 20)
        #expect(bench.server.connectionCount == 1)
        caller.close()
        held.request?.fail("FULL", "no use")
        held.request = nil
        #expect(try bench.turn { bench.server.connectionCount == 0 })
    }

    /// Nothing can give credit any more to the download of a peer that has half-closed: what it
    /// had granted is sent, and the connection closes.
    @Test func aDownloadPastTheCreditOfAPeerThatHasHalfClosedDoesNotStayForEver() throws {
        let bench = try Bench()
        let file = TestFile(count: 1_000_000)
        bench.server.register(FetchResponder { file.open() })
        let caller = try bench.call()
        caller.say([("_ask", "1"), ("_command", "Fetch"), ("count", "1000000")])
        try caller.work()
        try caller.halfClose()
        #expect(
            try bench.turn {
                try caller.work()
                return caller.hasEnded
            })
        let data = caller.boxes(of: "stream-data").reduce(0) { $0 + ($1["data"]?.count ?? 0) }
        #expect(data == 262_144)
    }

    @Test func aDownloadWithinItGoesToAPeerThatHasHalfClosed() throws {
        let bench = try Bench()
        let file = TestFile(count: 200_000)
        bench.server.register(FetchResponder { file.open() })
        let caller = try bench.call()
        caller.say([("_ask", "1"), ("_command", "Fetch"), ("count", "200000")])
        try caller.work()
        try caller.halfClose()
        #expect(
            try bench.turn {
                try caller.work()
                return caller.hasEnded
            })
        #expect(caller.boxes(of: "stream-end").count == 1)
        #expect(bench.events.closed.map(\.description) == ["done"])
    }
}

struct Held: Command {
    static let name = "Held"
    static let errors: Set<String> = ["FULL"]
}

/// Answers when the test says so.
final class HeldStore: Responder {
    var request: Request?
    private(set) var count = 0

    func respond(to held: Held, _ request: Request) {
        self.request = request
        count += 1
    }
}
