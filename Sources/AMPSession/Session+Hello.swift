import AMP

/// The first word of a connection, and the last.
extension Session {
    /// Says hello: to be the first thing on a connection. Its answer is the event `.hello`, or
    /// `.failure` with `UNHANDLED` from a peer that knows no streams.
    public mutating func sayHello() throws(AskError) -> AskID? {
        guard let box = try? Box(arguments: Hello(limits.settings)) else { return nil }
        helloAsk = try ask("stream-hello", box)
        return helloAsk
    }

    mutating func readHello(_ input: Span<UInt8>) throws(Violation) -> SessionEvent {
        let tag = parser.value(of: "_ask", in: input).map { input.bytes(in: $0) }
        let isFirst = !hasReadBox && !isSettled || helloAsk != nil && !peerKnowsStreams
        guard isFirst else {
            if let tag { refuseHello(tag) }
            return .nothing
        }
        try settle(with: Box(parser.pairs, of: input))
        if let tag, let box = try? Box(arguments: Hello(limits.settings)) { sendAnswer(tag, box) }
        return .hello(peer)
    }

    private mutating func refuseHello(_ tag: [UInt8]) {
        let error = RemoteError(code: "ALREADY", reason: "hello comes once, and first")
        reply { $0.appendError(tag, error) }
    }

    mutating func settle(with box: Box) throws(Violation) {
        let hello: Hello
        do { hello = try box.decode(Hello.self) } catch {
            throw Violation(.refused, "stream-hello: \(error)")
        }
        peer = try hello.settings()
        peer.features.formIntersection(limits.settings.features)
        peerKnowsStreams = true
        if isSettled { return }
        isSettled = true
        receiveWindow.settle(at: limits.settings.connectionWindow)
        connectionCredit.settle(
            at: peer.connectionWindow, insteadOf: Settings().connectionWindow)
        scheduler.chunk = min(peer.chunk, limits.settings.chunk)
    }

    /// Leaves: asks that come after it fail with `GOAWAY`, earlier ones and their streams
    /// complete. A peer whose hello has the feature is told.
    public mutating func goAway(_ code: Code, reason: String) {
        isLeaving = true
        guard isSettled, peer.features.contains(.goAway) else { return }
        outbox.append { output in
            output.appendPair("_command", "stream-goaway".utf8)
            output.appendPair("code", code.word.utf8)
            output.appendPair("reason", reason.utf8(prefix: 1_024))
            output.appendTerminator()
        }
    }
}
