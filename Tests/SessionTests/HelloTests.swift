import AMP
import Testing

@testable import AMPSession

/// Hello settles both directions, once, and first.
struct HelloTests {
    private let hello: KeyValuePairs = ["_ask": "1", "_command": "stream-hello"]

    @Test func beforeHelloTheDefaultsHold() {
        let peer = Peer().session.peer
        #expect(peer.version == 1 && peer.chunk == 16_384 && peer.window == 262_144)
        #expect(peer.connectionWindow == 1_048_576 && peer.maxStreams == 128)
        #expect(peer.maxAsks == 1_024 && peer.features == [])
    }

    @Test func theAnswerCarriesTheSettingsOfTheAnswerer() throws {
        let peer = Peer()
        try peer.receive([
            "_ask": "7", "_command": "stream-hello", "chunk": "2000", "window": "3000",
            "connection-window": "4000", "max-streams": "5", "max-asks": "6",
            "features": "ping teleport cancel", "unheard-of": "x",
        ])
        #expect(peer.events == ["hello"])
        let settings = peer.session.peer
        #expect(settings.chunk == 2_000 && settings.window == 3_000)
        #expect(settings.connectionWindow == 4_000 && settings.maxStreams == 5)
        #expect(settings.maxAsks == 6 && settings.features == [.ping, .cancel])
        #expect(
            peer.sent() == [
                [
                    "_answer": "7", "version": "1", "chunk": "61440", "window": "262144",
                    "connection-window": "37748736", "max-streams": "128", "max-asks": "1024",
                    "features": "ping goaway cancel priority xxh3",
                ]
            ])
    }

    @Test func anAnswerWithoutKeysMeansTheDefaults() throws {
        let peer = Peer()
        _ = try peer.session.sayHello()
        _ = peer.take()
        try peer.receive(["_answer": "1"])
        #expect(peer.events == ["hello", "answer"])
        let settings = peer.session.peer
        #expect(settings == Settings())
    }

    /// A peer may open streams before it has read our answer, and counts on the defaults then.
    @Test func nothingAnnouncedIsBelowTheDefaults() {
        let (ours, defaults) = (SessionLimits().settings, Settings())
        #expect(ours.chunk >= defaults.chunk && ours.window >= defaults.window)
        #expect(ours.connectionWindow >= defaults.connectionWindow)
        #expect(ours.maxStreams >= defaults.maxStreams && ours.maxAsks >= defaults.maxAsks)
    }

    @Test func whatIsNotInBothIsNotUsed() throws {
        let peer = Peer { $0.settings.features = [.ping] }
        try peer.receive(["_command": "stream-hello", "features": "ping cancel goaway"])
        let features = peer.session.peer.features
        #expect(features == [.ping])
        let ask = try peer.session.ask("Slow", Box())
        peer.session.cancel(try #require(ask))
        peer.session.goAway(.goAway, reason: "")
        #expect(peer.sent().map { $0["_command"] } == ["Slow"])
    }

    @Test func aSecondOneFails() throws {
        let peer = Peer()
        try peer.receive(hello, ["_ask": "2", "_command": "stream-hello", "window": "5"])
        #expect(peer.events == ["hello"])
        #expect(peer.sent().last?["_error_code"] == "ALREADY")
        let window = peer.session.peer.window
        #expect(window == 262_144)
    }

    @Test func oneThatIsNotFirstFails() throws {
        let peer = Peer()
        try peer.receive(["_command": "Anything"], hello)
        #expect(peer.events == ["call Anything, no answer"])
        #expect(peer.sent().map { $0["_error_code"] } == ["ALREADY"])
        let isSettled = peer.session.isSettled
        #expect(!isSettled)
    }

    @Test func hellosThatCrossAreBothAnswered() throws {
        var pair = Pair()
        _ = try pair.client.session.sayHello()
        _ = try pair.server.session.sayHello()
        try pair.run()
        for peer in [pair.client, pair.server] {
            let settings = peer.session.peer
            #expect(settings.chunk == 61_440)
            let openAsks = peer.session.openAsks
            #expect(openAsks == 0)
        }
    }

    @Test func aStockPeerDoesNotKnowIt() throws {
        let peer = Peer()
        _ = try peer.session.sayHello()
        try peer.receive(["_error": "1", "_error_code": "UNHANDLED", "_error_description": ""])
        #expect(peer.events == ["failure UNHANDLED"])
        let isSettled = peer.session.isSettled
        #expect(!isSettled)
    }

    @Test(arguments: [
        ("chunk", "1023"), ("chunk", "65535"), ("window", "0"), ("connection-window", "0"),
        ("window", "9223372036854775808"), ("max-streams", "9223372036854775808"),
        ("max-asks", "-1"), ("chunk", "many"), ("version", ""),
    ])
    func outOfRangeIsAViolation(key: String, value: String) {
        #expect(throws: Violation.self) {
            try Peer().receive(["_ask": "1", "_command": "stream-hello", key: value])
        }
    }

    @Test(arguments: [("chunk", "1024"), ("chunk", "65534"), ("window", "9223372036854775807")])
    func theEdgesAreNot(key: String, value: String) throws {
        let peer = Peer()
        try peer.receive(["_ask": "1", "_command": "stream-hello", key: value])
        #expect(peer.events == ["hello"])
    }
}
