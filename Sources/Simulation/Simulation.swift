import Kernel
import Runtime

/// Runs the processes of one ``Machine`` by chance, one turn of a loop or one event of the machine
/// at a time, until a goal is reached.
///
/// The clock creeps while processes run (a system call takes 200 ns) and leaps to the next event
/// when all of them sleep. If nothing is left to happen, the run is a deadlock; if the goal is not
/// reached within the limits, it is stuck. Both end it with the seed and the last events.
public final class Simulation {
    public let machine: Machine
    public private(set) var processes: [SimulatedProcess] = []
    /// Turns and events so far.
    public private(set) var steps = 0
    public var stepLimit = 1_000_000
    /// Virtual time that one ``run(until:)`` may take.
    public var timeLimit = Interval.seconds(3_600)
    /// How to run this seed again, for the report of a failure.
    public var replay: String

    public init(
        seed: UInt64, faults: Faults = .none, replay: String = "", traceCapacity: Int = 256
    ) {
        machine = Machine(seed: seed, faults: faults, traceCapacity: traceCapacity)
        self.replay = replay
    }

    // What is still to happen holds on to those it would happen to.
    deinit { machine.forgetAppointments() }

    /// Starts a process; give it a program before the next ``run(until:)``.
    public func start(_ name: String) throws(Errno) -> SimulatedProcess {
        let process = try SimulatedProcess(name, on: machine)
        processes.append(process)
        return process
    }

    /// Lets `action` happen at a time between now and `longest` from now.
    public func soon(within longest: Interval, _ action: @escaping () -> Void) {
        machine.at(machine.time + machine.scenario.interval(upTo: longest), action)
    }

    /// Runs until `isDone`, which is asked after every step.
    public func run(until isDone: () -> Bool) throws(SimulationFailure) {
        let end = machine.time + timeLimit
        while !isDone() {
            guard steps < stepLimit else { throw failure("stuck after \(steps) steps") }
            guard machine.time < end else {
                throw failure("stuck after \(timeLimit.seconds) s of the machine's time")
            }
            try step()
            steps += 1
        }
    }

    /// Runs for a while, whatever happens.
    public func run(for interval: Interval) throws(SimulationFailure) {
        let end = machine.time + interval
        machine.at(end) {}
        try run { machine.time >= end }
    }

    /// Does what must not fail in this run.
    public func require<Value>(
        _ what: String, _ action: () throws(Errno) -> Value
    ) throws(SimulationFailure) -> Value {
        do {
            return try action()
        } catch {
            throw failure("\(what): \(error)")
        }
    }

    /// A failure of this run, found by a checker.
    public func failure(_ reason: String) -> SimulationFailure {
        SimulationFailure(
            seed: machine.seed, reason: reason, replay: replay,
            trace: machine.trace.lines(names: machine.processNames),
            processes: processes.map { process in
                let state = process.isAlive ? "\(process.kernel.sleep)" : "gone"
                return "\(process.kernel.name): \(state), \(process.workers?.pending ?? 0) jobs"
            })
    }

    private func step() throws(SimulationFailure) {
        var runnable: [SimulatedProcess] = []
        for process in processes where process.isRunnable { runnable.append(process) }
        let isDue = machine.nextAppointment <= machine.time
        let candidates = runnable.count + (isDue ? 1 : 0)
        guard candidates > 0 else { return try leap() }
        let choice = machine.schedule.below(candidates)
        guard choice < runnable.count else {
            _ = machine.keepAppointment()
            return bury()
        }
        let process = runnable[choice]
        do {
            try process.reactor?.turn(waitUntil: .never)
        } catch {
            throw failure("\(process.kernel.name) fails to wait: \(error)")
        }
        bury()
    }

    /// Lets go of what the processes had that died in this step.
    private func bury() {
        for process in processes where process.reactor != nil && !process.kernel.isAlive {
            process.kill()
        }
    }

    private func leap() throws(SimulationFailure) {
        var next = machine.nextAppointment
        for process in processes { next = min(next, process.deadline) }
        guard next < .never else {
            throw failure("deadlock: everybody sleeps for ever")
        }
        machine.time = max(machine.time, next)
    }
}

/// Why a run failed, with all that is needed to see it again.
public struct SimulationFailure: Error, CustomStringConvertible {
    public var seed: UInt64
    public var reason: String
    public var replay: String
    public var trace: [String]
    public var processes: [String]

    public var description: String {
        (["seed \(seed): \(reason)"] + processes + ["the last events:"]
            + trace.map { "  " + $0 } + ["to see it again: \(replay)"])
            .joined(separator: "\n")
    }
}
