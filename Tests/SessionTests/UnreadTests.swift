import AMP
import Testing

@testable import AMPSession

/// What a peer that sends and does not read can make this side keep.
struct UnreadTests {
    private let ping = wire(["_ask": "1", "_command": "stream-ping", "nonce": "0123456789"])

    /// Sends the same box again and again and reads nothing, until the connection is closed.
    private func flood(
        _ box: [UInt8], _ change: (inout SessionLimits) -> Void = { _ in }
    ) throws -> (outbox: Int, violation: Violation?) {
        let peer = Peer {
            $0.outboxBytes = 10_000
            $0.unreadReplies = 5_000
            $0.deferredBytes = 50_000
            change(&$0)
        }
        try peer.receive(["_command": "stream-hello"])
        for _ in 0..<5_000 {
            do { try peer.receive(box) } catch { return (peer.session.outboxBytes, error) }
            for call in peer.calls.suffix(1) {
                peer.session.fail(call.id, RemoteError(code: "UNHANDLED", reason: call.name))
            }
        }
        return (peer.session.outboxBytes, nil)
    }

    @Test(arguments: [
        wire(["_ask": "1", "_command": "stream-ping", "nonce": "0123456789"]),
        wire(["_ask": "1", "_command": "stream-hello"]),
        wire(["_ask": "1", "_command": "stream-credit", "id": "0", "limit": "1"]),
        wire(["_ask": "1", "_command": "stream-cancel", "ask": "0"]),
        wire(["_ask": "1", "_command": "Unknown"]),
        wire(["_command": "Unknown", "_ask": "1", "a": "", "b": "", "c": "", "d": "", "e": ""]),
    ])
    func aFloodEndsTheConnection(box: [UInt8]) throws {
        let (outbox, violation) = try flood(box)
        #expect(violation?.code == .limit)
        #expect(outbox < 10_000 + 5_000 + 200)
    }

    @Test func whoReadsMayPingForEver() throws {
        let peer = Peer {
            $0.outboxBytes = 1_000
            $0.unreadReplies = 100
        }
        for _ in 0..<1_000 {
            try peer.receive(ping)
            #expect(peer.sent().count == 1)
        }
    }

    @Test func whileItsOutputIsFullAskedThingsWait() throws {
        let peer = Peer { $0.outboxBytes = 100 }
        var large = Box()
        try large.append("value", pattern(200))
        try peer.receive(["_ask": "1", "_command": "Large"])
        peer.session.answer(peer.calls[0].id, large)
        try peer.receive(["_ask": "2", "_command": "Small"], ["_ask": "3", "_command": "Other"])
        #expect(peer.news() == ["call Large"])
        let early = peer.session.takeDeferredCall()
        #expect(early == nil)
        // A wait can be cancelled.
        try peer.receive(["_command": "stream-cancel", "ask": "3"])
        #expect(peer.sent().map { $0["_error_code"] } == [nil, "CANCELLED"])
        let call = peer.session.takeDeferredCall()
        #expect(call?.name == "Small")
        let last = peer.session.takeDeferredCall()
        #expect(last == nil)
    }

    /// A call that waits is brought out by the data of its upload, which would be refused else.
    @Test func dataBringsOutTheCallThatOpensItsStream() throws {
        let peer = Peer { $0.outboxBytes = 100 }
        _ = try peer.session.ask(String(repeating: "x", count: 200), Box())
        try peer.receive(
            ["_ask": "1", "_command": "Wait"],
            ["_ask": "2", "_command": "Put", "upload": "1"],
            ["_ask": "3", "_command": "Wait more"])
        #expect(peer.news() == [])
        try peer.receive(["_command": "stream-data", "id": "1", "data": "abc"])
        #expect(peer.news() == ["call Wait", "call Put", "data 1 3"])
        #expect(peer.received[StreamID(1)] == Array("abc".utf8))
    }

    /// Numbers of streams increase in the order of the wire: an answer with a higher one does
    /// not overtake the call with a lower one.
    @Test func anAnswerComesAfterTheCallsBeforeIt() throws {
        let peer = Peer { $0.outboxBytes = 100 }
        _ = try peer.session.ask(String(repeating: "x", count: 200), Box())
        try peer.receive(
            ["_ask": "1", "_command": "Put", "upload": "1"], ["_answer": "1", "download": "2"])
        #expect(peer.news() == ["call Put", "answer"])
    }

    @Test func callsThatCannotWaitAreBoundedToo() throws {
        let peer = Peer {
            $0.outboxBytes = 100
            $0.unreadBytes = 150
        }
        _ = try peer.session.ask(String(repeating: "x", count: 200), Box())
        try peer.receive(["_ask": "2", "_command": "Put", "upload": "1"])
        #expect(throws: Violation.self) {
            try peer.receive(["_command": "stream-data", "id": "1", "data": "abc"])
        }
    }
}
