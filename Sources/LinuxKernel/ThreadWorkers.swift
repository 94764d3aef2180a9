import Kernel
import Synchronization

/// Workers on threads of their own: each lane has as many as it was given, first in first out.
///
/// A thread is made when a job finds none idle, so a daemon that does nothing holds no stacks.
/// The loop waits for nothing here but a mutex held for a few instructions. Every signal is
/// blocked in these threads.
public final class ThreadWorkers: Workers {
    private let lanes: [WorkerLane]
    private let performed: PerformedJobs

    /// With that many threads for each lane, at least one. Throws what `eventCreate` throws.
    public init(
        kernel: any Kernel, metadata: Int = 2, writes: Int = 2, scans: Int = 2
    ) throws(Errno) {
        let performed = try PerformedJobs(kernel: kernel)
        self.performed = performed
        lanes = Lane.allCases.map { lane in
            let threads =
                switch lane {
                case .metadata: metadata
                case .writes: writes
                case .scans: scans
                }
            return WorkerLane(threads: max(1, threads), performed: performed)
        }
    }

    deinit { shutdown() }

    public func submit(_ job: Job, to lane: Lane) {
        performed.expect()
        lanes[lane.rawValue].submit(job)
    }

    public var event: Int32 { performed.event.number }

    public func takePerformed() -> [Job] { performed.take() }

    public var pending: Int { performed.pending }

    /// Lets the threads end as soon as they have nothing to do: those that are idle now, the
    /// others after what was submitted. Joins none, so that one that hangs in a dead disk holds
    /// nobody up. Nothing may be submitted afterwards.
    public func shutdown() { for lane in lanes { lane.close() } }
}

/// The jobs on their way back to the loop. The threads hold on to it, so a job that ends after
/// the workers are gone still finds an open event descriptor.
final class PerformedJobs: Sendable {
    private struct State {
        var jobs: [Job] = []
        var pending = 0
    }

    let event: Descriptor
    private let state = Mutex(State())

    init(kernel: any Kernel) throws(Errno) {
        event = Descriptor(try kernel.eventCreate(), of: kernel)
    }

    var pending: Int { state.withLock { $0.pending } }

    func expect() { state.withLock { $0.pending += 1 } }

    func add(_ job: Job) {
        let isFirst = state.withLock { state in
            state.pending -= 1
            state.jobs.append(job)
            return state.jobs.count == 1
        }
        if isFirst { event.kernel.eventSignal(event.number) }
    }

    /// Drained before the list is taken: what comes between the two is taken and its signal
    /// wakes the loop once for nothing, but none is left lying.
    func take() -> [Job] {
        event.kernel.eventDrain(event.number)
        return state.withLock { state in
            let jobs = state.jobs
            state.jobs = []
            return jobs
        }
    }
}
