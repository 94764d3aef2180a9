import Simulation
import Testing

/// The whole daemon from one seed: reactor, connections, sessions, responders, store.
@Suite struct DaemonTests {
    @Test(arguments: Weather.allCases)
    func theDaemonKeepsItsPromises(_ weather: Weather) {
        Campaign(test: "theDaemonKeepsItsPromises", seeds: 1_000)
            .run { seed throws(SimulationFailure) in
                try DaemonScenario(seed, weather).run()
            }
    }

    @Test func aSeedDeterminesTheRun() throws {
        for number in 1...20 as ClosedRange<UInt64> {
            let seed = Seed(number: number, test: "aSeedDeterminesTheRun")
            let first = try DaemonScenario(seed, .stormy).run()
            #expect(try DaemonScenario(seed, .stormy).run() == first, "seed \(number)")
        }
    }

    /// A daemon that sends part of a chunk and believes it was all.
    @Test func lostBytesAreFound() {
        let result = Campaign(test: "lostBytesAreFound", seeds: 20)
            .collect { seed throws(SimulationFailure) in
                try DaemonScenario(seed, .calm, bugs: .ignoresShortSend).run()
            }
        #expect(result.failures.count > 0)
    }

    /// A daemon that answers before the data is durable.
    @Test func anEarlyAnswerIsFound() {
        let result = Campaign(test: "anEarlyAnswerIsFound", seeds: 300)
            .collect { seed throws(SimulationFailure) in
                try DaemonScenario(seed, .powerLost, bugs: .skipsDataSync).run()
            }
        #expect(result.failures.count > 0)
    }
}
