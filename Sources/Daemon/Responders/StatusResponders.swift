import AMPServer
import StoreCommands

/// Answers `Ping`.
final class PingResponder: Responder {
    func respond(to ping: Ping, _ request: Request) { request.answer(NoResponse()) }
}

/// Answers `Status`.
final class StatusResponder: Responder {
    private weak var daemon: Daemon?

    init(_ daemon: Daemon) { self.daemon = daemon }

    func respond(to status: Status, _ request: Request) {
        guard let daemon else { return request.fail("CANCELLED", "the daemon is leaving") }
        request.answer(daemon.status)
    }
}
