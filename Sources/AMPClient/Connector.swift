import Runtime

/// One attempt to connect (`connect(2)`, nonblocking) that must succeed in time. On the loop.
final class Connector: EventHandler, TimerHandler {
    private let reactor: Reactor
    private var socket: Descriptor?
    private var token: Token?
    private var timer: TimerToken?
    private var report: ((consuming Outcome) -> Void)?

    enum Outcome: ~Copyable {
        case connected(Descriptor)
        case failed(Errno)
    }

    /// - Parameter report: told once.
    init(on reactor: Reactor, report: @escaping (consuming Outcome) -> Void) {
        self.reactor = reactor
        self.report = report
    }

    func connect(to address: SocketAddress, until deadline: Instant) {
        let kernel = reactor.kernel
        do throws(Errno) {
            let number = try kernel.socket(for: address)
            socket = Descriptor(number, of: kernel)
            do throws(Errno) {
                try kernel.connect(number, to: address)
                return finish(nil)
            } catch {
                // A Unix socket whose backlog is full says EAGAIN, and there is nothing to wait
                // for: try again is what the caller decides.
                guard error == .inProgress else { throw error }
            }
            token = try reactor.add(self, descriptor: number, interest: .writable)
            timer = reactor.schedule(self, at: deadline)
        } catch {
            finish(error)
        }
    }

    func ready(_ readiness: Readiness) {
        guard let number = socket?.number else { return }
        finish(reactor.kernel.socketError(number))
    }

    func fire(_ timer: TimerToken) {
        self.timer = nil
        finish(.timedOut)
    }

    private func finish(_ error: Errno?) {
        guard let report else { return }
        self.report = nil
        if let token { reactor.remove(token) }
        if let timer { reactor.cancel(timer) }
        if let error {
            socket = nil
            report(.failed(error))
        } else if let socket = socket.take() {
            report(.connected(socket))
        }
    }
}
