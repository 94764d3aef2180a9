import Simulation
import Testing

/// The store over the simulated disk: what it acknowledged outlives every death, and the tests
/// notice if it does not.
@Suite struct StoreTests {
    @Test func everyDeathLeavesFilesWhole() {
        Campaign(test: "everyDeathLeavesFilesWhole", seeds: 2_500)
            .run { seed throws(SimulationFailure) in
                try StoreScenario(seed, faults: .none, bugs: []).run()
            }
    }

    @Test func aFailingDiskTearsNothing() {
        Campaign(test: "aFailingDiskTearsNothing", seeds: 1_500)
            .run { seed throws(SimulationFailure) in
                try StoreScenario(seed, faults: .disk, bugs: []).run()
            }
    }

    // Deliberate bugs, each of which must be found.

    @Test(arguments: [
        PlantedBugs.skipsDataSync, .skipsNameSync, .ignoresShortWrite,
    ])
    func aPlantedBugIsFound(_ bug: PlantedBugs) {
        let result = Campaign(test: "aPlantedBugIsFound", seeds: 200)
            .collect { seed throws(SimulationFailure) in
                try StoreScenario(seed, faults: .none, bugs: bug).run()
            }
        #expect(result.failures.count > 0, "\(bug)")
        print("planted bug \(bug.rawValue): found by \(result.failures.count) of \(result.runs)")
    }
}
