import AMP
import Testing

@testable import AMPSession

/// How streams end, and what may still be on its way when they do.
struct ClosingTests {
    private func receiver() throws -> Peer {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello"], ["_command": "Put", "upload": "1"])
        _ = (peer.news(), peer.take())
        return peer
    }

    @Test(arguments: ["2", "4", "9223372036854775807"])
    func anEndOfAnotherLengthIsAMismatch(length: String) throws {
        let peer = try receiver()
        try peer.receive(
            ["_command": "stream-data", "id": "1", "data": "abc"],
            ["_command": "stream-end", "id": "1", "length": length])
        #expect(peer.events == ["data 1 3", "reset 1 MISMATCH"])
        // The stream has ended, so there is nothing to stop.
        #expect(peer.sent().all("stream-stop") == [])
    }

    @Test(arguments: [true, false])
    func whatComesForAClosedIdIsIgnored(wasReset: Bool) throws {
        let peer = try receiver()
        if wasReset {
            try peer.receive(["_command": "stream-reset", "id": "1", "code": "STORAGE"])
        } else {
            try peer.receive(["_command": "stream-end", "id": "1", "length": "0"])
        }
        #expect(peer.news() == [wasReset ? "reset 1 STORAGE" : "end 1"])
        try peer.receive(
            ["_command": "stream-data", "id": "1", "data": "abc"],
            ["_command": "stream-end", "id": "1", "length": "3"],
            ["_command": "stream-reset", "id": "1", "code": "FLOW"],
            ["_command": "stream-credit", "id": "1", "limit": "3"],
            ["_command": "stream-stop", "id": "1", "code": "FLOW"])
        #expect(peer.news() == [] && peer.sent() == [])
    }

    @Test func anUnknownStreamIsRefusedOnce() throws {
        let peer = try receiver()
        for id in ["5", "6", "5", "0"] {
            try peer.receive(
                ["_command": "stream-data", "id": id, "data": "abc"],
                ["_command": "stream-end", "id": id, "length": "3"],
                ["_command": "stream-reset", "id": id, "code": "FLOW"])
        }
        #expect(peer.events == [])
        let stops = peer.sent()
        #expect(stops.map { $0["id"] } == ["5", "6"])
        #expect(stops.allSatisfy { $0["code"] == "REFUSED" })
    }

    @Test func refusalsAreBoundedUnlessTheyAreOld() throws {
        let peer = Peer { $0.refusedStreams = 3 }
        for round in 0..<5 {
            for id in 1...3 {
                try peer.receive([
                    "_command": "stream-end", "id": "\(round * 10 + id)", "length": "0",
                ])
            }
            try peer.receive(["_command": "Put", "upload": "\(round * 10 + 9)"])
        }
        for id in 91...93 {
            try peer.receive(["_command": "stream-end", "id": "\(id)", "length": "0"])
        }
        #expect(throws: Violation.self) {
            try peer.receive(["_command": "stream-end", "id": "94", "length": "0"])
        }
    }

    @Test func aStopIsAnsweredWithAReset() throws {
        var pair = Pair()
        try pair.settle()
        pair.server.consumes = false
        let (_, id) = try pair.client.put(pattern(400_000))
        try pair.run()
        _ = (pair.client.news(), pair.server.news())
        pair.server.session.stop(id, .storage, reason: "full")
        try pair.run()
        #expect(pair.client.news() == ["stop 1 STORAGE"])
        #expect(pair.server.news() == [])
        let open = (pair.client.session.outgoingCount, pair.server.session.incomingCount)
        #expect(open == (0, 0))
    }

    @Test func aStopThatMeetsTheEndIsOver() throws {
        var pair = Pair()
        try pair.client.put([1, 2, 3])
        let bytes = pair.client.take()
        try pair.server.receive(bytes.prefix(bytes.count - 10))
        pair.server.session.stop(StreamID(1), .cancelled)
        try pair.server.receive(bytes.suffix(10))
        try pair.run()
        #expect(pair.client.news() == [])
        let open = pair.server.session.incomingCount
        #expect(open == 0)
    }

    @Test func aStopMayComeTwiceOrForNothing() throws {
        let peer = Peer()
        let (_, id) = try peer.put(pattern(400_000))
        try peer.receive(
            ["_command": "stream-stop", "id": "\(id)", "code": "CANCELLED", "reason": "no"],
            ["_command": "stream-stop", "id": "\(id)", "code": "CANCELLED"],
            ["_command": "stream-stop", "id": "77", "code": "CANCELLED"])
        #expect(peer.events == ["stop 1 CANCELLED"])
        #expect(peer.sent().all("stream-reset").count == 1)
    }

    @Test func aResetReachesTheReceiver() throws {
        var pair = Pair()
        let (_, id) = try pair.client.put(pattern(400_000))
        _ = pair.server
        pair.client.session.reset(id, .storage, reason: "shrunk")
        try pair.run()
        #expect(pair.server.events == ["call Put", "reset 1 STORAGE"])
    }

    @Test func aFailedCallResetsItsUploads() throws {
        var pair = Pair()
        pair.server.consumes = false
        try pair.client.put(pattern(400_000))
        try pair.run()
        _ = pair.server.news()
        pair.server.session.fail(
            pair.server.calls.first?.id, RemoteError(code: "NO_SPACE", reason: ""))
        try pair.run()
        #expect(pair.client.news() == ["failure NO_SPACE", "stop 1 NO_SPACE"])
        #expect(pair.server.news() == ["reset 1 CANCELLED"])
    }

    @Test func anAnswerMayComeBeforeTheEnd() throws {
        var pair = Pair()
        pair.server.consumes = false
        try pair.client.put(pattern(400_000))
        try pair.run()
        pair.server.session.answer(pair.server.calls.first?.id, Box())
        try pair.run()
        #expect(pair.client.news() == ["answer"])
        pair.server.consumes = true
        pair.server.session.consumed(StreamID(1), 400_000)
        try pair.run()
        #expect(pair.server.events.last == "end 1")
    }

    @Test func wordsOfThePeersAreKeptIfTheyAreWords() throws {
        let peer = try receiver()
        try peer.receive(["_command": "stream-reset", "id": "1", "code": "ODD_1", "reason": "x"])
        try peer.receive(["_command": "Put", "upload": "2"])
        try peer.receive(["_command": "stream-reset", "id": "2", "code": "a\u{1B}[2J"])
        #expect(peer.events == ["reset 1 ODD_1", "call Put, no answer", "reset 2 INTERNAL"])
    }
}
