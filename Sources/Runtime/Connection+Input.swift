/// What comes in: read into a buffer, parsed in place, handed on.
extension Connection: EventHandler {
    public func ready(_ readiness: Readiness) {
        if readiness.contains(.writable) { writable() }
        guard !readiness.subtracting(.writable).isEmpty else { return }
        switch phase {
        case .open: if parseTimer == nil { read() }
        case .finishing, .lingering, .peerFinished: readNoMore(readiness)
        case .closed: break
        }
    }

    private func readNoMore(_ readiness: Readiness) {
        if !hasPeerFinished { return discardInput() }
        // It had finished before, so a hang-up means that nobody reads any more either.
        if !readiness.isDisjoint(with: [.hungUp, .failed]) { close(reasonOfEnding) }
    }

    private func read() {
        do {
            let count = try receiveMore()
            guard count > 0 else { return peerFinished() }
            bytesIn &+= UInt64(count)
        } catch .again {
            return keepOrReturnBuffer()
        } catch {
            return close(.failed(error))
        }
        parse()
    }

    private func receiveMore() throws(Errno) -> Int {
        makeRoom()
        guard let buffer else { return 0 }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[unread.upperBound...])
        let count = try reactor.kernel.receive(number, into: room)
        unread = unread.lowerBound..<unread.upperBound + count
        return count
    }

    /// What one connection's boxes may take of a turn. A megabyte of an upload is far below it,
    /// a megabyte of calls above.
    private static let parsingBudget = Interval.microseconds(500)

    /// Everything that the unread bytes hold, box by box, or as much as a turn has time for.
    /// Answers go out before files are written: a flush of the outbox is queued first.
    private func parse() {
        let deadline = reactor.kernel.now() + Self.parsingBudget
        do throws(Violation) {
            while isReading, let buffer {
                let memory = buffer.memory.bindMemory(to: UInt8.self)
                let bytes = UnsafeBufferPointer(rebasing: memory[unread])
                guard let (length, event) = try session.next(bytes.span) else { break }
                let start = unread.lowerBound
                unread = start + length..<unread.upperBound
                if length > 0 { boxBegan = nil }
                try deliver(event, from: buffer, at: start)
                guard reactor.kernel.now() < deadline else {
                    parseTimer = reactor.schedule(self, at: reactor.now)
                    return wake()
                }
            }
        } catch {
            refuse(error)
        }
        wake()
        keepOrReturnBuffer()
        watchBox()
    }

    private func deliver(
        _ event: SessionEvent, from buffer: Buffer, at start: Int
    ) throws(Violation) {
        switch event {
        case .nothing: break
        case .data(let stream, let range):
            let place = start + range.lowerBound..<start + range.upperBound
            pass(Slice(buffer, place), to: stream)
        case .call(let call): try delegate?.received(call, on: self)
        case .cancel(let call): delegate?.cancelled(call, on: self)
        case .answer(let ask, let box): try delegate?.answered(ask, box, on: self)
        case .failure(let ask, let error): delegate?.failed(ask, error, on: self)
        case .end(let stream, let digest): sinks.removeValue(forKey: stream)?.ended(digest: digest)
        case .reset(let stream, let code, let reason):
            let words = reason.isEmpty ? "its sender gave the stream up" : reason
            let fault = StreamFault(code: code.word, reason: words)
            sinks.removeValue(forKey: stream)?.aborted(fault)
        case .stop(let stream, let code, let reason):
            closeSource(stream, StreamFault(code: code.word, reason: reason))
        case .hello(let settings): delegate?.settled(settings, on: self)
        case .goAway(let code, let reason):
            delegate?.peerIsLeaving(code, reason: reason, on: self)
        }
    }

    private func pass(_ slice: Slice, to stream: StreamID) {
        guard let sink = sinks[stream] else {
            // A command that takes a stream and does nothing with it.
            return session.stop(stream, .cancelled, reason: "nobody reads it")
        }
        sink.receive(slice)
        if sinksToFlush.last !== sink { sinksToFlush.append(sink) }
    }

    /// Calls that waited for the outbox to drain.
    func takeDeferredCalls() {
        do throws(Violation) {
            while isServing, let call = session.takeDeferredCall() {
                try delegate?.received(call, on: self)
            }
        } catch {
            refuse(error)
        }
    }

    // MARK: Buffers

    /// Sees to it that there is a buffer with room behind the unread bytes for the rest of the
    /// longest box: this one, its bytes moved to its start if no sink holds it, or another one.
    private func makeRoom() {
        guard let used = buffer?.memory else { return takeBuffer(for: remainder) }
        let hasRoom = used.count - unread.upperBound >= limits.session.box.bytes * 2
        if hasRoom && !unread.isEmpty { return }
        if isKnownUniquelyReferenced(&buffer) {
            moveUnread(to: used)
        } else if !hasRoom, let full = buffer {
            let target = pool.take()
            moveUnread(to: target.memory)
            waiting.append(full)
            buffer = target
        }
    }

    private func moveUnread(to start: UnsafeMutableRawBufferPointer) {
        guard let memory = buffer?.memory else { return }
        start.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[unread]))
        unread = 0..<unread.count
    }

    private func takeBuffer(for bytes: [UInt8]) {
        let fresh = pool.take()
        fresh.memory.copyBytes(from: bytes)
        buffer = fresh
        unread = 0..<bytes.count
        remainder = []
    }

    /// An idle connection holds no buffer: the beginning of a box is kept by itself, unless
    /// uploads are under way and more is sure to come.
    private func keepOrReturnBuffer() {
        pauseReadingIfBehind()
        guard session.incomingCount == 0, let memory = buffer?.memory else { return }
        let rest = [UInt8](memory[unread])
        dropInput()
        remainder = rest
    }

    /// Gives back all memory of what came.
    func dropInput() {
        if isKnownUniquelyReferenced(&buffer), let buffer { pool.give(buffer) }
        (buffer, waiting, remainder, unread) = (nil, [], [], 0..<0)
    }

    /// When workers are far behind, what waits for them is copied out of the buffers, since the
    /// peer's calls and credit are to be read all the same. If writes under way still hold too
    /// many, the peer waits in the kernel: memory stays bounded.
    private func pauseReadingIfBehind() {
        reclaimBuffers()
        guard waiting.count >= limits.waitingBuffers else { return }
        for sink in sinks.values { sink.copyOut() }
        reclaimBuffers()
        guard waiting.count >= 2 * limits.waitingBuffers, !isReadingPaused else { return }
        isReadingPaused = true
        updateInterest()
    }

    /// Takes back the buffers that sinks have let go of, and reads on if that makes room.
    func reclaimBuffers() {
        guard !waiting.isEmpty else { return }
        for index in waiting.indices.reversed() where isKnownUniquelyReferenced(&waiting[index]) {
            pool.give(waiting.remove(at: index))
        }
        guard isReadingPaused, waiting.count < limits.waitingBuffers else { return }
        isReadingPaused = false
        updateInterest()
        watchBox()
    }
}

/// A box once begun must be finished in time.
extension Connection: TimerHandler {
    private func watchBox() {
        // While this side does not read, the peer cannot go on.
        guard isReading, !isReadingPaused, !unread.isEmpty || !remainder.isEmpty else {
            boxBegan = nil
            return
        }
        if boxBegan == nil { boxBegan = reactor.now }
        if boxTimer == nil { boxTimer = reactor.schedule(self, at: reactor.now + limits.boxTime) }
    }

    public func fire(_ timer: TimerToken) {
        switch timer {
        case lingerTimer: lingeredEnough()
        case parseTimer:
            parseTimer = nil
            parse()
        default: checkBox()
        }
    }

    private func checkBox() {
        boxTimer = nil
        guard isReading, let began = boxBegan else { return }
        if reactor.now >= began + limits.boxTime {
            let limit = Int(limits.boxTime.seconds)
            refuse(Violation(.timeout, "a box was not finished in \(limit) s"))
        } else {
            boxTimer = reactor.schedule(self, at: began + limits.boxTime)
        }
    }
}
