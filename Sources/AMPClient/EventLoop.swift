@_exported import LinuxKernel
import Runtime
import Synchronization

/// A thread that runs a reactor, and Swift tasks beside it.
///
/// It is a serial executor, so an actor that names it as its own (``Client`` does) runs where
/// its connection lives: sockets, timers and tasks take turns on one thread, and nothing of a
/// connection needs a lock. As a task executor it keeps whole tasks there too, which spares them
/// a hop between threads for each await:
///
///     Task(executorPreference: loop) { try await client.call(Ping()) }
///
/// What blocks goes to workers, by ``blocking(on:_:)``. Any number of clients share a loop.
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    public let kernel: any Kernel
    /// On the loop alone.
    let reactor: Reactor
    /// On the loop alone: buffers of all its connections.
    let pool = BufferPool()

    private let thread = Mutex<DetachedThread?>(nil)
    /// On the loop alone: jobs that it gave itself.
    private let ownJobs: OwnJobs

    /// The loop of this process, made when it is first asked for.
    public static func shared() throws(Errno) -> EventLoop { try sharedResult.get() }

    private static let sharedResult = Result { () throws(Errno) in try EventLoop() }

    /// Starts a loop of its own; it runs until ``stop()``. Throws what epoll_create(2),
    /// eventfd(2) and pthread_create(3) throw.
    public init() throws(Errno) {
        kernel = LinuxKernel()
        reactor = try Reactor(kernel: kernel, workers: try ThreadWorkers(kernel: kernel))
        ownJobs = OwnJobs()
        ownJobs.loop = self
        try DetachedThread.start { [self] in run() }
    }

    /// Ends the thread after the turn under way. Close the clients first: what is asked of the
    /// loop afterwards never happens.
    public func stop() {
        post { self.reactor.stop() }
    }

    private func run() {
        thread.withLock { $0 = .current }
        do {
            try reactor.run()
        } catch {
            preconditionFailure("epoll_wait(2) failed: \(error)")
        }
        ownJobs.loop = nil
    }

    /// Whether the caller runs on this loop.
    var isCurrent: Bool { thread.withLock { $0 } == .current }

    // MARK: As an executor

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isCurrent {
            ownJobs.append(job)
        } else {
            reactor.mailbox.post(PostedJob(job, to: self))
        }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    public func checkIsolated() { precondition(isCurrent, "not on the client's loop") }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    fileprivate func run(_ job: UnownedJob) {
        job.runSynchronously(
            isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    }

    // MARK: Other work

    /// Runs `body` on the loop, in the order of posting. Any thread.
    func post(_ body: @escaping @Sendable () -> Void) {
        reactor.mailbox.post(PostedBody(body))
    }

    /// Runs `body`, which may block, on a worker, and waits for it.
    public func blocking<T: Sendable>(
        on lane: Lane = .metadata, _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            post { self.reactor.submit(BlockingJob(body, continuation), to: lane) }
        }
    }
}

/// Jobs that the loop gave itself: they run at the end of the turn, without a system call.
private final class OwnJobs: Deferred {
    var loop: EventLoop?
    private var jobs: [UnownedJob] = []

    func append(_ job: UnownedJob) {
        jobs.append(job)
        if jobs.count == 1 { loop?.reactor.runBeforeSleep(self) }
    }

    func runDeferred() {
        let ready = jobs
        jobs = []
        for job in ready { loop?.run(job) }
    }
}

private final class PostedJob: Posted {
    private let job: UnownedJob
    private let loop: EventLoop

    init(_ job: UnownedJob, to loop: EventLoop) {
        self.job = job
        self.loop = loop
    }

    func runPosted() { loop.run(job) }
}

private final class PostedBody: Posted {
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func runPosted() { body() }
}

private final class BlockingJob<T: Sendable>: Job, @unchecked Sendable {
    private let body: @Sendable () throws -> T
    private let continuation: CheckedContinuation<T, any Error>
    private var result: Result<T, any Error>?

    init(
        _ body: @escaping @Sendable () throws -> T,
        _ continuation: CheckedContinuation<T, any Error>
    ) {
        self.body = body
        self.continuation = continuation
    }

    override func perform() { result = Result(catching: body) }

    override func finish() {
        if let result { continuation.resume(with: result) }
    }
}
