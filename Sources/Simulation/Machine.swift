import Kernel

/// A whole machine in memory, with its network, its disk and its clock, that behaves as one seed
/// says: the same seed, the same run, call by call.
///
/// Each process on it sees the machine through a ``SimulatedKernel`` of its own, which is its
/// table of descriptors. Nothing here starts a thread or blocks: a ``Simulation`` decides who
/// runs next and when the clock moves.
public final class Machine {
    public let seed: UInt64
    public var faults: Faults
    public var bugs: PlantedBugs = []
    public let disk: Disk
    public let trace: Trace
    public internal(set) var time = Instant(nanoseconds: 1_000_000_000)

    var schedule: Chance
    var network: Chance
    var workers: Chance
    var entropy: Chance
    /// For the scenario that runs on the machine.
    public var scenario: Chance

    /// Every process that was ever started, the dead too; the index is its number.
    public private(set) var processNames: [String] = []
    var listeners: [SocketAddress: SimulatedListener] = [:]
    private var nextPort: UInt16 = 32_768

    /// What will happen by itself, the soonest last.
    private var agenda: [Appointment] = []
    private var appointments: UInt64 = 0

    private struct Appointment {
        var time: Instant
        var number: UInt64
        var action: () -> Void
    }

    public init(seed: UInt64, faults: Faults = .none, traceCapacity: Int = 256) {
        self.seed = seed
        self.faults = faults
        schedule = Chance(seed: seed, for: .schedule)
        network = Chance(seed: seed, for: .network)
        workers = Chance(seed: seed, for: .workers)
        entropy = Chance(seed: seed, for: .entropy)
        scenario = Chance(seed: seed, for: .scenario)
        disk = Disk(chance: Chance(seed: seed, for: .disk))
        trace = Trace(capacity: traceCapacity)
    }

    /// Starts a process: its view of the machine.
    public func process(_ name: String) -> SimulatedKernel {
        processNames.append(name)
        return SimulatedKernel(on: self, name: name, number: processNames.count - 1)
    }

    /// The power fails: `processes` die within one call, and the disk keeps what was synced and,
    /// by chance, some of what was not.
    public func losePower(of processes: [SimulatedKernel]) {
        record(-1, "power is lost")
        for kernel in processes { kernel.die() }
        disk.crash()
    }

    func record(_ process: Int, _ what: StaticString, _ first: Int64 = 0, _ second: Int64 = 0) {
        trace.record(time, process, what, first, second)
    }

    /// Nanoseconds since 1970; the machine booted in November 2023.
    var wallClock: Int64 { 1_700_000_000_000_000_000 + Int64(clamping: time.nanoseconds) }

    // MARK: Agenda

    /// Lets `action` happen at `time`; those of one instant happen in the order of these calls.
    func at(_ time: Instant, _ action: @escaping () -> Void) {
        appointments += 1
        let time = max(time, self.time)
        var low = 0
        var high = agenda.count
        while low < high {
            let middle = (low + high) / 2
            if agenda[middle].time > time { low = middle + 1 } else { high = middle }
        }
        agenda.insert(Appointment(time: time, number: appointments, action: action), at: low)
    }

    /// When the next thing happens by itself.
    var nextAppointment: Instant { agenda.last?.time ?? .never }

    /// Lets the next thing happen, if its time has come; false if it has not.
    func keepAppointment() -> Bool {
        guard let next = agenda.last, next.time <= time else { return false }
        agenda.removeLast()
        next.action()
        return true
    }

    func forgetAppointments() { agenda = [] }

    // MARK: Addresses

    /// `address`, or one with a port that nobody has where its port is 0.
    func assigned(_ address: SocketAddress) -> SocketAddress {
        switch address {
        case .v4(let bytes, port: 0): .v4(bytes, port: freePort())
        case .v6(let bytes, port: 0, let scope): .v6(bytes, port: freePort(), scope: scope)
        default: address
        }
    }

    /// Who listens for connections to `address`: there, or at every address of its family.
    func listener(at address: SocketAddress) -> SimulatedListener? {
        if let listener = listeners[address] { return listener }
        return switch address {
        case .v4(_, let port): listeners[.v4([0, 0, 0, 0], port: port)]
        case .v6(_, let port, _):
            listeners[.v6([UInt8](repeating: 0, count: 16), port: port, scope: 0)]
        case .unix: nil
        }
    }

    private func freePort() -> UInt16 {
        nextPort = nextPort == .max ? 32_768 : nextPort + 1
        return nextPort
    }
}
