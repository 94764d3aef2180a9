import Foundation
import Synchronization
import Testing

@testable import LinuxKernel

/// A job that writes down what it does.
private final class Note: Job, @unchecked Sendable {
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void = {}) { self.body = body }

    override func perform() { body() }
}

@Suite("Worker threads", .timeLimit(.minutes(1)))
struct ThreadWorkersTests {
    let kernel = LinuxKernel()

    /// Everything submitted, in the order in which it ended.
    private func finished(_ workers: ThreadWorkers, _ count: Int) throws -> [Job] {
        let scratch = try Scratch()
        var jobs: [Job] = []
        while jobs.count < count {
            try scratch.wait(for: workers.event, .readable)
            jobs += workers.takePerformed()
        }
        return jobs
    }

    @Test("perform the jobs of a lane in the order of submission") func order() throws {
        let workers = try ThreadWorkers(kernel: kernel, writes: 1)
        let seen = Mutex<[Int]>([])
        let jobs = (0..<1000).map { number in
            Note { seen.withLock { $0.append(number) } }
        }
        for job in jobs { workers.submit(job, to: .writes) }
        let performed = try finished(workers, jobs.count)
        #expect(seen.withLock { $0 } == Array(0..<1000))
        #expect(zip(performed, jobs).allSatisfy { $0 === $1 })
        #expect(workers.pending == 0)
        #expect(workers.takePerformed().isEmpty)
    }

    @Test("of one lane do not wait for those of another") func lanes() throws {
        let workers = try ThreadWorkers(kernel: kernel, metadata: 1, writes: 1, scans: 2)
        let gate = DispatchSemaphore(value: 0)
        let scans = (0..<3).map { _ in Note { gate.wait() } }
        for scan in scans { workers.submit(scan, to: .scans) }
        let stat = Note()
        workers.submit(stat, to: .metadata)
        #expect(try finished(workers, 1).first === stat)
        #expect(workers.pending == 3)
        for _ in scans { gate.signal() }
        #expect(try finished(workers, 3).count == 3)
        #expect(workers.pending == 0)
    }

    @Test("of one lane work side by side, as many as were asked for") func sideBySide() throws {
        let workers = try ThreadWorkers(kernel: kernel, scans: 3)
        let (arrived, gate) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        for _ in 0..<4 {
            workers.submit(
                Note {
                    arrived.signal()
                    gate.wait()
                }, to: .scans)
        }
        for _ in 0..<3 { arrived.wait() }
        #expect(arrived.wait(timeout: .now()) == .timedOut)
        for _ in 0..<4 { gate.signal() }
        #expect(try finished(workers, 4).count == 4)
    }

    @Test("take no signals") func signals() throws {
        let workers = try ThreadWorkers(kernel: kernel)
        let blocked = Mutex<[Int32]>([])
        workers.submit(
            Note {
                var mask = sigset_t()
                pthread_sigmask(SIG_BLOCK, nil, &mask)
                blocked.withLock {
                    $0 = [SIGTERM, SIGINT, SIGHUP, SIGUSR1].map { sigismember(&mask, $0) }
                }
            }, to: .metadata)
        _ = try finished(workers, 1)
        #expect(blocked.withLock { $0 } == [1, 1, 1, 1])
    }

    @Test("end after shutdown, with what was submitted done") func shutdown() throws {
        let performed = try PerformedJobs(kernel: kernel)
        weak var weakLane: WorkerLane?
        let count = Atomic<Int>(0)
        do {
            let lane = WorkerLane(threads: 2, performed: performed)
            weakLane = lane
            for _ in 0..<100 {
                performed.expect()
                lane.submit(Note { count.add(1, ordering: .relaxed) })
            }
            lane.close()
            lane.close()
        }
        while weakLane != nil { usleep(1000) }  // its threads hold it
        #expect(count.load(ordering: .relaxed) == 100)
        #expect(performed.pending == 0)
    }

    @Test("that hang hold nobody up") func hanging() throws {
        let gate = DispatchSemaphore(value: 0)
        let ended = DispatchSemaphore(value: 0)
        do {
            let workers = try ThreadWorkers(kernel: kernel)
            workers.submit(
                Note {
                    gate.wait()
                    ended.signal()
                }, to: .writes)
        }
        gate.signal()
        ended.wait()
    }
}
