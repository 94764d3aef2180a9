import AMP
import Testing

@testable import AMPSession

/// Asks and their answers, and what bounds them.
struct CallTests {
    @Test func aCallIsAnsweredOnce() throws {
        var pair = Pair()
        let ask = try #require(try pair.client.session.ask("Sum", Box()))
        try pair.run()
        let call = try #require(pair.server.calls.first)
        #expect(call.name == "Sum")
        var total = Box()
        try total.append("total", 81.wireBytes)
        pair.server.session.answer(call.id, total)
        pair.server.session.answer(call.id, Box())
        pair.server.session.fail(call.id, RemoteError(code: "LATE", reason: ""))
        try pair.run()
        #expect(pair.client.news() == ["answer"])
        #expect(pair.client.answers[ask]?.text(of: "total") == "81")
    }

    @Test func aCallFails() throws {
        var pair = Pair()
        _ = try pair.client.session.ask("Sum", Box())
        try pair.run()
        pair.server.session.fail(
            pair.server.calls.first?.id, RemoteError(code: "NOT_FOUND", reason: "no such sum"))
        try pair.run()
        #expect(pair.client.news() == ["failure NOT_FOUND"])
    }

    @Test func oneThatWantsNoAnswerGetsNone() throws {
        let peer = Peer()
        try peer.receive(["_command": "Note"])
        #expect(peer.events == ["call Note, no answer"])
        peer.session.answer(peer.calls[0].id, Box())
        #expect(peer.take() == [])
    }

    /// The tag is the asker's: any bytes, echoed as they are.
    @Test func tagsAreOpaque() throws {
        let peer = Peer()
        let tag = String(repeating: "\u{0} ä", count: 50)
        try peer.receive(["_ask": tag, "_command": "Any"])
        peer.session.answer(peer.calls[0].id, Box())
        #expect(peer.sent() == [["_answer": tag]])
    }

    @Test(arguments: ["0", "2", "01", "+1", "", " 1", "ffffffffffffffffff", "A"])
    func answersToUnknownTagsAreIgnored(tag: String) throws {
        let peer = Peer()
        _ = try peer.session.ask("Any", Box())
        try peer.receive(["_answer": tag], ["_error": tag, "_error_code": "X"])
        #expect(peer.events == [])
        try peer.receive(["_answer": "1"], ["_answer": "1"])
        #expect(peer.events == ["answer"])
    }

    @Test func asksAreBounded() throws {
        let peer = Peer { $0.settings.maxAsks = 2 }
        try peer.receive(["_ask": "1", "_command": "Slow"], ["_ask": "2", "_command": "Slow"])
        #expect(throws: Violation(.limit, "more than 2 asks outstanding")) {
            try peer.receive(["_ask": "3", "_command": "Slow"])
        }
    }

    @Test func oursStayWithinThePeersBound() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-hello", "max-asks": "1"])
        _ = try peer.session.ask("First", Box())
        #expect(throws: AskError.tooManyAsks) { _ = try peer.session.ask("Second", Box()) }
        try peer.receive(["_answer": "1"])
        _ = try peer.session.ask("Second", Box())
    }

    @Test func tagsAreBounded() throws {
        let peer = Peer { $0.tagBytes = 100 }
        let tag = String(repeating: "t", count: 60)
        try peer.receive(["_ask": tag, "_command": "Any"])
        peer.session.answer(peer.calls[0].id, Box())
        try peer.receive(["_ask": tag, "_command": "Any"])
        #expect(throws: Violation.self) { try peer.receive(["_ask": tag, "_command": "Any"]) }
    }

    /// A value of 65,535 bytes is never sent, so such a tag could not be answered.
    @Test(arguments: ["Any", "stream-ping"])
    func aTagTooLongToEchoIsAViolation(command: String) throws {
        let tag = String(repeating: "t", count: 65_534)
        try Peer().receive(["_ask": tag, "_command": command])
        #expect(throws: Violation.self) {
            try Peer().receive(["_ask": tag + "t", "_command": command])
        }
    }

    @Test func aBoxWithoutMeaningIsAViolation() {
        #expect(throws: Violation.self) { try Peer().receive(["total": "81"]) }
        #expect(throws: Violation.self) { try Peer().receive([0, 0]) }
    }

    @Test func anAnswerGoesBeforeAnErrorBeforeACommand() throws {
        let peer = Peer()
        _ = try peer.session.ask("One", Box())
        _ = try peer.session.ask("Two", Box())
        try peer.receive(
            ["_command": "C", "_error": "1", "_answer": "2"], ["_command": "C", "_error": "1"])
        #expect(peer.events == ["answer", "failure UNKNOWN"])
    }

    @Test func pingsAreEchoed() throws {
        let peer = Peer()
        try peer.receive(
            ["_ask": "1", "_command": "stream-ping", "nonce": "abc"],
            ["_ask": "2", "_command": "stream-ping"], ["_command": "stream-ping"])
        #expect(peer.events == [])
        #expect(peer.sent() == [["_answer": "1", "nonce": "abc"], ["_answer": "2"]])
    }

    @Test func commandsOfStreamsWithAnAskGetAnEmptyAnswer() throws {
        let peer = Peer()
        try peer.receive(
            ["_ask": "1", "_command": "stream-credit", "id": "0", "limit": "5"],
            ["_ask": "2", "_command": "stream-goaway", "code": "GOAWAY", "reason": "bye"])
        #expect(peer.events == ["goaway GOAWAY bye"])
        #expect(peer.sent() == [["_answer": "1"], ["_answer": "2"]])
    }

    @Test func aCommandThatOnlyBeginsLikeOneOfStreamsIsACall() throws {
        let peer = Peer()
        try peer.receive(["_command": "stream-dat", "id": "x"], ["_command": "stream-"])
        #expect(peer.events == ["call stream-dat, no answer", "call stream-, no answer"])
    }

    @Test func aCallIsCancelledAndStillAnswered() throws {
        var pair = Pair()
        try pair.settle()
        let ask = try #require(try pair.client.session.ask("Slow", Box()))
        pair.client.session.cancel(ask)
        try pair.run()
        #expect(pair.server.news() == ["call Slow", "cancel"])
        pair.server.session.fail(
            pair.server.calls.last?.id, RemoteError(code: "CANCELLED", reason: ""))
        pair.client.session.cancel(ask)
        try pair.run()
        #expect(pair.client.news() == ["failure CANCELLED"])
        #expect(pair.server.news() == [])
    }

    @Test func afterGoawayAsksFailAndEarlierOnesComplete() throws {
        var pair = Pair()
        try pair.settle()
        _ = try pair.client.session.ask("Early", Box())
        try pair.run()
        pair.server.session.goAway(.goAway, reason: "restart")
        _ = try pair.client.session.ask("Late", Box())
        try pair.run()
        #expect(pair.client.news() == ["goaway GOAWAY restart", "failure GOAWAY"])
        #expect(pair.server.news() == ["call Early"])
        pair.server.session.answer(pair.server.calls.first?.id, Box())
        try pair.run()
        #expect(pair.client.news() == ["answer"])
    }
}
