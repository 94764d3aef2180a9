import AMP
import Testing

@testable import AMPSession

/// Credit: granted on consumption, renewed early, never exceeded and never lowered.
struct CreditTests {
    private func data(_ id: Int, _ count: Int) -> [UInt8] {
        wire([
            "_command": "stream-data", "id": "\(id)", "data": String(repeating: "d", count: count),
        ])
    }

    /// A receiver with small windows whose application consumes nothing by itself.
    private func receiver(window: UInt64, connection: UInt64, shared: UInt64 = 0) throws -> Peer {
        let peer = Peer {
            $0.settings.window = window
            $0.settings.connectionWindow = connection
            $0.sharedWindow = shared
        }
        peer.consumes = false
        try peer.receive(["_command": "stream-hello"], ["_command": "Put", "upload": "1"])
        _ = (peer.news(), peer.take())
        return peer
    }

    // MARK: Receiving

    @Test func theLastByteOfAWindowIsAllowedAndTheNextIsNot() throws {
        let peer = try receiver(window: 1_000, connection: 5_000)
        try peer.receive(data(1, 999))
        try peer.receive(data(1, 1))
        #expect(throws: Violation(.flow, "stream 1: data past its credit of 1000 bytes")) {
            try peer.receive(data(1, 1))
        }
        let stop = peer.sent().all("stream-stop")
        #expect(stop.map { $0["id"] } == ["1"] && stop.map { $0["code"] } == ["FLOW"])
    }

    @Test func theConnectionsCreditBindsToo() throws {
        let peer = try receiver(window: 1_000, connection: 1_500)
        try peer.receive(["_command": "Put", "upload": "2"])
        try peer.receive(data(1, 1_000) + data(2, 500))
        #expect(throws: Violation.self) { try peer.receive(data(2, 1)) }
        #expect(peer.sent().all("stream-stop").map { $0["code"] } == ["FLOW"])
    }

    @Test func itIsRenewedBeforeHalfAWindowIsUsed() throws {
        let peer = try receiver(window: 1_000, connection: 4_000)
        try peer.receive(data(1, 500))
        #expect(peer.sent() == [])
        peer.session.consumed(StreamID(1), 499)
        #expect(peer.sent() == [["_command": "stream-credit", "id": "1", "limit": "1499"]])
    }

    /// However bytes come and are consumed: limits only rise, what may come and is not consumed
    /// is never more than a window, and what is left is never half of one if all is consumed.
    @Test func churn() throws {
        var generator = SeededGenerator(seed: 4)
        let peer = try receiver(window: 1_000, connection: 2_500)
        var (limits, received, consumed) = ([0: 2_500, 1: 1_000], 0, 0)
        for _ in 0..<2_000 {
            let room = min(limits[1, default: 0], limits[0, default: 0]) - received
            let count = Int.random(in: 0...min(room, 700), using: &generator)
            if count > 0 { try peer.receive(data(1, count)) }
            received += count
            let part = Int.random(in: 0...received - consumed, using: &generator)
            peer.session.consumed(StreamID(1), part)
            consumed += part
            for box in peer.sent().all("stream-credit") {
                let id = try #require(Int(box["id"] ?? ""))
                let limit = try #require(Int(box["limit"] ?? ""))
                #expect(limit > limits[id, default: .max])
                limits[id] = limit
            }
            #expect(limits[1, default: 0] - consumed <= 1_000)
            #expect(limits[1, default: 0] - consumed >= 500)
            #expect(limits[0, default: 0] - consumed <= 2_500)
            #expect(limits[0, default: 0] - consumed >= 1_250)
        }
    }

    /// Bytes that nobody reads count for the connection and are given back at once.
    @Test(arguments: ["refused", "reset", "stopped", "mismatch", "after the end", "after a stop"])
    func theConnectionGetsBackWhatIsDiscarded(how: String) throws {
        let peer = try receiver(window: 1_000, connection: 1_000)
        switch how {
        case "refused": try peer.receive(data(9, 1_000))
        case "reset":
            try peer.receive(data(1, 1_000))
            try peer.receive(["_command": "stream-reset", "id": "1", "code": "CANCELLED"])
        case "stopped":
            try peer.receive(data(1, 1_000))
            peer.session.stop(StreamID(1), .cancelled)
        case "mismatch":
            try peer.receive(data(1, 1_000))
            try peer.receive(["_command": "stream-end", "id": "1", "length": "1"])
        case "after the end":
            try peer.receive(data(1, 1))
            try peer.receive(["_command": "stream-end", "id": "1", "length": "1"])
            try peer.receive(data(1, 999))
            peer.session.consumed(StreamID(1), 1)
        default:
            peer.session.stop(StreamID(1), .cancelled)
            try peer.receive(data(1, 1_000))
        }
        let grants = peer.sent().all("stream-credit").filter { $0["id"] == "0" }
        let last = try #require(UInt64(grants.last?["limit"] ?? ""))
        #expect(last > 1_750)
    }

    /// Who says no hello has the default for all its streams together, until it opens one.
    @Test func withoutHelloTheConnectionsWindowIsGranted() throws {
        let peer = Peer()
        try peer.receive(["_command": "Put", "upload": "1"])
        #expect(
            peer.sent() == [["_command": "stream-credit", "id": "0", "limit": "37748736"]])
    }

    /// Streams that grow while they are few, and then stall: the rest still have their windows.
    @Test func stalledStreamsStarveNobody() throws {
        let peer = Peer()
        peer.consumes = false
        try peer.receive(["_command": "stream-hello"])
        let settings = peer.session.limits.settings
        var open = settings.maxStreams * settings.window
        for id in 1...Int(settings.maxStreams) {
            try peer.receive(["_command": "Put", "upload": "\(id)"])
            try peer.receive(data(id, 1))
            peer.session.consumed(StreamID(UInt64(id)), 1)
            for box in peer.sent().all("stream-credit") where box["id"] == "\(id)" {
                open += try #require(UInt64(box["limit"] ?? "")) - 1 - settings.window
            }
        }
        #expect(open > settings.maxStreams * settings.window)
        #expect(open <= settings.connectionWindow)
    }

    @Test func windowsWithoutEnd() {
        var window = ReceiveWindow(limit: StreamID.largest)
        #expect(window.receive(.max) && !window.receive(1))
        window.consume(StreamID.largest)
        #expect(window.renewal(size: StreamID.largest) == nil)
        #expect(window.unread == 0)
    }

    // MARK: Sending

    @Test func neitherCreditIsExceeded() throws {
        let peer = Peer()
        try peer.receive([
            "_command": "stream-hello", "window": "3000", "connection-window": "5000",
        ])
        try peer.put(pattern(10_000))
        try peer.put(pattern(10_000))
        #expect(dataBytes(peer) == ["1": 3_000, "2": 2_000])
        try peer.receive(["_command": "stream-credit", "id": "1", "limit": "4000"])
        #expect(dataBytes(peer) == [:])
        try peer.receive(["_command": "stream-credit", "id": "0", "limit": "5001"])
        #expect(dataBytes(peer) == ["2": 1])
        try peer.receive(
            ["_command": "stream-credit", "id": "0", "limit": "9223372036854775807"],
            ["_command": "stream-credit", "id": "2", "limit": "9223372036854775807"])
        #expect(dataBytes(peer) == ["1": 1_000, "2": 7_999])
    }

    @Test func aLimitNotAboveTheLastIsIgnored() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello", "window": "100"])
        try peer.put(pattern(1_000))
        #expect(dataBytes(peer) == ["1": 100])
        for limit in [0, 99, 100] {
            try peer.receive(["_command": "stream-credit", "id": "1", "limit": "\(limit)"])
        }
        #expect(dataBytes(peer) == [:])
        for id in ["2", "7", "9223372036854775807"] {
            try peer.receive(["_command": "stream-credit", "id": id, "limit": "5000"])
        }
        try peer.receive(["_command": "stream-credit", "id": "1", "limit": "101"])
        #expect(dataBytes(peer) == ["1": 1])
    }

    /// Both windows below the defaults, down to one byte: everything arrives all the same.
    @Test(arguments: [1, 7, 5_000] as [UInt64])
    func smallWindowsCarryAllTheSame(window: UInt64) throws {
        let small = { (limits: inout SessionLimits) in
            limits.settings.window = window
            limits.settings.connectionWindow = window
            limits.sharedWindow = 0
        }
        var pair = Pair(client: Peer(), server: Peer(small))
        try pair.settle()
        try pair.client.put(pattern(300))
        try pair.client.put(pattern(20 * Int(window)))
        try pair.run()
        #expect(pair.server.received[StreamID(1)] == pattern(300))
        #expect(pair.server.received[StreamID(2)] == pattern(20 * Int(window)))
    }

    private func dataBytes(_ peer: Peer) -> [String: Int] {
        var counts: [String: Int] = [:]
        for box in rawBoxes(in: peer.take()) where box["_command"] == Array("stream-data".utf8) {
            counts[String(decoding: box["id"] ?? [], as: UTF8.self), default: 0] +=
                box["data"]?.count ?? 0
        }
        return counts
    }
}
