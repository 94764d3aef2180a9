import AMPServer
import Store
import StoreCommands

/// The daemon: the responders of its commands over a store, behind listeners, with a log and a
/// life that the service manager follows. It brings no kernel of its own, so that the whole of
/// it runs over a simulated one.
public final class Daemon {
    public let reactor: Reactor
    public let server: Server

    private let log: Log
    private let manager: ServiceManager?
    private let drainTime: Interval
    private let began: Instant
    private var counters = Counters()
    private var life = Life.serving
    private var timers: [TimerToken: TimerTask] = [:]
    private let events: ServerEvents

    private enum Life { case serving, draining, leaving, stopped }
    private enum TimerTask { case drainDeadline, jobsDeadline, jobsPoll, watchdog }

    /// How often the end of the last jobs is looked for.
    private static let jobsPoll = Interval.milliseconds(5)

    /// How long the last jobs may take once all connections are closed: uploads are suspended
    /// by them. A disk that hangs longer is not waited for.
    private static let jobsTime = Interval.seconds(5)

    public init(
        _ configuration: Configuration, driver: any Driver, on reactor: Reactor, log: Log,
        manager: ServiceManager? = nil
    ) {
        self.reactor = reactor
        self.log = log
        self.manager = manager
        drainTime = .seconds(UInt64(configuration.limits.drainTimeout))
        began = reactor.now
        events = ServerEvents()
        server = Server(
            on: reactor, limits: ConnectionLimits(configuration.limits),
            maxConnections: configuration.limits.maxConnections, delegate: events)
        events.daemon = self
        register(driver)
    }

    private func register(_ driver: any Driver) {
        let puts = PutResponder(driver)
        server.register(puts)
        server.register(UploadStatusResponder(driver, puts: puts))
        server.register(GetResponder(driver))
        server.register(StatResponder(driver))
        server.register(ListResponder(driver))
        server.register(RemoveResponder(driver))
        server.register(PingResponder())
        server.register(StatusResponder(self))
    }

    // MARK: Life

    /// Tells the service manager that the daemon serves, and from then on that it lives.
    public func ready() {
        let addresses = server.listeners.map(\.address.description).joined(separator: ", ")
        log.notice(.ready, "ready, listening on \(addresses)")
        manager?.ready("listening on \(addresses)")
        keepAlive()
    }

    /// Finishes what is under way and then ends the loop. After the drain timeout, or when it is
    /// called again, connections are closed; when it is called once more, no job is waited for.
    public func stop() {
        switch life {
        case .serving: drain()
        case .draining: leave("told twice")
        case .leaving: end()
        case .stopped: break
        }
    }

    private func drain() {
        life = .draining
        log.notice(
            .stopping, "stopping: \(server.connectionCount) connections finish what is under way")
        manager?.stopping("finishing what is under way")
        start(.drainDeadline, after: drainTime)
        server.drain(reason: "this server is shutting down")
    }

    private func leave(_ why: String) {
        life = .leaving
        let count = server.connectionCount
        log.notice(.stopping, "leaving: \(why); \(count) connections are cut")
        server.closeAll(reason: "the server is shutting down")
        start(.jobsDeadline, after: Self.jobsTime)
        endWhenJobsAreDone()
    }

    /// What workers have under way is carried through, and what follows from it.
    private func endWhenJobsAreDone() {
        guard !timers.values.contains(.jobsPoll) else { return }
        if reactor.pendingJobs == 0 { return end() }
        start(.jobsPoll, after: Self.jobsPoll)
    }

    private func end() {
        guard life != .stopped else { return }
        life = .stopped
        log.close()
        log.notice(.stopped, "stopped after \(counters.calls) calls")
        reactor.stop()
    }

    private func keepAlive() {
        guard let manager, let interval = manager.watchdogInterval else { return }
        manager.keepAlive()
        start(.watchdog, after: Interval(nanoseconds: interval.nanoseconds / 2))
    }

    private func start(_ task: TimerTask, after interval: Interval) {
        timers[reactor.schedule(self, at: reactor.now + interval)] = task
    }

    // MARK: Status

    var status: Status.Response {
        let open = server.connections
        return Status.Response(
            version: ampdVersion, uptime: (reactor.now - began).nanoseconds / 1_000_000_000,
            connections: UInt64(open.count), accepted: counters.accepted,
            streams: open.reduce(0) { $0 + UInt64($1.openStreams) }, calls: counters.calls,
            failures: counters.failures,
            bytesIn: open.reduce(counters.bytesIn) { $0 &+ $1.bytesIn },
            bytesOut: open.reduce(counters.bytesOut) { $0 &+ $1.bytesOut },
            jobs: UInt64(max(0, reactor.pendingJobs)),
            longestTurn: reactor.measures.longestTurn.nanoseconds / 1_000)
    }
}

extension Daemon: TimerHandler {
    public func fire(_ timer: TimerToken) {
        switch timers.removeValue(forKey: timer) {
        case .drainDeadline: if life == .draining { leave("the time to drain is over") }
        case .jobsDeadline: end()
        case .jobsPoll: endWhenJobsAreDone()
        case .watchdog: keepAlive()
        case nil: break
        }
    }
}

extension Daemon: SignalsDelegate {
    public func received(_ signal: Signal) {
        switch signal {
        case .terminate, .interrupt: stop()
        default: break
        }
    }
}

/// What the server reports, counted and logged.
private final class ServerEvents: ServerDelegate {
    weak var daemon: Daemon?

    func accepted(_ connection: Connection) { daemon?.accepted(connection) }
    func closed(_ connection: Connection, _ reason: CloseReason) {
        daemon?.closed(connection, reason)
    }
    func answered(_ request: Request, error: RemoteError?) {
        daemon?.answered(request, error: error)
    }
    func ignored(_ call: Call, on connection: Connection) { daemon?.ignored(call, connection) }
    func cannotAccept(_ reason: Errno, on listener: Listener) {
        daemon?.cannotAccept(reason, listener)
    }
    func drained() { daemon?.drained() }
}

extension Daemon {
    fileprivate func accepted(_ connection: Connection) {
        counters.accepted += 1
        log.info(.connectionOpened, "connected", [.peer(connection.peer)])
    }

    fileprivate func closed(_ connection: Connection, _ reason: CloseReason) {
        counters.bytesIn &+= connection.bytesIn
        counters.bytesOut &+= connection.bytesOut
        let fields: [Log.Field] = [
            .peer(connection.peer), Log.Field("bytes_in", "\(connection.bytesIn)"),
            Log.Field("bytes_out", "\(connection.bytesOut)"),
        ]
        switch reason {
        case .violation:
            log.warning(.violation, "connection closed: \(reason)", fields)
        default:
            log.info(.connectionClosed, "connection closed: \(reason)", fields)
        }
    }

    fileprivate func answered(_ request: Request, error: RemoteError?) {
        counters.calls += 1
        guard let error else { return }
        counters.failures += 1
        let fields: [Log.Field] = [.peer(request.connection.peer), Log.Field("code", error.code)]
        let message = "\(request.command) failed: \(error.reason)"
        switch error.code {
        case "IO", "NO_SPACE": log.error(.storage, message, fields)
        default: log.info(.callFailed, message, fields)
        }
    }

    fileprivate func ignored(_ call: Call, _ connection: Connection) {
        let message = "ignored an unknown command without an answer: \(call.name)"
        log.warning(.unknownCommand, message, [.peer(connection.peer)])
    }

    fileprivate func cannotAccept(_ reason: Errno, _ listener: Listener) {
        let message = "cannot accept connections: \(reason); trying again every 100 ms"
        log.error(.overload, message, [.address(listener.address)])
    }

    fileprivate func drained() {
        if life == .draining { endWhenJobsAreDone() }
    }
}

/// What happened since the start.
private struct Counters {
    var accepted: UInt64 = 0
    var calls: UInt64 = 0
    var failures: UInt64 = 0
    /// Of connections that are closed.
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
}

extension ConnectionLimits {
    /// From what the administrator has set.
    public init(_ limits: Configuration.Limits) {
        self.init()
        session.box = BoxParser.Limits(pairs: limits.boxPairs, bytes: limits.boxBytes)
        session.settings.chunk = limits.chunk
        session.settings.window = UInt64(limits.streamWindow)
        session.settings.connectionWindow = UInt64(limits.connectionWindow)
        session.settings.maxStreams = UInt64(limits.maxStreams)
        session.settings.maxAsks = UInt64(limits.maxAsks)
        session.sharedWindow = UInt64(limits.sharedWindow)
        session.outboxBytes = limits.outbox
        // Room above the outbox for what is owed all the same.
        session.unreadBytes = max(session.unreadBytes, 2 * limits.outbox)
        boxTime = .seconds(UInt64(limits.boxSeconds))
    }
}
