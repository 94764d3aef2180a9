import AMP
import Testing

@testable import AMPSession

/// The order of the wire: commands first, but not for ever; nothing before what it needs.
struct OrderTests {
    private func names(_ peer: Peer, _ most: Int = .max) -> [String] {
        boxes(in: peer.take(most)).map { $0["_command"] ?? "answer" }
    }

    private func command(_ bytes: Int) throws -> Box {
        var box = Box()
        try box.append("fill", [UInt8](repeating: 1, count: bytes))
        return box
    }

    @Test func commandsGoFirst() throws {
        let peer = Peer()
        try peer.put(pattern(30_000))
        _ = try peer.session.ask("Call", Box())
        #expect(names(peer) == ["Put", "Call", "stream-data", "stream-data", "stream-end"])
    }

    /// One that is queued while a chunk is under way waits for that chunk alone.
    @Test func aCommandWaitsForOneChunk() throws {
        let peer = Peer()
        try peer.put(pattern(100_000))
        var bytes = peer.take(1_000)
        _ = try peer.session.ask("Call", Box())
        bytes += peer.take()
        #expect(
            boxes(in: bytes).prefix(4).map { $0["_command"] } == [
                "Put", "stream-data", "Call", "stream-data",
            ])
    }

    @Test func afterARunOfCommandsOneChunkGoes() throws {
        let peer = Peer()
        try peer.put(pattern(80_000))
        var bytes = peer.take(100)
        for _ in 0..<40 { _ = try peer.session.ask("Call", command(9_000), requiresAnswer: false) }
        var (run, runs) = (0, [Int]())
        bytes += peer.take()
        for name in boxes(in: bytes).map({ $0["_command"] }) {
            if name == "Call" { run += 1 }
            if name == "stream-data" { (runs, run) = (runs + [run], 0) }
        }
        // 65,536 bytes are reached with the eighth.
        #expect(Array(runs.filter { $0 > 0 }.prefix(4)) == [8, 8, 8, 8])
    }

    /// More than a run of commands waits, and then a stream is opened: its data stay behind the
    /// box with its number, though a chunk of another goes before.
    @Test func noDataBeforeTheBoxThatOpensTheirStream() throws {
        let peer = Peer()
        try peer.put(pattern(40_000))
        var bytes = peer.take(100)
        for _ in 0..<30 { _ = try peer.session.ask("Call", command(9_000), requiresAnswer: false) }
        try peer.put(pattern(40_000, 2))
        try peer.put([])
        bytes += peer.take()
        let sent = boxes(in: bytes)
        let opened = try #require(sent.firstIndex { $0["upload"] == "2" })
        let first = try #require(sent.firstIndex { $0["id"] == "2" })
        #expect(opened < first)
        #expect(sent[..<opened].contains { $0["_command"] == "stream-data" })
        let empty = try #require(sent.firstIndex { $0["upload"] == "3" })
        let end = try #require(sent.firstIndex { $0["id"] == "3" })
        #expect(empty < end)
    }

    @Test func theEndGoesBehindItsData() throws {
        let peer = Peer()
        try peer.put(pattern(16_384 * 3))
        #expect(names(peer) == ["Put", "stream-data", "stream-data", "stream-data", "stream-end"])
    }

    /// What is under way goes on, padded, and the reset comes behind it.
    @Test func aResetDoesNotTearAChunk() throws {
        let peer = Peer()
        let (_, id) = try peer.put(pattern(100_000))
        var bytes = peer.take(1_000)
        let isUnderWay = peer.session.isChunkUnderWay(id)
        #expect(isUnderWay)
        peer.session.reset(id, .storage)
        bytes += peer.take()
        #expect(boxes(in: bytes).map { $0["_command"] } == ["Put", "stream-data", "stream-reset"])
    }

    @Test func withoutLeaveNoChunkIsBegun() throws {
        let peer = Peer()
        try peer.put([1])
        let before = peer.session.output(withChunk: false)
        guard case .bytes(let count, more: false) = before else { return #expect(Bool(false)) }
        peer.session.wrote(count)
        let idle = peer.session.output(withChunk: false)
        #expect(idle == .idle)
        let isFlushed = peer.session.isFlushed
        #expect(!isFlushed)
        #expect(names(peer) == ["stream-data", "stream-end"])
    }

    /// Numbers of streams rise, box by box, however calls and streams are mixed.
    @Test func numbersRiseOnTheWire() throws {
        let peer = Peer()
        for size in [5, 100_000, 0, 70_000, 1] {
            _ = try peer.session.ask("Call", command(30_000))
            try peer.put(pattern(size))
        }
        #expect(boxes(in: peer.take()).compactMap { $0["upload"] } == ["1", "2", "3", "4", "5"])
    }
}
