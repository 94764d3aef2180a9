/// What comes in: read into a buffer, parsed in place, handed on.
extension Connection: EventHandler {
    public func ready(_ readiness: Readiness) {
        if readiness.contains(.writable) { writable() }
        guard !readiness.isDisjoint(with: [.readable, .hungUp, .failed, .peerClosed]) else { return }
        switch phase {
        case .open: read()
        case .finishing, .lingering: discardInput()
        // The peer had finished before, so a hang-up means that nobody reads any more either.
        case .peerFinished:
            if !readiness.isDisjoint(with: [.hungUp, .failed]) { close(.peerClosed) }
        case .closed: break
        }
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
        guard !isClosed else { return }
        keepOrReturnBuffer()
        watchBox()
    }

    private func receiveMore() throws(Errno) -> Int {
        makeRoom()
        guard let buffer else { return 0 }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[unread.upperBound...])
        let count = try reactor.kernel.receive(number, into: room)
        unread = unread.lowerBound..<unread.upperBound + count
        return count
    }

    /// Everything that the unread bytes hold, box by box. Answers go out before files are
    /// written: a flush of the outbox is queued first.
    func parse() {
        do throws(Violation) {
            while isReading, let buffer {
                let bytes = UnsafeBufferPointer(rebasing: buffer.memory.bindMemory(to: UInt8.self)[unread])
                guard let (length, event) = try session.next(bytes.span) else { break }
                let start = unread.lowerBound
                unread = start + length..<unread.upperBound
                if length > 0 { boxBegan = nil }
                try deliver(event, from: buffer, at: start)
            }
        } catch {
            refuse(error)
        }
        wake()
    }

    private func deliver(_ event: SessionEvent, from buffer: Buffer, at start: Int) throws(Violation) {
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
            let fault = StreamFault(code: code.word, reason: reason)
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
            while isReading, let call = session.takeDeferredCall() {
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
        guard let current = buffer else { return takeBuffer(for: remainder) }
        let hasRoom = current.memory.count - unread.upperBound >= limits.session.box.bytes * 2
        if hasRoom && !unread.isEmpty { return }
        moveToStart(hasRoom: hasRoom)
    }

    private func takeBuffer(for bytes: [UInt8]) {
        let fresh = pool.take()
        fresh.memory.copyBytes(from: bytes)
        buffer = fresh
        unread = 0..<bytes.count
        remainder = []
    }

    private func moveToStart(hasRoom: Bool) {
        let count = unread.count
        if isKnownUniquelyReferenced(&buffer), let memory = buffer?.memory {
            memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[unread]))
        } else if !hasRoom, let full = buffer {
            let target = takeReturned() ?? pool.take()
            target.memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: full.memory[unread]))
            waiting.append(full)
            buffer = target
        } else {
            return
        }
        unread = 0..<count
    }

    /// A buffer that sinks have let go of.
    private func takeReturned() -> Buffer? {
        for index in waiting.indices where isKnownUniquelyReferenced(&waiting[index]) {
            return waiting.remove(at: index)
        }
        return nil
    }

    /// An idle connection holds no buffer: the beginning of a box is kept by itself, unless
    /// uploads are under way and more is sure to come.
    private func keepOrReturnBuffer() {
        pauseReadingIfBehind()
        guard session.incomingCount == 0, let memory = buffer?.memory else { return }
        remainder = [UInt8](memory[unread])
        unread = 0..<0
        if isKnownUniquelyReferenced(&buffer), let buffer { pool.give(buffer) }
        buffer = nil
        waiting.removeAll()
    }

    /// When workers are far behind, the peer waits in the kernel: memory stays bounded.
    private func pauseReadingIfBehind() {
        guard waiting.count >= limits.waitingBuffers, !isReadingPaused else { return }
        if let returned = takeReturned() { return pool.give(returned) }
        isReadingPaused = true
        updateInterest()
    }

    func resumeReading() {
        if let returned = takeReturned() {
            pool.give(returned)
            isReadingPaused = false
            updateInterest()
        }
    }
}

/// A box once begun must be finished in time.
extension Connection: TimerHandler {
    private func watchBox() {
        guard !unread.isEmpty || !remainder.isEmpty else {
            boxBegan = nil
            return
        }
        if boxBegan == nil { boxBegan = reactor.now }
        if boxTimer == nil { boxTimer = reactor.schedule(self, at: reactor.now + limits.boxTime) }
    }

    public func fire(_ timer: TimerToken) {
        if timer == lingerTimer { return lingeredEnough() }
        boxTimer = nil
        guard let began = boxBegan, !isClosed else { return }
        if reactor.now >= began + limits.boxTime {
            close(.slowBox(limits.boxTime))
        } else {
            boxTimer = reactor.schedule(self, at: began + limits.boxTime)
        }
    }
}
