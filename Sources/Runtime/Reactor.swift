@_exported import Kernel

/// Is told that its descriptor is ready.
public protocol EventHandler: AnyObject {
    func ready(_ readiness: Readiness)
}

/// Has work for the end of a turn, once everything that was ready has been dealt with.
public protocol Deferred: AnyObject {
    func runDeferred()
}

/// The event loop of one thread, after Redis's `ae.h`. Everything it calls runs on that thread,
/// may use it freely in turn, and must not block.
///
/// A turn: wait, then what is ready, what workers and other threads brought, the timers that are
/// due, and last what was put off to the end. The turn's length is how late the loop can be for
/// whoever comes meanwhile; it is measured always.
///
/// An event names its handler by slot and generation. A handler removed during a turn hears
/// nothing more in it, nor does one that was added to its slot hear what was meant for it.
public final class Reactor {
    public let kernel: any Kernel
    /// The one thing here that other threads may touch.
    public let mailbox: Mailbox
    /// The time when the turn's waiting ended; read the clock yourself for better.
    public private(set) var now: Instant
    public private(set) var measures = LoopMeasures()

    private let jobs: JobWatcher
    private let epoll: Descriptor
    private var registrations = SlotTable<Registration>()
    private var timers = Timers()
    private var atEndOfTurn: [any Deferred] = []
    private var atEndOfNextTurn: [any Deferred] = []
    private let events = UnsafeMutableBufferPointer<Event>.allocate(capacity: 256)
    /// The event with which writing begins next.
    private var nextToWrite = 0
    private var isStopped = false

    private struct Registration {
        let handler: any EventHandler
        let descriptor: Int32
        var interest: Readiness
    }

    /// Time for writing bulk in one turn: about what a small call takes from end to end.
    private static let writingBudget = Interval.microseconds(200)

    /// Deferred work that brings new deferred work is followed this often before the loop polls.
    private static let deferredRounds = 4

    /// Throws what epoll_create(2) and eventfd(2) throw.
    public init(kernel: any Kernel, workers: any Workers) throws(Errno) {
        self.kernel = kernel
        jobs = JobWatcher(workers)
        epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        mailbox = try Mailbox(kernel: kernel)
        now = kernel.now()
        _ = try add(
            MailWatcher(mailbox), descriptor: mailbox.event.number, interest: .readable)
        _ = try add(jobs, descriptor: workers.event, interest: .readable)
    }

    deinit { events.deallocate() }

    // MARK: Descriptors

    /// Tells `handler` when `descriptor` is ready for `interest`, level-triggered, and holds on to
    /// it until `remove`. Throws what epoll_ctl(2) throws.
    public func add(
        _ handler: some EventHandler, descriptor: Int32, interest: Readiness
    ) throws(Errno) -> Token {
        let token = registrations.insert(
            Registration(handler: handler, descriptor: descriptor, interest: interest))
        do {
            try kernel.epollAdd(epoll.number, descriptor, interest, token)
        } catch {
            registrations.remove(token)
            throw error
        }
        return token
    }

    /// Changes what the handler waits for; nothing is asked of the kernel if it is the same.
    public func modify(_ token: Token, interest: Readiness) {
        guard let registration = registrations[token], registration.interest != interest else {
            return
        }
        registrations[token]?.interest = interest
        do {
            try kernel.epollModify(epoll.number, registration.descriptor, interest, token)
        } catch {
            preconditionFailure("a descriptor was closed before it was removed: \(error)")
        }
    }

    /// Before the descriptor is closed. A token removed already does nothing.
    public func remove(_ token: Token) {
        guard let registration = registrations.remove(token) else { return }
        try? kernel.epollRemove(epoll.number, registration.descriptor)
    }

    // MARK: Timers, jobs, the end of the turn

    /// Calls `handler` once, in the first turn at or after `instant`, and holds on to it till then.
    public func schedule(_ handler: some TimerHandler, at instant: Instant) -> TimerToken {
        timers.schedule(handler, at: instant)
    }

    /// A timer that has fired or was cancelled already does nothing.
    public func cancel(_ timer: TimerToken) { timers.cancel(timer) }

    /// Has `job` performed on a worker of `lane` and then finished on the loop.
    public func submit(_ job: Job, to lane: Lane) { jobs.submit(job, to: lane) }

    /// Jobs submitted that are not finished on the loop yet, and so may still bring others.
    public var pendingJobs: Int { jobs.unfinished }

    /// Runs `deferred` once at the end of this turn. Each call counts; note yourself whether
    /// you are queued.
    public func runBeforeSleep(_ deferred: some Deferred) { atEndOfTurn.append(deferred) }

    /// Runs `deferred` once at the end of the next turn, which does not wait: for bulk work that
    /// lets what is ready go first.
    public func runNextTurn(_ deferred: some Deferred) { atEndOfNextTurn.append(deferred) }

    /// How long this turn has lasted, by the clock.
    public var elapsed: Interval { kernel.now() - now }

    // MARK: Running

    /// Takes turns until ``stop()``.
    public func run() throws(Errno) {
        isStopped = false
        while !isStopped { try turn(waitUntil: .never) }
    }

    /// Ends ``run()`` after this turn.
    public func stop() { isStopped = true }

    /// One turn, which waits for events until `deadline` or the next timer at most.
    public func turn(waitUntil deadline: Instant) throws(Errno) {
        let hasWork = !atEndOfTurn.isEmpty || !atEndOfNextTurn.isEmpty
        let wake = hasWork ? .start : min(deadline, timers.next)
        let count = try kernel.epollWait(epoll.number, into: events, until: wake)
        now = kernel.now()
        atEndOfTurn += atEndOfNextTurn
        atEndOfNextTurn = []
        dispatch(UnsafeBufferPointer(rebasing: events[..<count]))
        let newest = timers.newest
        while let (handler, token) = timers.takeDue(at: now, upTo: newest) { handler.fire(token) }
        runDeferred()
        measures.add(turn: elapsed)
    }

    /// What is readable first, then what can be written: bulk waits for calls. Writing has a
    /// budget of time, so that a turn stays short however many connections have bulk to send;
    /// whoever has no turn in this one is first in the next.
    private func dispatch(_ events: UnsafeBufferPointer<Event>) {
        var writable = 0
        for event in events {
            if event.readiness.contains(.writable) { writable += 1 }
            let rest = event.readiness.subtracting(.writable)
            if !rest.isEmpty { registrations[event.token]?.handler.ready(rest) }
        }
        guard writable > 0 else { return }
        let deadline = kernel.now() + Self.writingBudget
        // Level-triggered events come in about the same order each time: begin where the last
        // turn left off.
        let start = nextToWrite < events.count ? nextToWrite : 0
        nextToWrite = 0
        for step in 0..<events.count {
            let index = (start + step) % events.count
            guard events[index].readiness.contains(.writable) else { continue }
            if step > 0, kernel.now() >= deadline {
                nextToWrite = index
                return
            }
            registrations[events[index].token]?.handler.ready(.writable)
        }
    }

    private func runDeferred() {
        for _ in 0..<Self.deferredRounds where !atEndOfTurn.isEmpty {
            let round = atEndOfTurn
            atEndOfTurn = []
            for deferred in round { deferred.runDeferred() }
        }
    }

    /// Starts the measures anew, once they have been published.
    public func resetMeasures() { measures = LoopMeasures() }
}

/// How busy and how late the loop is.
public struct LoopMeasures: Sendable {
    public private(set) var turns: UInt64 = 0
    /// Time spent between waits, all turns together.
    public private(set) var busy = Interval.zero
    public private(set) var longestTurn = Interval.zero

    mutating func add(turn: Interval) {
        turns += 1
        busy = Interval(nanoseconds: busy.nanoseconds &+ turn.nanoseconds)
        longestTurn = max(longestTurn, turn)
    }
}

private final class MailWatcher: EventHandler {
    private let mailbox: Mailbox

    init(_ mailbox: Mailbox) { self.mailbox = mailbox }

    func ready(_ readiness: Readiness) { mailbox.deliver() }
}

private final class JobWatcher: EventHandler {
    private let workers: any Workers
    private(set) var unfinished = 0

    init(_ workers: any Workers) { self.workers = workers }

    func submit(_ job: Job, to lane: Lane) {
        unfinished += 1
        workers.submit(job, to: lane)
    }

    func ready(_ readiness: Readiness) {
        for job in workers.takePerformed() {
            job.finish()
            unfinished -= 1
        }
    }
}
