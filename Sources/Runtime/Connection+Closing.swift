/// How a connection ends, so that what is owed arrives and nothing is left behind.
extension Connection {
    /// Closes at once: what was under way fails.
    public func close(_ reason: CloseReason) {
        guard !isClosed else { return }
        phase = .closed
        if let token { reactor.remove(token) }
        token = nil
        for timer in [boxTimer, lingerTimer, parseTimer] {
            if let timer { reactor.cancel(timer) }
        }
        socket = nil
        dropInput()
        abortStreams(StreamFault(code: "CANCELLED", reason: reason.description))
        delegate?.closed(self, reason)
        delegate = nil
    }

    /// Closes once nothing is under way: no call, no ask, no stream.
    public func closeWhenIdle() {
        isDraining = true
        wake()
    }

    /// The peer has broken the protocol: earlier answers and the reason still go, nothing else;
    /// it has as long to take them as it had to finish a box.
    func refuse(_ violation: Violation) {
        guard !isClosed else { return }
        session.goAway(violation.code, reason: violation.reason)
        phase = .finishing(.violation(violation))
        dropInput()
        abortStreams(StreamFault(code: violation.code.word, reason: violation.reason))
        lingerTimer = reactor.schedule(self, at: reactor.now + limits.boxTime)
        updateInterest()
        wake()
    }

    /// The peer sends no more. Half a box is nothing; uploads can never become whole; owed
    /// answers and open downloads still go, if anybody reads them.
    func peerFinished() {
        guard isReading else { return }
        phase = .peerFinished
        hasPeerFinished = true
        dropInput()
        updateInterest()
        for (_, sink) in takeSinks() { sink.aborted(.peerClosed) }
        wake()
    }

    /// At the end of a turn: whether this was the last.
    func finishIfDone() {
        switch phase {
        case .open:
            let isIdle = session.openCalls == 0 && session.openAsks == 0 && openStreams == 0
            if isDraining, isIdle, session.isFlushed { linger(.done) }
        case .peerFinished:
            // Asks of ours can have no answer any more, so their uploads are in vain.
            if session.openCalls == 0, session.openAsks > 0 { return close(.peerClosed) }
            // No credit can come any more, so downloads that wait for it are in vain too.
            guard session.openCalls == 0, session.isFlushed, session.awaitsCredit else { return }
            close(session.outgoingCount == 0 ? .done : .peerClosed)
        case .finishing(let reason):
            if session.isOutboxEmpty { linger(reason) }
        case .lingering, .closed: break
        }
    }

    /// Says that no more comes, and reads on for a moment: closing with unread input would
    /// reset the connection and could take the last answers with it.
    private func linger(_ reason: CloseReason) {
        if hasPeerFinished { return close(reason) }
        do {
            try reactor.kernel.shutdownWrites(number)
        } catch {
            return close(reason)
        }
        phase = .lingering(reason)
        wantsWritable = false
        updateInterest()
        if let lingerTimer { reactor.cancel(lingerTimer) }
        lingerTimer = reactor.schedule(self, at: reactor.now + limits.lingerTime)
    }

    func lingeredEnough() {
        lingerTimer = nil
        close(reasonOfEnding)
    }

    func discardInput() {
        let scratch = pool.take()
        defer { pool.give(scratch) }
        do {
            if try reactor.kernel.receive(number, into: scratch.memory) == 0 { discardedAll() }
        } catch {
            if error != .again { close(reasonOfEnding) }
        }
    }

    private func discardedAll() {
        hasPeerFinished = true
        if case .lingering(let reason) = phase { return close(reason) }
        updateInterest()
    }

    /// Why a connection that is about to end does so.
    var reasonOfEnding: CloseReason {
        switch phase {
        case .finishing(let reason), .lingering(let reason): reason
        case .open, .peerFinished, .closed: .peerClosed
        }
    }

    private func abortStreams(_ fault: StreamFault) {
        for (_, sink) in takeSinks() { sink.aborted(fault) }
        let sources = sources
        self.sources = [:]
        for (_, source) in sources { source.closed(fault) }
    }

    private func takeSinks() -> [StreamID: any Sink] {
        let sinks = sinks
        self.sinks = [:]
        sinksToFlush = []
        return sinks
    }
}
