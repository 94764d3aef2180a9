import Digests
import Foundation
import Store
import Testing

@Suite("Files of a directory")
struct DriverTests {
    let store: Workspace

    init() throws { store = try Workspace() }

    @Test("A file is read at any offset, and sent by its descriptor")
    func reading() throws {
        let bytes = pattern(10_000)
        try store.put("f", bytes)
        let file = try store.driver.open(FileName("f"))
        #expect(file.size == 10_000)
        #expect(file.descriptor > 2)
        #expect(file.isCached(offset: 0, count: 10_000) != false)
        var part = [UInt8](repeating: 0, count: 300)
        let counts = try [0, 5000, 9900, 10_000, UInt64.max].map { offset in
            try part.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        }
        #expect(counts == [300, 300, 100, 0, 0])
        #expect(Array(part[..<100]) == Array(bytes[9900...]))
        #expect(
            try file.digest(.xxh3, offset: 10, count: 20)
                == Digest(of: Array(bytes[10..<30]), by: .xxh3))
        #expect(truncate(store.path("f"), 15) == 0)
        #expect(refusal { try file.digest(.xxh3, offset: 10, count: 20) } == .io)
        #expect(refusal { try file.digest(.xxh3, offset: .max - 1, count: 2) } == .badOffset)
    }

    @Test("Attributes, with and without a digest")
    func status() throws {
        let before = Int64(Date().timeIntervalSince1970 - 60) * 1_000_000_000
        try store.put("d/f", [1, 2, 3])
        let plain = try store.driver.status(of: FileName("d/f"), digest: nil)
        let digested = try store.driver.status(of: FileName("d/f"), digest: .sha256)
        #expect(plain.size == 3 && plain.digest == nil && plain.modified > before)
        #expect(digested.digest == Digest(of: [1, 2, 3], by: .sha256))
        #expect(digested.modified == plain.modified)
        for digest in [nil, DigestAlgorithm.xxh3] {
            for (name, code) in [
                ("d", StoreError.Code.isDirectory), ("x", .notFound), ("d/x", .notFound),
                ("x/f", .notFound), ("d/f/x", .notFound),
            ] {
                let found = refusal { try store.driver.status(of: FileName(name), digest: digest) }
                #expect(found == code, "\(name)")
            }
        }
        #expect(refusal { try store.driver.open(FileName("d")) } == .isDirectory)
    }

    @Test("Files and empty directories can be removed; directories that were emptied stay")
    func removal() throws {
        try store.put("d/e/f", [1])
        #expect(refusal { try store.driver.remove(FileName("d/e")) } == .notEmpty)
        try store.driver.remove(FileName("d/e/f"))
        #expect(try store.names() == ["d", "d/e"])
        #expect(refusal { try store.driver.remove(FileName("d/e/f")) } == .notFound)
        try store.driver.remove(FileName("d/e"))
        try store.driver.remove(FileName("d"))
        #expect(try store.names() == [])
    }

    @Test("Links and special files are never followed, served, replaced or removed")
    func hostileFiles() throws {
        let outside = try Workspace()
        try outside.put("secret", [42])
        try store.put("real/f", [1])
        for (link, target) in [
            ("file", outside.path("secret")), ("directory", outside.root), ("inside", "real"),
            ("up", ".."), ("self", "self"), ("real/chain", "../real/f"), ("gone", "nowhere"),
        ] {
            try FileManager.default.createSymbolicLink(
                atPath: store.path(link), withDestinationPath: target)
        }
        #expect(mkfifo(store.path("fifo"), 0o600) == 0)
        for path in [
            "file", "directory", "directory/secret", "inside/f", "up/x", "self", "self/x",
            "real/chain", "gone", "gone/x", "fifo",
        ] {
            let name = try FileName(path)
            #expect(refusal { try store.driver.open(name) } == .denied, "open \(path)")
            #expect(refusal { try store.driver.status(of: name, digest: nil) } == .denied)
            #expect(refusal { try store.driver.status(of: name, digest: .xxh3) } == .denied)
            #expect(refusal { try store.put(path, [9]) } == .denied, "put \(path)")
            #expect(refusal { try store.driver.remove(name) } == .denied, "remove \(path)")
        }
        #expect(try store.names() == ["real", "real/f"])
        #expect(refusal { try store.names(prefix: "inside/") } == .denied)
        #expect(try outside.names() == ["secret"])
        #expect(try outside.get("secret") == [42])
        #expect(try store.leftovers() == [])
    }

    @Test("A link that appears during an upload is not followed either")
    func lateLink() throws {
        let outside = try Workspace()
        let upload = try store.driver.begin(UploadRequest(name: FileName("d/f")))
        try upload.write([1])
        try FileManager.default.createSymbolicLink(
            atPath: store.path("d"), withDestinationPath: outside.root)
        #expect(refusal { try upload.commit(length: 1, digest: nil) } == .denied)
        let second = try store.driver.begin(UploadRequest(name: FileName("g")))
        try FileManager.default.createSymbolicLink(
            atPath: store.path("g"), withDestinationPath: outside.path("g"))
        #expect(refusal { try second.commit(length: nil, digest: nil) } == .denied)
        #expect(try outside.names() == [])
        #expect(try store.leftovers() == [])
    }

    @Test("Directories that are swapped for links all the while never let anything out")
    func swaps() throws {
        let outside = try Workspace()
        try store.put("d/f", [1])
        try outside.put("f", [42])
        try FileManager.default.createSymbolicLink(
            atPath: store.path("link"), withDestinationPath: outside.root)
        let (a, b) = (store.path("d"), store.path("link"))
        let swapper = Swapper(a, b)
        swapper.start()
        for _ in 0..<2000 {
            // Found, in the way, or between the two; never what lies outside.
            if let bytes = try? store.get("d/f") { #expect(bytes != [42]) }
            _ = try? store.put("d/g", [7])
        }
        swapper.stop()
        #expect(swapper.swaps > 0)
        #expect(try outside.names() == ["f"])
        #expect(try store.leftovers() == [])
    }

    @Test("A store of another layout is not opened, and one that is no directory neither")
    func layout() throws {
        #expect(try String(contentsOfFile: store.path(".ampd/version"), encoding: .utf8) == "1\n")
        try "2\n".write(toFile: store.path(".ampd/version"), atomically: false, encoding: .utf8)
        let error = #expect(throws: StoreError.self) { try store.reopen() }
        #expect(error?.description.contains("version 2") == true)
        try Data([1]).write(to: URL(fileURLWithPath: store.path("f")))
        #expect(
            refusal { try DirectoryDriver(root: store.path("f"), over: store.kernel) } == .notFound)
        #expect(
            refusal { try DirectoryDriver(root: store.path("x"), over: store.kernel) } == .notFound)
    }

    @Test("The reserved folder is never led elsewhere by a link")
    func reservedLink() throws {
        let other = try Workspace()
        try FileManager.default.removeItem(atPath: store.path(".ampd"))
        try FileManager.default.createSymbolicLink(
            atPath: store.path(".ampd"), withDestinationPath: other.path(".ampd"))
        #expect(refusal { try store.reopen() } == .denied)
    }

    @Test("Nothing leaks: descriptors are closed, hidden files gone, whatever the end")
    func leaks() throws {
        func descriptors() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)
            }.filter { $0.hasPrefix(store.root) }.sorted()
        }
        let before = try descriptors()
        for round in 0..<20 {
            try store.put("a/b/\(round)", pattern(100))
            _ = try store.get("a/b/\(round)")
            _ = try store.names()
            _ = refusal { try store.put("a", [1]) }
            _ = refusal { try store.driver.open(FileName("a")) }
            _ = refusal { try store.driver.open(FileName("a/b/\(round)/c")) }
            try store.driver.begin(UploadRequest(name: FileName("x"), token: token)).suspend()
            _ = try store.driver.uploadStatus(of: token, digest: .xxh3)
            _ = refusal {
                try store.driver.begin(UploadRequest(name: FileName("y"), token: token))
            }
            try store.driver.begin(UploadRequest(name: FileName("x"), token: token)).discard()
            try store.driver.begin(UploadRequest(name: FileName("x"))).suspend()
        }
        #expect(try descriptors() == before)
        #expect(before.count == 2)
        #expect(try store.leftovers() == [])
    }
}

/// Exchanges two names as fast as it can, until stopped.
private final class Swapper: @unchecked Sendable {
    private let a: String
    private let b: String
    private let lock = NSLock()
    private let done = DispatchSemaphore(value: 0)
    private var isStopped = false
    private(set) var swaps = 0

    init(_ a: String, _ b: String) {
        self.a = a
        self.b = b
    }

    func start() {
        Thread.detachNewThread { [self] in
            while !lock.withLock({ isStopped }) {
                rename(a, a + ".aside")
                rename(b, a)
                rename(a + ".aside", b)
                swaps += 1
            }
            done.signal()
        }
    }

    func stop() {
        lock.withLock { isStopped = true }
        done.wait()
    }
}
