import AMPServer
import Synchronization
import Testing

@Suite("Uploads that workers write")
struct UploadTests {
    private static let chunk = String(repeating: "d", count: 16_000)

    private func data(_ stream: Int, _ data: String = chunk) -> [(String, String)] {
        [("_command", "stream-data"), ("id", "\(stream)"), ("data", data)]
    }

    /// Uploads that fill the buffers of their connection before their writers are ready, and then
    /// have none: their bytes are let go unwritten, and the connection reads on.
    @Test func readingGoesOnWhenUploadsThatHeldItUpFail() throws {
        let bench = try Bench { $0.waitingBuffers = 1 }
        let responder = StoreResponder()
        bench.server.register(responder)
        let caller = try bench.call()
        for stream in 1...8 {
            caller.say([("_ask", "\(stream)"), ("_command", "Store"), ("upload", "\(stream)")])
        }
        for _ in 1...16 { for stream in 1...8 { caller.say(data(stream)) } }
        _ = try bench.turn {
            try caller.work()
            return bench.server.connections.first.map { $0.bytesIn > 900_000 } ?? false
        }
        try bench.turn(for: .milliseconds(20))
        for sink in responder.sinks {
            sink.fail(.storage, StreamFault(code: "FULL", reason: "no space"))
        }
        caller.say([("_ask", "a"), ("_command", "Echo"), ("text", "x")])
        #expect(
            try bench.turn {
                try caller.work()
                return caller.answers == 1
            })
        #expect(caller.errors.count == 8)
    }

    /// The disk stalls, so the connection is not read: that its last box is incomplete is not
    /// the peer's fault.
    @Test func aStalledDiskDoesNotMakeThePeerSlow() throws {
        let bench = try Bench {
            $0.waitingBuffers = 1
            $0.boxTime = .milliseconds(100)
        }
        let responder = StoreResponder()
        bench.server.register(responder)
        let caller = try bench.call()
        for stream in 1...8 {
            caller.say([("_ask", "\(stream)"), ("_command", "Store"), ("upload", "\(stream)")])
        }
        for _ in 1...16 { for stream in 1...8 { caller.say(data(stream)) } }
        let gate = Gate()
        _ = try bench.turn {
            try caller.work()
            return responder.sinks.count == 8
        }
        for _ in 0..<50 {
            try caller.work()
            try bench.turn(for: .milliseconds(10))
        }
        #expect(bench.events.closed.isEmpty)
        for sink in responder.sinks { sink.start(gate) }
        for stream in 1...8 {
            let length = "\(16 * Self.chunk.utf8.count)"
            caller.say([("_command", "stream-end"), ("id", "\(stream)"), ("length", length)])
        }
        #expect(
            try bench.turn {
                try caller.work()
                return caller.answers == 8
            }, "\(caller.answers) of 8, \(bench.events.closed)")
        #expect(gate.written.withLock { $0 } == 8 * 16 * Self.chunk.utf8.count)
    }

    /// However the client goes, each upload is told once, and nothing of the connection stays.
    @Test(arguments: [false, true])
    func uploadsOfAClientThatIsGoneAreAbandoned(politely: Bool) throws {
        let bench = try Bench()
        let responder = StoreResponder()
        bench.server.register(responder)
        let caller = try bench.call()
        for stream in 1...3 {
            caller.say([("_ask", "\(stream)"), ("_command", "Store"), ("upload", "\(stream)")])
            caller.say(data(stream))
        }
        #expect(
            try bench.turn {
                try caller.work()
                return responder.sinks.count == 3 && responder.sinks.allSatisfy { $0.received > 0 }
            })
        weak let connection = bench.server.connections.first
        responder.sinks[0].start(Gate())
        if politely { try caller.halfClose() } else { caller.close() }
        #expect(
            try bench.turn {
                try caller.work()
                return bench.server.connectionCount == 0
            })
        // The one that is being written is told when that is done.
        #expect(try bench.turn { responder.faults.count == 3 })
        if politely { #expect(caller.errors.count == 3) }
        #expect(try bench.turn { responder.requestCount == 0 && connection == nil })
    }

    @Test func aBoxOnceBegunIsFinishedInTime() throws {
        let bench = try Bench { $0.boxTime = .milliseconds(50) }
        let caller = try bench.call()
        caller.say(bytes: [0, 4])
        #expect(
            try bench.turn {
                try caller.work()
                return caller.hasEnded && !bench.events.closed.isEmpty
            })
        guard case .violation(let violation) = bench.events.closed.first, violation.code == .timeout
        else {
            Issue.record("\(bench.events.closed)")
            return
        }
        #expect(violation.code == .timeout)
    }

    /// Its length and its data come before anybody has begun to write, and so does its end.
    @Test func anUploadThatEndedBeforeItsWriterWasReadyIsWhole() throws {
        let bench = try Bench()
        let responder = StoreResponder()
        bench.server.register(responder)
        let caller = try bench.call()
        caller.say(
            [("_ask", "1"), ("_command", "Store"), ("upload", "1")],
            data(1, "abc"), [("_command", "stream-end"), ("id", "1"), ("length", "3")],
            [("_ask", "2"), ("_command", "Store"), ("upload", "2")],
            [("_command", "stream-end"), ("id", "2"), ("length", "0")])
        #expect(
            try bench.turn {
                try caller.work()
                return responder.sinks.count == 2
            })
        let gate = Gate()
        for sink in responder.sinks { sink.start(gate) }
        #expect(
            try bench.turn {
                try caller.work()
                return caller.answers == 2
            })
        #expect(gate.written.withLock { $0 } == 3)
    }
}

/// Counts what it is given.
final class Gate: BlockingWriter, Sendable {
    let written = Mutex(0)

    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        written.withLock { $0 += vectors.reduce(0) { $0 + $1.count } }
    }
}
