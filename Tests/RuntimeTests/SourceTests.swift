import AMPServer
import Foundation
import Testing

@Suite("What downloads come from")
struct SourceTests {
    private func fetch(_ count: Int, _ bench: Bench) throws -> Caller {
        let caller = try bench.call()
        caller.say([("_ask", "1"), ("_command", "Fetch"), ("count", "\(count)")])
        return caller
    }

    /// The last chunk is promised, and the file turns out to lack it: zeros go in its place, so
    /// nothing may say that the stream is whole.
    @Test(arguments: [100, 61_440, 100_000])
    func aFileThatHasBecomeShorterIsReset(count: Int) throws {
        let bench = try Bench()
        let file = TestFile(count: count)
        bench.server.register(FetchResponder { file.open() })
        file.shorten(to: count - 10)
        let caller = try fetch(count, bench)
        #expect(
            try bench.turn {
                try caller.work()
                return !caller.boxes(of: "stream-reset").isEmpty
            })
        #expect(caller.boxes(of: "stream-end").isEmpty)
        let data = caller.boxes(of: "stream-data").reduce(0) { $0 + ($1["data"]?.count ?? 0) }
        #expect(data == count)
    }

    /// A bad disk, or a file that cannot be sent: that stream is reset, the connection goes on.
    @Test func aFileThatCannotBeReadCostsItsStreamAlone() throws {
        let bench = try Bench()
        let file = TestFile(count: 1_000)
        bench.server.register(FetchResponder { file.open(O_WRONLY) })
        let caller = try fetch(1_000, bench)
        caller.say([("_ask", "2"), ("_command", "Echo"), ("text", "x")])
        #expect(
            try bench.turn {
                try caller.work()
                return !caller.boxes(of: "stream-reset").isEmpty
            })
        caller.say([("_ask", "3"), ("_command", "Echo"), ("text", "x")])
        #expect(
            try bench.turn {
                try caller.work()
                return caller.answers == 3
            })
        #expect(bench.events.closed.isEmpty)
    }

    @Test(arguments: [0, 1, 100_000, 5_000_000])
    func filesAreClosedByWorkers(count: Int) throws {
        let bench = try Bench(workers: InstantWorkers.init)
        let file = TestFile(count: count)
        bench.server.register(FetchResponder { file.open() })
        let caller = try fetch(count, bench)
        // Of the largest, the credit lets but a part go; then the client dies.
        _ = try bench.turn {
            try caller.work()
            return caller.boxes(of: "stream-end").count == 1 || caller.input.count > 262_144
        }
        caller.close()
        #expect(try bench.turn { bench.server.connectionCount == 0 })
        #expect(try bench.turn { file.closings.all.withLock { $0 } == 1 })
        #expect(file.closings.onLoop.withLock { $0 } == 0)
    }
}
