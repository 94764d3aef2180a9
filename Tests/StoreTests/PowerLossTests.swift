import Digests
import Kernel
import Simulation
import Store
import Testing

/// The store over a simulated disk that loses power at any call, and with it any part of what
/// was not synced: sectors of files, changes of names in any order.
@Suite("Power loss")
struct PowerLossTests {
    static let old = pattern(3000, seed: 1)
    static let new = pattern(9000, seed: 2)
    static let newer = pattern(8000, seed: 3)

    /// What one seed led to.
    private struct Outcome {
        var isAnswered = false
        var faults: [String] = []

        mutating func expect(_ holds: Bool, _ what: String) {
            if !holds { faults.append(what) }
        }
    }

    private func open(_ machine: Machine) throws -> (SimulatedKernel, DirectoryDriver) {
        let kernel = machine.process("store")
        return (kernel, try DirectoryDriver(root: "/", over: kernel, checkpointInterval: 2000))
    }

    /// Puts `bytes` by a token, interrupted once.
    private func upload(_ bytes: [UInt8], as name: FileName, by driver: DirectoryDriver) throws {
        let first = try driver.begin(UploadRequest(name: name, token: token, length: 9000))
        for start in stride(from: 0, to: 5000, by: 500) {
            try first.write(Array(bytes[start..<start + 500]))
        }
        first.suspend()
        let offset = try driver.uploadStatus(of: token, digest: nil).offset
        try finish(bytes, as: name, from: offset, by: driver)
    }

    private func finish(
        _ bytes: [UInt8], as name: FileName, from offset: UInt64, by driver: DirectoryDriver
    ) throws {
        let rest = try driver.begin(
            UploadRequest(name: name, token: token, offset: offset, wanted: .xxh3))
        for start in stride(from: Int(offset), to: bytes.count, by: 500) {
            try rest.write(Array(bytes[start..<min(start + 500, bytes.count)]))
        }
        _ = try rest.commit(
            length: nil, digest: Digest(of: Array(bytes[Int(offset)...]), by: .xxh3))
    }

    /// One upload, the power lost somewhere in it, and what must hold after that.
    private func crash(
        _ machine: Machine, _ bytes: [UInt8], over before: [UInt8]?, _ name: FileName,
        _ outcome: inout Outcome
    ) throws {
        let path = "/" + name.path
        let (kernel, driver) = try open(machine)
        kernel.doom(afterCalls: machine.scenario.below(120), .powerLost)
        let isAnswered = (try? upload(bytes, as: name, by: driver)) != nil
        if isAnswered { outcome.isAnswered = true }
        machine.losePower(of: [kernel])

        let (second, after) = try open(machine)
        let found = machine.disk.files()[path]
        outcome.expect(found == bytes || (!isAnswered && found == before), "not whole")
        var offset: UInt64 = 0
        if let status = try? after.uploadStatus(of: token, digest: .xxh3) {
            offset = status.offset
            let prefix = Array(bytes.prefix(Int(offset)))
            outcome.expect(status.digest == Digest(of: prefix, by: .xxh3), "not durable")
            outcome.expect(!isAnswered || offset == 0, "not finished")
        }
        try finish(bytes, as: name, from: outcome.faults.isEmpty ? offset : 0, by: after)
        outcome.expect(machine.disk.files()[path] == bytes, "not resumed")
        let hidden = machine.disk.files().keys.filter { $0.hasPrefix("/.ampd/uploads/") }
        outcome.expect(hidden.isEmpty, "leftovers")
        // The token is used again, and its end may not have been synced by then.
        if machine.scenario.oneIn(2) { second.die() } else { machine.losePower(of: [second]) }
    }

    private func run(_ seed: UInt64, _ bugs: PlantedBugs = []) throws -> Outcome {
        let machine = Machine(seed: seed)
        machine.bugs = bugs
        var outcome = Outcome()
        let name = try FileName(seed.isMultiple(of: 2) ? "f" : "d/e/f")
        let isReplacing = seed.isMultiple(of: 3)
        if isReplacing {
            let (kernel, driver) = try open(machine)
            try finish(Self.old, as: name, from: 0, by: driver)
            machine.losePower(of: [kernel])
            outcome.expect(machine.disk.files()["/" + name.path] == Self.old, "old not durable")
        }
        try crash(machine, Self.new, over: isReplacing ? Self.old : nil, name, &outcome)
        try crash(machine, Self.newer, over: Self.new, name, &outcome)
        return outcome
    }

    @Test("After any crash what was answered is there, and the rest is whole or absent")
    func seeds() throws {
        var answered = 0
        for seed in 0..<1000 as Range<UInt64> {
            let outcome = try run(seed)
            if outcome.isAnswered { answered += 1 }
            #expect(outcome.faults.isEmpty, "seed \(seed)")
        }
        #expect(answered > 100 && answered < 900)
    }

    @Test("A store that forgot a sync would be found out")
    func planted() throws {
        for bug in [PlantedBugs.skipsDataSync, .skipsNameSync, .ignoresShortWrite] {
            let isFound = (0..<200 as Range<UInt64>).contains { seed in
                // A file that cannot be resumed as it should be is an error too.
                guard let outcome = try? run(seed, bug) else { return true }
                return !outcome.faults.isEmpty
            }
            #expect(isFound)
        }
    }
}
