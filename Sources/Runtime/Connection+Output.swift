/// What goes out: commands at the end of the turn, chunks when the kernel wants more.
extension Connection: Deferred {
    /// Has the outbox written at the end of this turn.
    func wake() {
        guard !isFlushQueued, !isClosed else { return }
        isFlushQueued = true
        reactor.runBeforeSleep(self)
    }

    public func runDeferred() {
        isFlushQueued = false
        guard !isClosed else { return }
        // While the kernel has said that it wants no more, only it says when it does again.
        if !isBlocked { write(chunks: wantsWritable ? 0 : 1) }
        // After writing, which makes room for their answers.
        takeDeferredCalls()
        flushSinks()
        reclaimBuffers()
        finishIfDone()
    }

    func writable() {
        guard !isClosed else { return }
        isBlocked = false
        write(chunks: limits.chunksPerTurn)
        takeDeferredCalls()
        finishIfDone()
    }

    private func flushSinks() {
        let sinks = sinksToFlush
        sinksToFlush.removeAll(keepingCapacity: true)
        for sink in sinks { sink.flush() }
    }

    /// Writes commands, and so many chunks at most; the rest waits until the kernel wants more.
    private func write(chunks: Int) {
        var chunksLeft = isServing ? chunks : 0
        do throws(Errno) {
            while mayWrite {
                switch session.output(withChunk: chunksLeft > 0) {
                case .idle:
                    return setWantsWritable(isServing && !session.isFlushed)
                case .bytes(_, let more):
                    let count = try sendBytes(more: more)
                    session.wrote(count)
                    bytesOut &+= UInt64(count)
                case .payload(let stream, let offset, let count):
                    let sent = try sendPayload(of: stream, at: offset, count: count)
                    if wrote(sent, of: stream, at: offset, outOf: count) { chunksLeft -= 1 }
                }
            }
        } catch .again {
            isBlocked = true
            setWantsWritable(true)
        } catch {
            close(.failed(error))
        }
    }

    private var mayWrite: Bool {
        switch phase {
        case .open, .peerFinished, .finishing: true
        case .lingering, .closed: false
        }
    }

    private func sendBytes(more: Bool) throws(Errno) -> Int {
        let (kernel, number) = (reactor.kernel, number)
        return try session.withOutputBytes { bytes throws(Errno) in
            try kernel.send(number, bytes, more: more)
        }
    }

    /// Sends some of a payload. What its source lacks is padded: the head has promised it.
    private func sendPayload(
        of stream: StreamID, at offset: UInt64, count: Int
    ) throws(Errno) -> Int {
        switch sources[stream]?.payload(at: offset, count: count) ?? .missing {
        case .file(let file, let position):
            if let sent = try sendFile(file, at: position, count: count) { return sent }
        case .memory(let bytes):
            return try reactor.kernel.send(number, bytes, more: false)
        case .missing: break
        }
        let part = UnsafeRawBufferPointer(rebasing: Self.padding[..<min(count, Self.padding.count)])
        let sent = try reactor.kernel.send(number, part, more: false)
        if sources[stream] != nil {
            reset(stream, .storage, reason: "the file is shorter, or not readable")
        }
        return sent
    }

    /// nil if the file has nothing there or cannot be read. If it is the socket that has failed,
    /// sending zeros instead will say so.
    private func sendFile(_ file: Int32, at offset: Int64, count: Int) throws(Errno) -> Int? {
        do throws(Errno) {
            let sent = try reactor.kernel.sendFile(number, from: file, offset: offset, count: count)
            return sent > 0 ? sent : nil
        } catch {
            if error == .again { throw error }
            return nil
        }
    }

    /// Counts bytes of a payload; true if it is complete.
    private func wrote(
        _ sent: Int, of stream: StreamID, at offset: UInt64, outOf count: Int
    ) -> Bool {
        session.wrote(sent)
        bytesOut &+= UInt64(sent)
        sources[stream]?.sent(upTo: offset + UInt64(sent))
        guard sent == count else { return false }
        closeFinishedSource(stream)
        return true
    }

    /// Lets go of a source all of whose bytes have gone.
    func closeFinishedSource(_ stream: StreamID) {
        guard !session.isSending(stream), !session.isChunkUnderWay(stream) else { return }
        sources.removeValue(forKey: stream)?.closed(nil)
    }

    /// Lets go of a source at once. A chunk of it that is under way is padded.
    func closeSource(_ stream: StreamID, _ fault: StreamFault) {
        sources.removeValue(forKey: stream)?.closed(fault)
    }

    private func setWantsWritable(_ wanted: Bool) {
        guard wanted != wantsWritable else { return }
        wantsWritable = wanted
        updateInterest()
    }

    func updateInterest() {
        guard let token else { return }
        var interest: Readiness = wantsWritable ? .writable : []
        switch phase {
        case .open: if !isReadingPaused { interest.insert(.readable) }
        case .finishing, .lingering: if !hasPeerFinished { interest.insert(.readable) }
        case .peerFinished, .closed: break
        }
        reactor.modify(token, interest: interest)
    }

    /// Zeros, as many as the longest chunk has bytes.
    nonisolated(unsafe) private static let padding: UnsafeRawBufferPointer = {
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        return UnsafeRawBufferPointer(zeros)
    }()
}
