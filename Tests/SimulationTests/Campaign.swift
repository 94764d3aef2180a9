import Foundation
import Simulation
import Testing

/// A scenario under many seeds, over all cores.
///
/// `AMPD_SEED` runs that one seed with a longer trace; `AMPD_SEEDS` sets how many run instead of
/// each test's own number.
struct Campaign {
    /// The test, as `swift test --filter` finds it.
    var test: String
    var seeds: Int

    struct Result {
        var runs = 0
        var failures: [SimulationFailure] = []
    }

    /// Runs the scenario under every seed and reports the first failures as issues.
    func run(_ scenario: @Sendable (Seed) throws(SimulationFailure) -> Void) {
        let result = collect(scenario)
        for failure in result.failures.prefix(3) { Issue.record("\(failure)") }
        #expect(result.failures.count == 0, "\(result.failures.count) of \(result.runs) seeds fail")
    }

    /// Runs the scenario under every seed; failures in the order of their seeds.
    func collect(_ scenario: @Sendable (Seed) throws(SimulationFailure) -> Void) -> Result {
        let environment = ProcessInfo.processInfo.environment
        if let single = environment["AMPD_SEED"].flatMap({ UInt64($0) }) {
            return run(single...single, traceCapacity: 4_000, scenario)
        }
        let count = environment["AMPD_SEEDS"].flatMap { UInt64($0) } ?? UInt64(seeds)
        return run(1...max(1, count), traceCapacity: 64, scenario)
    }

    private func run(
        _ seeds: ClosedRange<UInt64>, traceCapacity: Int,
        _ scenario: @Sendable (Seed) throws(SimulationFailure) -> Void
    ) -> Result {
        let lock = NSLock()
        nonisolated(unsafe) var failures: [SimulationFailure] = []
        DispatchQueue.concurrentPerform(iterations: seeds.count) { index in
            let number = seeds.lowerBound + UInt64(index)
            do throws(SimulationFailure) {
                try scenario(Seed(number: number, test: test, traceCapacity: traceCapacity))
            } catch {
                lock.withLock { failures.append(error) }
            }
        }
        failures.sort { $0.seed < $1.seed }
        return Result(runs: seeds.count, failures: failures)
    }
}

/// One seed of a campaign.
struct Seed {
    var number: UInt64
    var test: String
    var traceCapacity = 64

    func simulation(faults: Faults = .none) -> Simulation {
        Simulation(
            seed: number, faults: faults,
            replay: "AMPD_SEED=\(number) SWIFT_DETERMINISTIC_HASHING=1 swift test --filter \(test)",
            traceCapacity: traceCapacity)
    }
}
