import Digests
import Kernel
import Simulation
import Store

/// The directory driver lives through several deaths, of the process or of the power, each at any
/// system call; in between it does by chance what clients ask of it. After each death the disk
/// must hold what was acknowledged, and nothing torn.
final class StoreScenario {
    private let simulation: Simulation
    private var kernel: SimulatedKernel
    private var driver: DirectoryDriver?
    private var lastDoom = SimulatedKernel.Doom.killed

    /// What may be found under each name: nil is "no file". One state if the last change was
    /// acknowledged, more while it is not known what became of changes.
    private var allowed: [String: [[UInt8]?]] = [:]
    /// What each token's upload is to become, and how much of it was said to be durable.
    private var uploads: [(token: [UInt8], name: String, contents: [UInt8], durable: Int)] = []

    /// Every token that was ever used: a failing disk may have kept what was to be removed.
    private var tokens: [[UInt8]] = []

    private static let names = ["a", "b/c", "b/d", "e/f/g"]
    private static let deaths = 3
    private static let operations = 5

    init(_ seed: Seed, faults: Faults, bugs: PlantedBugs) {
        simulation = seed.simulation(faults: faults)
        simulation.machine.bugs = bugs
        kernel = simulation.machine.process("ampd 0")
    }

    private var machine: Machine { simulation.machine }

    func run() throws(SimulationFailure) {
        for life in 1...Self.deaths {
            lastDoom = machine.scenario.oneIn(2) ? .powerLost : .killed
            kernel.doom(afterCalls: machine.scenario.size(in: 1...250), lastDoom)
            try live()
            driver = nil
            // A life may end before its doom; then it ends now.
            if kernel.isAlive {
                if lastDoom == .powerLost { machine.losePower(of: [kernel]) } else { kernel.die() }
            }
            kernel = machine.process("ampd \(life)")
            try checkFiles()
        }
        try lastLife()
    }

    private func live() throws(SimulationFailure) {
        do {
            driver = try DirectoryDriver(
                root: "/", over: kernel,
                checkpointInterval: UInt64(machine.scenario.size(in: 512...8_192)))
        } catch {
            return  // Died, or the disk failed: the next life tries again.
        }
        for _ in 0..<Self.operations where kernel.isAlive {
            switch machine.scenario.below(8) {
            case 0...2: try put(token: nil)
            case 3, 4: try put(token: machine.scenario.bytes(16))
            case 5, 6: try resume()
            default: remove()
            }
        }
    }

    // MARK: What clients do

    private func put(token: [UInt8]?) throws(SimulationFailure) {
        let name = machine.scenario.element(of: Self.names)
        let contents = machine.scenario.bytes(machine.scenario.size(in: 1...12_000))
        if let token {
            uploads.append((token, name, contents, 0))
            tokens.append(token)
        }
        try upload(contents, from: 0, as: name, token: token)
    }

    private func resume() throws(SimulationFailure) {
        guard !uploads.isEmpty, let driver else { return }
        let index = machine.scenario.below(uploads.count)
        let (token, name, contents, durable) = uploads[index]
        let status: UploadStatus
        do throws(StoreError) {
            status = try driver.uploadStatus(of: token, digest: .xxh3)
        } catch {
            let mayBeGone = durable == 0 || machine.faults.diskError > 0
            if error.code == .notFound, kernel.isAlive, !mayBeGone {
                throw simulation.failure("\(name): \(durable) durable bytes of an upload are gone")
            }
            return
        }
        let offset = Int(status.offset)
        guard status.name.path == name, offset >= durable, offset <= contents.count else {
            throw simulation.failure("\(name): \(durable) bytes were durable, now \(status)")
        }
        guard status.digest == Digest(of: Array(contents[..<offset]), by: .xxh3) else {
            throw simulation.failure("\(name): the durable \(offset) bytes are others")
        }
        uploads[index].durable = offset
        try upload(contents, from: offset, as: name, token: token)
    }

    /// Uploads, and gives up by chance; then the token is still good. A token whose upload is
    /// published or failed is forgotten here.
    private func upload(
        _ contents: [UInt8], from offset: Int, as name: String, token: [UInt8]?
    ) throws(SimulationFailure) {
        do throws(StoreError) {
            guard let receipt = try send(contents, from: offset, as: name, token) else { return }
            guard receipt.size == UInt64(contents.count) else {
                throw StoreError(.mismatch, "\(receipt.size) bytes, not \(contents.count)")
            }
            allowed[name] = [contents]
        } catch {
            // Died or failed: both what was and what was to be are allowed from here on.
            if !kernel.isAlive { return }
            if error.code == .mismatch { throw simulation.failure("\(name): \(error)") }
        }
        if let token { uploads.removeAll { $0.token == token } }
    }

    /// nil if it was given up.
    private func send(
        _ contents: [UInt8], from offset: Int, as name: String, _ token: [UInt8]?
    ) throws(StoreError) -> Receipt? {
        guard let driver else { return nil }
        var request = UploadRequest(name: try FileName(name), token: token)
        request.offset = UInt64(offset)
        if machine.scenario.oneIn(2) { request.length = UInt64(contents.count - offset) }
        request.digest = Digest(of: Array(contents[offset...]), by: .xxh3)
        request.wanted = machine.scenario.oneIn(2) ? .sha256 : nil
        let upload = try driver.begin(request)
        var position = offset
        while position < contents.count {
            let end = position + machine.scenario.size(in: 1...(contents.count - position))
            try upload.write(Array(contents[position..<end]))
            position = end
            if machine.scenario.oneIn(8) {
                upload.suspend()
                return nil
            }
        }
        allowed[name, default: [nil]].append(contents)
        // Once it may be published, the token may be unknown.
        for index in uploads.indices where uploads[index].token == token {
            uploads[index].durable = 0
        }
        return try upload.commit(length: nil, digest: nil)
    }

    private func remove() {
        let name = machine.scenario.element(of: Self.names)
        guard let driver else { return }
        do {
            let states = allowed[name, default: [nil]]
            if states.count > 1 || states[0] != nil { allowed[name] = states + [nil] }
            try driver.remove(try FileName(name))
            allowed[name] = [nil]
        } catch {}  // Not there, or failed: no change is certain.
    }

    // MARK: What must hold

    private func checkFiles() throws(SimulationFailure) {
        let files = machine.disk.files()
        for name in Self.names {
            let found = files["/" + name]
            let states = allowed[name, default: [nil]]
            guard states.contains(found) else {
                let sizes = states.map { $0.map { "\($0.count) bytes" } ?? "none" }
                let what = found.map { "\($0.count) bytes" } ?? "none"
                throw simulation.failure(
                    "\(name) after \(lastDoom): found \(what), allowed \(sizes)")
            }
            // What a loss of power left is on the disk for good; what a kill left may yet go.
            if lastDoom == .powerLost { allowed[name] = [found] }
        }
        let strangers = files.keys.filter { path in
            !path.hasPrefix("/.ampd/") && !Self.names.contains(String(path.dropFirst()))
        }
        guard strangers.isEmpty else { throw simulation.failure("strange files: \(strangers)") }
    }

    /// No more faults: the store opens, what is left of uploads can be finished or is gone, and
    /// nothing of them lies about.
    private func lastLife() throws(SimulationFailure) {
        machine.faults = .none
        do {
            let driver = try DirectoryDriver(root: "/", over: kernel)
            self.driver = driver
            for token in tokens {
                if let status = try? driver.uploadStatus(of: token, digest: nil) {
                    let upload = try driver.begin(
                        UploadRequest(name: status.name, token: token, offset: status.offset))
                    upload.discard()
                }
            }
        } catch {
            throw simulation.failure("the last life: \(error)")
        }
        let left = machine.disk.files().keys.filter { $0.hasPrefix("/.ampd/uploads/") }
        guard left.isEmpty else { throw simulation.failure("left in .ampd/uploads: \(left)") }
        driver = nil
        guard kernel.openDescriptors.isEmpty else {
            throw simulation.failure("left open: \(kernel.openDescriptors)")
        }
    }
}

extension Upload {
    fileprivate func write(_ bytes: [UInt8]) throws(StoreError) {
        let fault: StoreError? = bytes.withUnsafeBytes { bytes in
            let vectors = [IOVector(base: bytes.baseAddress, count: bytes.count)]
            return vectors.withUnsafeBufferPointer { vectors in
                do throws(StoreError) {
                    try write(vectors)
                    return nil
                } catch {
                    return error
                }
            }
        }
        if let fault { throw fault }
    }
}
