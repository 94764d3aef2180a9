import CLinux
import DequeModule
import Glibc
import Kernel
import Synchronization

/// One lane's queue and its threads.
///
/// The semaphore counts the jobs that wait (and, once closed, one more for each thread, which
/// finds the queue empty and ends).
final class WorkerLane: Sendable {
    private struct State {
        var queue = Deque<Job>()
        var threads = 0
        var idle = 0
        var isClosed = false
    }

    /// Enough for digests and for the resolver; only what is touched becomes memory.
    private static let stackSize = 512 << 10

    private let limit: Int
    private let performed: PerformedJobs
    private let state = Mutex(State())
    private let waiting: Semaphore

    init(threads: Int, performed: PerformedJobs) {
        limit = threads
        self.performed = performed
        waiting = Semaphore()
    }

    /// From the loop's thread.
    func submit(_ job: Job) {
        let needsThread = state.withLock { state in
            precondition(!state.isClosed, "a job was submitted after shutdown")
            state.queue.append(job)
            guard state.queue.count > state.idle, state.threads < limit else { return false }
            state.threads += 1
            state.idle += 1  // it will take a job at once
            return true
        }
        waiting.signal()
        if needsThread, !startThread() { lostThread() }
    }

    func close() {
        let threads = state.withLock { state in
            defer { state.isClosed = true }
            return state.isClosed ? 0 : state.threads
        }
        for _ in 0..<threads { waiting.signal() }
    }

    private func startThread() -> Bool {
        let argument = Unmanaged.passRetained(self)
        let result = cl_start_thread(
            Self.stackSize,
            { argument in
                guard let argument else { return nil }
                Unmanaged<WorkerLane>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            }, argument.toOpaque())
        if result < 0 { argument.release() }
        return result >= 0
    }

    /// The system gave no thread. The lane's others will do the job, or the next submission
    /// tries again; if there are none, the job is done here: late is better than never.
    private func lostThread() {
        let orphan = state.withLock { state in
            state.threads -= 1
            state.idle -= 1
            return state.threads == 0 ? state.queue.popFirst() : nil
        }
        guard let orphan else { return }
        waiting.wait()
        perform(orphan)
    }

    /// The life of a thread. It counts as idle from its making on. It is nicer than the loop:
    /// when processors are short, bulk waits and calls do not.
    private func work() {
        cl_lower_thread_priority()
        while true {
            waiting.wait()
            let job = state.withLock { state in
                state.idle -= 1
                let job = state.queue.popFirst()
                if job == nil { state.threads -= 1 }
                return job
            }
            guard let job else { return }
            perform(job)
            state.withLock { $0.idle += 1 }
        }
    }

    private func perform(_ job: Job) {
        job.perform()
        performed.add(job)
    }
}

/// `sem_init(3)`: a counter that threads can wait for.
private final class Semaphore: @unchecked Sendable {
    private let raw = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(raw, 0, 0) }

    deinit {
        sem_destroy(raw)
        raw.deallocate()
    }

    func signal() { sem_post(raw) }

    func wait() { while sem_wait(raw) != 0 {} }  // a signal interrupted it
}
