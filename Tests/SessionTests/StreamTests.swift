import AMP
import Testing

@testable import AMPSession

/// Streams from their opening to their end.
struct StreamTests {
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func bytesArriveInBothDirections(seed: UInt64) throws {
        var pair = Pair(seed: seed)
        if seed.isMultiple(of: 2) { try pair.settle() }
        let lengths = [0, 1, 61_440, 200_000]
        for (salt, length) in lengths.enumerated() { try pair.client.put(pattern(length, salt)) }
        try pair.run()
        for call in pair.server.calls { try pair.server.answer(call, with: pattern(100_000, 9)) }
        try pair.run()
        for (salt, length) in lengths.enumerated() {
            let id = StreamID(UInt64(salt + 1))
            #expect(pair.server.received[id] ?? [] == pattern(length, salt))
            #expect(pair.server.events.contains("end \(id)"))
            #expect(pair.client.received[id] == pattern(100_000, 9))
            #expect(pair.client.events.contains("end \(id)"))
        }
        for peer in [pair.client, pair.server] {
            let open = (peer.session.incomingCount, peer.session.outgoingCount)
            #expect(open == (0, 0))
        }
    }

    @Test func theDigestComesWithTheEnd() throws {
        var pair = Pair()
        let id = try pair.client.session.openStream()
        var box = Box()
        try box.append("upload", id.number.wireBytes)
        _ = try pair.client.session.ask("Put", box, uploads: [id])
        pair.client.session.finish(id, digest: "xxh3:0")
        try pair.run()
        #expect(pair.server.events == ["call Put", "end 1 xxh3:0"])
    }

    @Test func chunksAreNoLongerThanThePeerWants() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello", "chunk": "1024"])
        try peer.put(pattern(5_000))
        let sizes = peer.sent().all("stream-data").compactMap { $0["data"]?.unicodeScalars.count }
        #expect(sizes.count == 5)
    }

    /// Several streams at once get the same: after any number of chunks.
    @Test func streamsTakeTurns() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello", "chunk": "1024"])
        for _ in 0..<5 { try peer.put(pattern(20_000)) }
        let order = peer.sent().all("stream-data").compactMap { $0["id"] }
        #expect(order.count == 100)
        for turn in 0..<20 { #expect(Set(order[turn * 5..<turn * 5 + 5]).count == 5) }
    }

    @Test func theMoreUrgentGoFirst() throws {
        let peer = Peer()
        try peer.put(pattern(100_000), try #require(Urgency(level: 6)))
        try peer.put(pattern(100_000), try #require(Urgency(level: 1)))
        let order = peer.sent().all("stream-data").compactMap { $0["id"] }
        #expect(order == Array(repeating: "2", count: 7) + Array(repeating: "1", count: 7))
    }

    // MARK: Numbers

    @Test func aNumberIsUsedOnce() throws {
        var session = Session()
        let isOpen = try session.open([StreamID(3), StreamID(1)])
        #expect(isOpen)
        for ids: [UInt64] in [[3], [1], [2], [4, 4]] {
            var isViolation = false
            do { _ = try session.open(ids.map { StreamID($0) }) } catch { isViolation = true }
            #expect(isViolation, "\(ids)")
        }
        let isLastOpen = try session.open([StreamID(StreamID.largest)])
        #expect(isLastOpen)
    }

    @Test func incomingStreamsAreBounded() throws {
        let peer = Peer { $0.settings.maxStreams = 2 }
        try peer.receive(
            ["_command": "stream-hello"], ["_command": "Put", "upload": "1"],
            ["_command": "Put", "upload": "2"], ["_command": "Put", "upload": "3"])
        #expect(peer.news().last == "too many streams")
        // What comes of it is discarded in silence: the command has failed.
        try peer.receive(["_command": "stream-data", "id": "3", "data": "abc"])
        #expect(peer.news() == [] && peer.sent() == [])
        try peer.receive(
            ["_command": "stream-end", "id": "1", "length": "0"],
            ["_command": "Put", "upload": "4"])
        #expect(peer.news() == ["end 1", "call Put, no answer"])
    }

    @Test func outgoingStreamsStayWithinThePeersBound() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello", "max-streams": "1"])
        let (_, id) = try peer.put(pattern(300_000))
        #expect(throws: StreamError.tooManyStreams) { _ = try peer.session.openStream() }
        peer.session.reset(id, .cancelled)
        _ = try peer.session.openStream()
    }

    @Test func aPeerThatAllowsAnyNumberIsNotTakenAtItsWord() throws {
        let peer = Peer { $0.outgoingStreams = 3 }
        try peer.receive(["_command": "stream-hello", "max-streams": "9223372036854775807"])
        for _ in 0..<3 { _ = try peer.session.openStream() }
        #expect(throws: StreamError.tooManyStreams) { _ = try peer.session.openStream() }
    }

    // MARK: Data that may not be

    @Test(arguments: [
        wire(["_command": "stream-data", "id": "1"]),
        wire(["_command": "stream-data", "data": "a"]),
        wire(["_command": "stream-data", "id": "+1", "data": "a"]),
        wire(["_command": "stream-data", "id": " 1", "data": "a"]),
        wire(["_command": "stream-data", "id": "", "data": "a"]),
        wire(["_command": "stream-data", "id": "9223372036854775808", "data": "a"]),
        wire(["_command": "stream-data", "id": "99999999999999999999", "data": "a"]),
        wire(["_command": "stream-data", "id": "1", "id": "1", "data": "a"]),
        wire(["_command": "stream-data", "id": "1", "data": "a", "data": "b"]),
        wire(["_command": "stream-data", "id": "1", "data": "a", "x": "", "x": ""]),
        wire(["_command": "stream-data", "id": "1", "data": String(repeating: "a", count: 61_441)]),
        wire(["_command": "stream-end", "id": "1"]),
        wire(["_command": "stream-end", "id": "1", "length": "-1"]),
        wire(["_command": "stream-credit", "id": "0"]),
        wire(["_command": "stream-credit", "id": "0", "limit": "9223372036854775808"]),
        wire(["_command": "stream-reset", "code": "FLOW"]),
        wire([
            "_command": "stream-reset", "id": "1", "reason": String(repeating: "r", count: 1_025),
        ]),
        wire(["_command": "stream-cancel"]),
    ])
    func malformedIsAViolation(box: [UInt8]) throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello"], ["_command": "Put", "upload": "1"])
        #expect(throws: Violation.self) { try peer.receive(box) }
    }

    @Test func keysComeInAnyOrderAndUnknownOnesAreIgnored() throws {
        let peer = Peer()
        try peer.receive(
            ["_command": "Put", "upload": "1"],
            ["data": "abc", "new": "x", "id": "1", "_command": "stream-data"])
        #expect(peer.events == ["call Put, no answer", "data 1 3"])
    }

    @Test func aFullChunkIsAllowed() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello"], ["_command": "Put", "upload": "1"])
        try peer.receive([
            "_command": "stream-data", "id": "1", "data": String(repeating: "a", count: 61_440),
        ])
        #expect(peer.events.last == "data 1 61440")
    }

    @Test func emptyDataIsIgnoredButNotForEver() throws {
        let peer = Peer()
        let empty = wire(["_command": "stream-data", "id": "1", "data": ""])
        let some = wire(["_command": "stream-data", "id": "1", "data": "a"])
        try peer.receive(["_command": "Put", "upload": "1"])
        for _ in 0..<16 { try peer.receive(empty) }
        try peer.receive(some)
        for _ in 0..<16 { try peer.receive(empty) }
        #expect(peer.events == ["call Put, no answer", "data 1 1"])
        #expect(throws: Violation.self) { try peer.receive(empty) }
    }
}
