import Kernel
import Simulation
import Testing

/// What the simulated disk promises of a loss of power, and what it refuses to.
@Suite struct DiskTests {
    let path = "/file"

    @Test func whatWasSyncedSurvivesEveryCrash() throws {
        for seed in 1...300 as ClosedRange<UInt64> {
            let machine = Machine(seed: seed)
            let contents = machine.scenario.bytes(3_000)
            let kernel = machine.process("writer")
            let file = try kernel.open(path, in: nil, [.create, .write], mode: 0o600)
            try kernel.writeAll(file, contents, at: 0)
            try kernel.syncData(file)
            let root = try kernel.open("/", in: nil, .directory, mode: 0)
            try kernel.sync(root)
            machine.losePower(of: [kernel])
            #expect(machine.disk.files() == [path: contents])
        }
    }

    @Test func unsyncedBytesMayBeThereOrNotOrInPart() throws {
        var outcomes: Set<String> = []
        for seed in 1...300 as ClosedRange<UInt64> {
            let machine = Machine(seed: seed)
            let kernel = machine.process("writer")
            let file = try kernel.open(path, in: nil, [.create, .write], mode: 0o600)
            let root = try kernel.open("/", in: nil, .directory, mode: 0)
            try kernel.sync(root)
            let old = [UInt8](repeating: 1, count: 2_000)
            let new = [UInt8](repeating: 2, count: 2_000)
            try kernel.writeAll(file, old, at: 0)
            try kernel.syncData(file)
            try kernel.writeAll(file, new, at: 0)
            machine.losePower(of: [kernel])
            let left = machine.disk.files()[path]
            outcomes.insert(left == old ? "old" : left == new ? "new" : "torn")
            #expect(left?.count == 2_000)
        }
        #expect(outcomes == ["old", "new", "torn"])
    }

    @Test func aNameIsDurableOnceItsDirectoryIsSynced() throws {
        var outcomes: Set<[String]> = []
        for seed in 1...300 as ClosedRange<UInt64> {
            let machine = Machine(seed: seed)
            let kernel = machine.process("writer")
            let root = try kernel.open("/", in: nil, .directory, mode: 0)
            _ = try kernel.open("old", in: root, [.create, .write], mode: 0o600)
            try kernel.sync(root)
            try kernel.rename("old", in: root, to: "new", in: root, replacing: false)
            if seed > 200 { try kernel.sync(root) }
            machine.losePower(of: [kernel])
            let names = machine.disk.files().keys.sorted()
            if seed > 200 { #expect(names == ["/new"]) } else { outcomes.insert(names) }
        }
        // A rename is atomic: never both names, never none.
        #expect(outcomes == [["/old"], ["/new"]])
    }

    @Test func aNameThatWasReplacedDoesNotComeBack() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            let machine = Machine(seed: seed)
            let kernel = machine.process("writer")
            let root = try kernel.open("/", in: nil, .directory, mode: 0)
            try kernel.makeDirectory("hidden", in: root, mode: 0o700)
            try kernel.sync(root)
            let hidden = try kernel.open("hidden", in: root, .directory, mode: 0)
            _ = try kernel.open("upload", in: hidden, [.create, .write], mode: 0o600)
            try kernel.rename("upload", in: hidden, to: "file", in: root, replacing: true)
            try kernel.sync(root)
            machine.losePower(of: [kernel])
            #expect(machine.disk.files().keys.sorted() == ["/file"])
        }
    }

    @Test func afterAFailedSyncNothingOfItIsCertain() throws {
        var losses = 0
        for seed in 1...100 as ClosedRange<UInt64> {
            let machine = Machine(seed: seed)
            let kernel = machine.process("writer")
            let file = try kernel.open(path, in: nil, [.create, .write], mode: 0o600)
            let root = try kernel.open("/", in: nil, .directory, mode: 0)
            try kernel.sync(root)
            try kernel.writeAll(file, [1, 2, 3], at: 0)
            machine.faults.diskError = 1
            #expect(throws: Errno.inputOutput) { try kernel.syncData(file) }
            machine.faults.diskError = 0
            // As on Linux, the second sync finds nothing to do and says that all is well.
            try kernel.syncData(file)
            machine.losePower(of: [kernel])
            if machine.disk.files()[path] != [1, 2, 3] { losses += 1 }
        }
        #expect(losses == 100)
    }

    @Test func aKilledProcessLosesNothingThatItWrote() throws {
        let machine = Machine(seed: 1)
        let kernel = machine.process("writer")
        let file = try kernel.open(path, in: nil, [.create, .write], mode: 0o600)
        try kernel.writeAll(file, [1, 2, 3], at: 2)
        kernel.die()
        #expect(machine.disk.files() == [path: [0, 0, 1, 2, 3]])
        #expect(kernel.openDescriptors.isEmpty)
        #expect(throws: Errno.inputOutput) { try kernel.status(file) }
        kernel.close(file)
    }

    @Test func aDoomedProcessStopsAtThatCall() throws {
        let machine = Machine(seed: 1)
        let kernel = machine.process("writer")
        kernel.doom(afterCalls: 2, .killed)
        let root = try kernel.open("/", in: nil, .directory, mode: 0)
        #expect(throws: Errno.inputOutput) {
            try kernel.open("file", in: root, .create, mode: 0o600)
        }
        #expect(!kernel.isAlive)
        #expect(machine.disk.files().isEmpty)
    }

    @Test func theDiskFillsUpAndIsGivenBack() throws {
        let machine = Machine(seed: 1)
        machine.disk.capacity = 5_000
        let kernel = machine.process("writer")
        let root = try kernel.open("/", in: nil, .directory, mode: 0)
        let file = try kernel.open("file", in: root, [.create, .write], mode: 0o600)
        #expect(throws: Errno.noSpace) { try kernel.allocate(file, upTo: 5_001) }
        #expect(throws: Errno.noSpace) {
            try kernel.writeAll(file, [UInt8](repeating: 1, count: 6_000), at: 0)
        }
        #expect(try kernel.status(file).size == 5_000)
        try kernel.remove("file", in: root, isDirectory: false)
        #expect(machine.disk.used == 5_000, "it is still open")
        kernel.close(file)
        #expect(machine.disk.used == 0)
    }

    @Test func namesAreResolvedBeneath() throws {
        let kernel = Machine(seed: 1).process("opener")
        let root = try kernel.open("/", in: nil, .directory, mode: 0)
        try kernel.makeDirectory("a", in: root, mode: 0o700)
        let inner = try kernel.open("a", in: root, .directory, mode: 0)
        _ = try kernel.open("a/b", in: root, [.create, .exclusive, .write], mode: 0o600)
        let refusals: [(String, OpenFlags, Errno)] = [
            ("../a/b", [], .crossDevice), ("/a/b", [], .crossDevice), ("c", [], .notFound),
            ("b/c", [], .notDirectory), (".", .write, .isDirectory), ("", [], .notFound),
            ("b", [.create, .exclusive], .exists), ("b", .directory, .notDirectory),
            (String(repeating: "n", count: 256), .create, .nameTooLong),
        ]
        for (path, flags, error) in refusals {
            #expect(throws: error, "\(path)") {
                try kernel.open(path, in: inner, flags, mode: 0)
            }
        }
    }

    @Test func aDirectoryIsReadInBatchesEachNameOnce() throws {
        let machine = Machine(seed: 3)
        let kernel = machine.process("reader")
        let root = try kernel.open("/", in: nil, .directory, mode: 0)
        let names = (0..<200).map { "name \($0)" }
        for name in names {
            kernel.close(try kernel.open(name, in: root, [.create, .write], mode: 0o600))
        }
        var entries: [DirectoryEntry] = []
        var calls = 0
        while try kernel.readDirectory(root, into: &entries) { calls += 1 }
        #expect(calls > 1)
        #expect(entries.map { String(decoding: $0.name, as: UTF8.self) }.sorted() == names.sorted())
        #expect(entries.contains { $0.kind == nil })
    }

    @Test func shortReadsAndWritesComeAndAddUp() throws {
        let machine = Machine(seed: 5)
        let kernel = machine.process("copier")
        let contents = machine.scenario.bytes(50_000)
        let file = try kernel.open(path, in: nil, [.create, .readWrite], mode: 0o600)
        #expect(try kernel.writeAll(file, contents, at: 0) > 1)
        var read: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 8_192)
        var shortReads = 0
        while true {
            let count = try part.withUnsafeMutableBytes {
                try kernel.read(file, into: $0, at: Int64(read.count))
            }
            if count == 0 { break }
            if count < part.count { shortReads += 1 }
            read += part[..<count]
        }
        #expect(read == contents)
        #expect(shortReads > 1)
    }
}

extension Kernel {
    /// Writes all of `bytes`; returns the number of calls that it took.
    @discardableResult
    func writeAll(_ file: Int32, _ bytes: [UInt8], at offset: Int64) throws -> Int {
        var written = 0
        var calls = 0
        while written < bytes.count {
            written += try bytes.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
                let vector = IOVector(base: rest.baseAddress, count: rest.count)
                return try withUnsafePointer(to: vector) { pointer in
                    let vectors = UnsafeBufferPointer(start: pointer, count: 1)
                    return try write(file, vectors, at: offset + Int64(written))
                }
            }
            calls += 1
        }
        return calls
    }
}
