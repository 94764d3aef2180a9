import Kernel

/// Workers without threads: each lane has a few places, a job waits for one of its lane, and chance
/// says when it is performed and when the loop hears of it, so jobs overtake one another as they
/// do on threads. A job is performed in one piece.
public final class SimulatedWorkers: Workers {
    private struct Places {
        var waiting: [Job] = []
        var free: Int
    }

    private let kernel: SimulatedKernel
    private let descriptor: Descriptor
    private var lanes: [Places]
    private var performed: [Job] = []
    public private(set) var pending = 0

    /// The longest that a job takes, or its way back.
    private static let slowest = Interval.milliseconds(5)

    public init(kernel: SimulatedKernel) throws(Errno) {
        self.kernel = kernel
        descriptor = Descriptor(try kernel.eventCreate(), of: kernel)
        lanes = Lane.allCases.map { _ in
            Places(free: kernel.machine.workers.number(in: 1...4))
        }
    }

    public var event: Int32 { descriptor.number }

    public func submit(_ job: Job, to lane: Lane) {
        pending += 1
        lanes[lane.rawValue].waiting.append(job)
        fill(lane)
    }

    public func takePerformed() -> [Job] {
        kernel.eventDrain(event)
        defer { performed = [] }
        return performed
    }

    private func fill(_ lane: Lane) {
        while lanes[lane.rawValue].free > 0, !lanes[lane.rawValue].waiting.isEmpty {
            lanes[lane.rawValue].free -= 1
            let job = lanes[lane.rawValue].waiting.removeFirst()
            later { workers in workers.perform(job, in: lane) }
        }
    }

    private func perform(_ job: Job, in lane: Lane) {
        kernel.machine.record(kernel.number, "job performed", Int64(lane.rawValue))
        job.perform()
        pending -= 1
        later { workers in
            workers.performed.append(job)
            workers.kernel.eventSignal(workers.event)
            workers.lanes[lane.rawValue].free += 1
            workers.fill(lane)
        }
    }

    private func later(_ action: @escaping (SimulatedWorkers) -> Void) {
        let machine = kernel.machine
        machine.at(machine.time + machine.workers.interval(upTo: Self.slowest)) { [weak self] in
            if let self, self.kernel.isAlive { action(self) }
        }
    }
}
