import AMPServer
import Digests
import Kernel
import Simulation
import StoreCommands

/// One call of a ``StoreClient`` that waits for its answer.
protocol PendingCall: AnyObject {
    /// Reads the answer, opens its streams, and notes on the client what is wrong with it.
    func answered(_ box: Box, _ client: StoreClient) throws(Violation)
    func failed(_ error: RemoteError, _ client: StoreClient)
}

/// A client of the daemon on the production connection: it makes so many calls of all kinds, a
/// few at a time, checks every answer against the ledger, and leaves.
final class StoreClient: ConnectionDelegate {
    let reactor: Reactor
    let ledger: Ledger
    var chance: Chance
    /// What may happen to files beside what was asked for: a disk that fails.
    let diskMayFail: Bool
    private(set) var connection: Connection?
    /// Why the connection ended; nil while it lasts.
    private(set) var ending: CloseReason?
    /// What was wrong with answers: there must be none.
    private(set) var mistakes: [String] = []
    private(set) var answers = 0

    private var socket: Descriptor?
    private var number: Int32
    private var token: Token?
    private var callsLeft: Int
    private let width: Int
    private var pending: [AskID: any PendingCall] = [:]
    private var downloads = 0
    private var hello: AskID?
    private var cancels: [TimerToken: AskID] = [:]
    private let uploads: InterruptedUploads

    init(
        to address: SocketAddress, on reactor: Reactor, ledger: Ledger,
        uploads: InterruptedUploads, calls: Int, chance: Chance, diskMayFail: Bool
    ) throws(Errno) {
        self.reactor = reactor
        self.ledger = ledger
        self.uploads = uploads
        self.chance = chance
        self.diskMayFail = diskMayFail
        callsLeft = calls
        width = self.chance.number(in: 1...4)
        let socket = Descriptor(try reactor.kernel.socket(for: address), of: reactor.kernel)
        number = socket.number
        self.socket = consume socket
        do { try reactor.kernel.connect(number, to: address) } catch  where error == .inProgress {
        }
        token = try reactor.add(self, descriptor: number, interest: .writable)
    }

    func note(_ mistake: String) { mistakes.append(mistake) }

    // MARK: Calls

    /// Makes calls until enough are under way, and leaves once all are answered.
    private func makeCalls() {
        guard let connection, ending == nil else { return }
        while callsLeft > 0, pending.count + downloads < width {
            callsLeft -= 1
            makeCall()
        }
        if callsLeft == 0, pending.isEmpty, downloads == 0 { connection.closeWhenIdle() }
    }

    private func makeCall() {
        let name = chance.element(of: Ledger.names)
        switch chance.below(12) {
        case 0...3: put(name)
        case 4, 5: ask(GetCall(name, self))
        case 6: ask(StatCall(name, self))
        case 7: ask(ListCall(self))
        case 8: ask(RemoveCall(name, self))
        case 9, 10: resume()
        default: ask(PingCall())
        }
    }

    private func put(_ name: String) {
        let contents = Contents(chance.bytes(chance.size(in: 1...40_000)))
        let upload = InterruptedUpload(name, contents, ledger.begin(name, contents))
        if chance.oneIn(2) {
            upload.token = chance.bytes(16)
            uploads.all.append(upload)
        }
        send(upload, from: 0)
    }

    /// Takes up an upload that an earlier connection has left, if there is one.
    private func resume() {
        guard let upload = uploads.takeOne(&chance) else { return ask(PingCall()) }
        ask(UploadStatusCall(upload))
    }

    func send(_ upload: InterruptedUpload, from offset: Int) {
        guard let connection, ending == nil else { return }
        do throws(StreamError) {
            let stream = try connection.openStream()
            let rest = Array(upload.contents.bytes[offset...])
            let source = MemorySource(rest)
            connection.send(stream, from: source)
            upload.isUnderWay = true
            ask(PutCall(upload, stream: stream, from: offset, client: self))
            connection.ready(stream, upTo: UInt64(rest.count))
            connection.finish(stream)
        } catch {
            note("cannot open a stream: \(error)")
        }
    }

    func ask<C: Command>(_ command: C, uploads: [StreamID] = [], _ call: any PendingCall) {
        guard let connection, ending == nil else { return }
        do {
            let box = try Box(arguments: command)
            guard let ask = try connection.ask(C.name, box, uploads: uploads) else { return }
            pending[ask] = call
            if connection.isSettled, chance.oneIn(6) {
                let time = reactor.now + chance.interval(upTo: .milliseconds(300))
                cancels[reactor.schedule(self, at: time)] = ask
            }
        } catch {
            note("cannot ask: \(error)")
        }
    }

    private func ask(_ call: some PendingCall & Askable) { call.ask(self) }

    // MARK: Downloads

    func began() { downloads += 1 }

    func finished() {
        downloads -= 1
        makeCalls()
    }

    // MARK: The connection

    func received(_ call: Call, on connection: Connection) throws(Violation) {
        note("the server called \(call.name)")
    }

    func cancelled(_ call: CallID, on connection: Connection) {}

    func answered(_ ask: AskID, _ box: Box, on connection: Connection) throws(Violation) {
        // What it says was told by `settled`.
        if ask == hello { return }
        guard let call = pending.removeValue(forKey: ask) else { return note("a second answer") }
        answers += 1
        try call.answered(box, self)
        makeCalls()
    }

    func failed(_ ask: AskID, _ error: RemoteError, on connection: Connection) {
        guard let call = pending.removeValue(forKey: ask) else { return note("a second answer") }
        answers += 1
        call.failed(error, self)
        makeCalls()
    }

    func settled(_ settings: Settings, on connection: Connection) { makeCalls() }

    func peerIsLeaving(_ code: Code, reason: String, on connection: Connection) {
        if code != .goAway { note("the server closes: \(code) \(reason)") }
    }

    func closed(_ connection: Connection, _ reason: CloseReason) {
        ending = reason
        if case .violation(let violation) = reason { note("the server's fault: \(violation)") }
        if case .done = reason, !pending.isEmpty { note("done, and \(pending.count) unanswered") }
    }
}

extension StoreClient: EventHandler {
    /// The connection is made, or refused.
    func ready(_ readiness: Readiness) {
        if let token { reactor.remove(token) }
        token = nil
        guard let socket = socket.take() else { return }
        if let error = reactor.kernel.socketError(number) {
            ending = .failed(error)
            return
        }
        var limits = ConnectionLimits()
        limits.session.settings.window = UInt64(chance.size(in: 2_048...131_072))
        limits.session.settings.chunk = chance.size(in: 1_024...61_440)
        do throws(Errno) {
            let connection = try Connection(
                socket, peer: .unix(""), on: reactor, pool: BufferPool(), limits: limits,
                delegate: self)
            self.connection = connection
            if chance.oneIn(8) { return makeCalls() }
            hello = try? connection.sayHello()
        } catch {
            ending = .failed(error)
        }
    }
}

extension StoreClient: TimerHandler {
    func fire(_ timer: TimerToken) {
        guard let ask = cancels.removeValue(forKey: timer), pending[ask] != nil else { return }
        connection?.cancel(ask)
    }
}
