import AMPServer
import Daemon
import Digests
import Kernel
import Simulation
import Store

/// What the daemon has to live through.
enum Weather: CaseIterable {
    /// Short transfers and delays, but nothing fails: every call succeeds.
    case calm
    /// Connections are reset, accepts fail, clients die, and some peers talk nonsense.
    case stormy
    /// The daemon is killed at any system call and started again.
    case killed
    /// The power fails at any system call.
    case powerLost
    /// Reads, writes and syncs fail, and the disk is full at times.
    case failingDisk
}

/// The daemon over the simulated disk and network, with one to four clients on the production
/// connection and perhaps a stock peer, all of whom check what they are told; afterwards what is
/// on the disk is checked against what was acknowledged, and that nothing is left over.
final class DaemonScenario {
    private let simulation: Simulation
    private let weather: Weather
    private let configuration: Configuration
    private let ledger = Ledger()
    private let uploads = InterruptedUploads()
    private var daemon: SimulatedProcess
    private var clients: [SimulatedProcess] = []

    private static let address = SocketAddress.v4([127, 0, 0, 1], port: 2673)

    init(_ seed: Seed, _ weather: Weather, bugs: PlantedBugs = []) throws(SimulationFailure) {
        let simulation = seed.simulation(faults: weather == .stormy ? .network : .none)
        simulation.stepLimit = 200_000
        simulation.machine.bugs = bugs
        self.simulation = simulation
        self.weather = weather
        configuration = Self.configuration(&simulation.machine.scenario)
        let configuration = configuration
        daemon = try simulation.require("the daemon starts") { () throws(Errno) in
            try Self.startDaemon(simulation, configuration)
        }
    }

    private var machine: Machine { simulation.machine }

    /// Returns the hash of all that happened.
    @discardableResult
    func run() throws(SimulationFailure) -> UInt64 {
        do throws(SimulationFailure) {
            return try live()
        } catch {
            var failure = error
            failure.processes += program?.log.lines.suffix(20) ?? []
            throw failure
        }
    }

    private func live() throws(SimulationFailure) -> UInt64 {
        let calls = machine.scenario.size(in: 1...4_000)
        switch weather {
        case .killed: daemon.kernel.doom(afterCalls: calls, .killed)
        case .powerLost: daemon.kernel.doom(afterCalls: calls, .powerLost)
        case .failingDisk: machine.faults = .disk
        case .calm, .stormy: break
        }
        try serveClients()
        machine.faults = .none
        if !daemon.isAlive {
            let configuration = configuration
            daemon = try simulation.require("the daemon starts again") { () throws(Errno) in
                try Self.startDaemon(self.simulation, configuration)
            }
        }
        daemon.kernel.doom(afterCalls: .max / 2, .killed)
        try checkDisk()
        clients = []
        try startClient(calls: 8)
        try finishClients()
        try checkDisk()
        try stopDaemon()
        return machine.trace.hash
    }

    // MARK: The daemon

    private static func configuration(_ chance: inout Chance) -> Configuration {
        var configuration = Configuration()
        configuration.root = "/"
        configuration.limits.chunk = chance.size(in: 1_024...61_440)
        configuration.limits.streamWindow = chance.size(in: 2_048...131_072)
        configuration.limits.maxStreams = chance.size(in: 4...64)
        return configuration
    }

    private static func startDaemon(
        _ simulation: Simulation, _ configuration: Configuration
    ) throws(Errno) -> SimulatedProcess {
        let process = try simulation.start("ampd")
        guard let reactor = process.reactor else { throw .invalid }
        do {
            let driver = try DirectoryDriver(
                root: configuration.root, over: process.kernel,
                checkpointInterval: UInt64(simulation.machine.scenario.size(in: 1_024...65_536)))
            let program = DaemonProgram()
            let daemon = Daemon(
                configuration, driver: driver, on: reactor,
                log: Log(to: program.log, kernel: process.kernel))
            _ = try daemon.server.listen(on: address)
            daemon.ready()
            process.noteBaseline()
            program.daemon = daemon
            process.program = program
        } catch {
            throw error as? Errno ?? .inputOutput
        }
        return process
    }

    /// It is told to stop when nobody is connected, and leaves nothing open.
    private func stopDaemon() throws(SimulationFailure) {
        program?.daemon?.stop()
        daemon.wake()
        try simulation.run { self.program?.log.hasStopped == true }
        daemon.kill()
    }

    private var program: DaemonProgram? { daemon.program as? DaemonProgram }

    // MARK: Clients

    private func serveClients() throws(SimulationFailure) {
        for _ in 0..<machine.scenario.number(in: 1...4) {
            let client = try startClient(calls: machine.scenario.size(in: 1...12))
            if weather == .stormy, machine.scenario.oneIn(3) {
                client.kernel.doom(afterCalls: machine.scenario.size(in: 8...600), .killed)
            }
        }
        if weather == .stormy || machine.scenario.oneIn(4) { try startRawPeer() }
        try finishClients()
    }

    @discardableResult
    private func startClient(calls: Int) throws(SimulationFailure) -> SimulatedProcess {
        let client = try simulation.require("a client starts") { () throws(Errno) in
            let process = try simulation.start("client \(clients.count)")
            guard let reactor = process.reactor else { throw .invalid }
            process.noteBaseline()
            process.program = try StoreClient(
                to: Self.address, on: reactor, ledger: ledger, uploads: uploads, calls: calls,
                chance: Chance(seed: machine.scenario.next(), for: .scenario),
                diskMayFail: weather == .failingDisk)
            return process
        }
        clients.append(client)
        return client
    }

    private func startRawPeer() throws(SimulationFailure) {
        let peer = try simulation.require("a stock peer starts") { () throws(Errno) in
            let process = try simulation.start("stock peer")
            guard let reactor = process.reactor else { throw .invalid }
            process.noteBaseline()
            process.program = try RawPeer(to: Self.address, on: reactor, &machine.scenario)
            return process
        }
        clients.append(peer)
    }

    /// Until all have left or died; then what they found wrong, and what they left.
    private func finishClients() throws(SimulationFailure) {
        try simulation.run {
            self.clients.allSatisfy { client in
                guard client.isAlive else { return true }
                if let peer = client.program as? RawPeer { return peer.hasEnded }
                return (client.program as? StoreClient)?.ending != nil
            }
        }
        for upload in uploads.all { upload.isUnderWay = false }
        let serverLived = daemon.isAlive
        for client in clients where client.isAlive {
            var mistakes = (client.program as? StoreClient)?.mistakes ?? []
            if let mistake = (client.program as? RawPeer)?.mistake, serverLived {
                mistakes.append(mistake)
            }
            if machine.faults.reset == 0, serverLived,
                let ending = (client.program as? StoreClient)?.ending
            {
                if case .done = ending {} else { mistakes.append("it ended: \(ending)") }
            }
            if let mistake = mistakes.first {
                throw simulation.failure("\(client.kernel.name): \(mistake)")
            }
            let leaks = client.deviations
            if !leaks.isEmpty {
                throw simulation.failure("\(client.kernel.name) left open: \(leaks)")
            }
            client.kill()
        }
        if serverLived { try settle() }
    }

    /// The daemon has done all that it had to do for those who are gone.
    private func settle() throws(SimulationFailure) {
        try simulation.run {
            !self.daemon.isAlive
                || self.program?.daemon?.server.connectionCount == 0
                    && self.daemon.reactor?.pendingJobs == 0
        }
        // What the last jobs have brought is still to be let go of.
        try simulation.run(for: .milliseconds(100))
        let leaks = daemon.deviations
        guard leaks.isEmpty || !daemon.isAlive else {
            throw simulation.failure("ampd left open: \(leaks)")
        }
    }

    // MARK: What must hold

    /// Every name holds what the ledger allows, whole, and nothing else is there but uploads that
    /// can be taken up.
    private func checkDisk() throws(SimulationFailure) {
        let files = machine.disk.files()
        for name in Ledger.names {
            let found = files["/" + name]
            let states = ledger.states(of: name, since: ledger.now + 1)
            guard states.contains(where: { $0?.bytes == found }) else {
                let sizes = states.map { $0.map { "\($0.bytes.count) bytes" } ?? "none" }
                let what = found.map { "\($0.count) bytes" } ?? "none"
                throw simulation.failure("\(name): found \(what), allowed \(sizes)")
            }
        }
        let known = Set(Ledger.names.map { "/" + $0 } + ["/.ampd/version", "/.ampd/version.new"])
        var stems: Set<String> = []
        for upload in uploads.all where !upload.isOver || weather == .failingDisk {
            guard let token = upload.token else { continue }
            stems.insert(Hexadecimal.text(Digest(of: token, by: .sha256).bytes))
        }
        for path in files.keys.sorted() where !known.contains(path) {
            let name = path.split(separator: "/").last ?? ""
            let stem = String(name.split(separator: ".").first ?? "")
            guard path.hasPrefix("/.ampd/uploads/"), stems.contains(stem) else {
                if weather == .failingDisk, path.hasPrefix("/.ampd/uploads/") { continue }
                throw simulation.failure("left over: \(path)")
            }
        }
    }
}
