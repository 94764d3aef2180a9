import Kernel
import Runtime
import Simulation
import Testing

/// The simulator itself, seen through the smallest server that runs on the production reactor.
@Suite struct EchoTests {
    static let tcp = SocketAddress.v4([127, 0, 0, 1], port: 7)
    static let unix = SocketAddress.unix("/echo.sock")

    @Test func everySeedEchoesWholeOverPartialTransfers() {
        Campaign(test: "everySeedEchoesWholeOverPartialTransfers", seeds: 5_000)
            .run { seed throws(SimulationFailure) in try Self.echo(seed, faults: .none) }
    }

    @Test func resetsEndConnectionsAndNothingElse() {
        Campaign(test: "resetsEndConnectionsAndNothingElse", seeds: 1_000)
            .run { seed throws(SimulationFailure) in try Self.echo(seed, faults: .network) }
    }

    @Test func unixSocketsEchoToo() {
        Campaign(test: "unixSocketsEchoToo", seeds: 1_000)
            .run { seed throws(SimulationFailure) in
                try Self.echo(seed, faults: .network, at: Self.unix)
            }
    }

    @Test func peersThatDieAreCleanedUpAfter() {
        Campaign(test: "peersThatDieAreCleanedUpAfter", seeds: 1_000)
            .run { seed throws(SimulationFailure) in
                try Self.echo(seed, faults: .none, mayDie: true)
            }
    }

    @Test func aSeedDeterminesTheRun() throws {
        var hashes: Set<UInt64> = []
        for number in 1...50 as ClosedRange<UInt64> {
            let seed = Seed(number: number, test: "aSeedDeterminesTheRun")
            let first = try Self.echo(seed, faults: .network)
            #expect(try Self.echo(seed, faults: .network) == first)
            hashes.insert(first)
        }
        #expect(hashes.count == 50)
    }

    /// The first of the deliberate bugs: a sender that takes a short count for the whole.
    @Test func aLostRangeOfBytesIsFound() {
        let result = Campaign(test: "aLostRangeOfBytesIsFound", seeds: 50)
            .collect { seed throws(SimulationFailure) in
                try Self.echo(seed, faults: .none, bugs: .ignoresShortSend)
            }
        #expect(result.failures.count > result.runs / 2)
        #expect(result.failures.first?.description.contains("AMPD_SEED=") == true)
    }

    // MARK: The scenario

    /// A server and one to four clients, who say something and want it back. Returns the hash of
    /// all that happened.
    @discardableResult
    static func echo(
        _ seed: Seed, faults: Faults, at address: SocketAddress = EchoTests.tcp,
        mayDie: Bool = false, bugs: PlantedBugs = []
    ) throws(SimulationFailure) -> UInt64 {
        let simulation = seed.simulation(faults: faults)
        simulation.stepLimit = 100_000
        simulation.machine.bugs = bugs
        let server = try simulation.require("the server starts") { () throws(Errno) in
            let process = try simulation.start("server")
            process.program = try process.reactor.map { reactor throws(Errno) in
                try EchoServer(at: address, on: reactor)
            }
            return process
        }
        var clients: [SimulatedProcess] = []
        for index in 0..<simulation.machine.scenario.number(in: 1...4) {
            let size = simulation.machine.scenario.size(in: 1...20_000)
            let message = simulation.machine.scenario.bytes(size)
            let client = try simulation.require("a client starts") { () throws(Errno) in
                let process = try simulation.start("client \(index)")
                process.program = try process.reactor.map { reactor throws(Errno) in
                    try EchoClient(to: address, saying: message, on: reactor)
                }
                return process
            }
            if mayDie, simulation.machine.scenario.oneIn(2) {
                let calls = simulation.machine.scenario.size(in: 1...200)
                client.kernel.doom(afterCalls: calls, .killed)
            }
            clients.append(client)
        }
        try simulation.run {
            (server.program as? EchoServer)?.isIdle == true
                && clients.allSatisfy {
                    !$0.isAlive || ($0.program as? EchoClient)?.outcome != nil
                }
        }
        (server.program as? EchoServer)?.close()
        try check(simulation, clients, mayFail: faults.reset > 0)
        return simulation.machine.trace.hash
    }

    private static func check(
        _ simulation: Simulation, _ clients: [SimulatedProcess], mayFail: Bool
    ) throws(SimulationFailure) {
        for client in clients where client.isAlive {
            switch (client.program as? EchoClient)?.outcome {
            case .echoed: break
            case .ended where mayFail: break
            case let outcome:
                throw simulation.failure("\(client.kernel.name): \(outcome as Any)")
            }
        }
        for process in simulation.processes {
            let leaks = process.exit()
            if !leaks.isEmpty {
                throw simulation.failure("\(process.kernel.name) left open: \(leaks)")
            }
        }
    }
}
