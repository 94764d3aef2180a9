import Kernel
import Runtime

/// A process on the machine: its kernel, its workers, its reactor, and what it runs on them.
public final class SimulatedProcess {
    public let kernel: SimulatedKernel
    public private(set) var workers: SimulatedWorkers?
    public private(set) var reactor: Reactor?
    /// What the process runs: held until it ends.
    public var program: AnyObject?
    private var baseline: [String] = []

    init(_ name: String, on machine: Machine) throws(Errno) {
        kernel = machine.process(name)
        let workers = try SimulatedWorkers(kernel: kernel)
        self.workers = workers
        reactor = try Reactor(kernel: kernel, workers: workers)
    }

    public var isAlive: Bool { kernel.isAlive && reactor != nil }

    /// Something outside of its loop has changed what the process wants: it looks again.
    public func wake() { kernel.sleep = .awake }

    /// What is open now is what the process holds while it has nothing to do.
    public func noteBaseline() { baseline = kernel.openDescriptors }

    /// The descriptors that are open beyond those, or missing of them.
    public var deviations: [String] {
        let open = Set(kernel.openDescriptors)
        return open.symmetricDifference(baseline).sorted()
    }

    /// Lets go of everything, as a `main` that returns does, and returns the descriptors that are
    /// open even so: leaks. The kernel closes these with the process.
    public func exit() -> [String] {
        program = nil
        reactor = nil
        workers = nil
        let leaks = kernel.openDescriptors
        kernel.die()
        return leaks
    }

    /// The process is killed, and its memory is gone.
    public func kill() {
        kernel.die()
        program = nil
        reactor = nil
        workers = nil
    }

    /// Whether a turn of its loop could do anything now.
    var isRunnable: Bool {
        guard isAlive else { return false }
        switch kernel.sleep {
        case .awake: return true
        case .until(let deadline): return deadline <= kernel.machine.time || kernel.hasEvents
        }
    }

    /// When it wakes up by itself.
    var deadline: Instant {
        guard isAlive, case .until(let deadline) = kernel.sleep else { return .never }
        return deadline
    }
}
