import Digests
import Foundation
import Store
import Testing

@Suite("Interrupted uploads")
struct ResumeTests {
    let store: Workspace
    let name: FileName
    let bytes = pattern(300_000)

    init() throws {
        store = try Workspace()
        try store.reopen(checkpointInterval: 100_000)
        name = try FileName("dir/file")
    }

    private func begin(
        at offset: UInt64 = 0, name other: FileName? = nil, wanted: DigestAlgorithm? = nil,
        length: UInt64? = nil
    ) throws -> any Upload {
        try store.driver.begin(
            UploadRequest(
                name: other ?? name, token: token, offset: offset, length: length, wanted: wanted))
    }

    @Test("After suspend every byte is there; the digest is of the whole file")
    func suspended() throws {
        let first = try begin(length: 300_000)
        try first.write(Array(bytes[..<130_001]))
        first.suspend()
        first.discard()
        try store.reopen(checkpointInterval: 100_000)

        let status = try store.driver.uploadStatus(of: token, digest: .sha256)
        #expect(status.offset == 130_001)
        #expect(status.name == name)
        #expect(status.digest == Digest(of: Array(bytes[..<130_001]), by: .sha256))

        let rest = Array(bytes[130_001...])
        let second = try store.driver.begin(
            UploadRequest(
                name: name, token: token, offset: 130_001, length: UInt64(rest.count),
                digest: Digest(of: rest, by: .xxh3), wanted: .xxh3))
        #expect(second.size == 130_001)
        try second.write(rest)
        let receipt = try second.commit(length: UInt64(rest.count), digest: nil)
        #expect(receipt == Receipt(size: 300_000, digest: Digest(of: bytes, by: .xxh3)))
        #expect(try store.get("dir/file") == bytes)
        #expect(try store.leftovers() == [])
        #expect(
            refusal { try store.driver.uploadStatus(of: token, digest: nil) } == .notFound)
    }

    @Test("Suspend gives back the room that was reserved")
    func roomGivenBack() throws {
        let upload = try begin(length: 50_000_000)
        try upload.write(Array(bytes[..<1000]))
        let data = try #require(try store.leftovers().first { $0.hasSuffix(".data") })
        let reserved = try allocated(data)
        upload.suspend()
        #expect(try allocated(data) < 1_000_000)
        #expect(reserved >= 50_000_000)
    }

    private func allocated(_ name: String) throws -> Int {
        var status = stat()
        try #require(stat(store.path(".ampd/uploads/" + name), &status) == 0)
        return Int(status.st_blocks) * 512
    }

    @Test("After a death without suspend, what the last checkpoint made durable is there")
    func abandoned() throws {
        let first = try begin()
        for start in stride(from: 0, to: 250_000, by: 10_000) {
            try first.write(Array(bytes[start..<start + 10_000]))
        }
        try store.reopen(checkpointInterval: 100_000)
        let offset = try store.driver.uploadStatus(of: token, digest: nil).offset
        #expect(offset == 200_000)

        // Bytes beyond it are cut off, whatever they are.
        let second = try begin(at: offset, wanted: .xxh3)
        try second.write(Array(bytes[200_000...]))
        let receipt = try second.commit(length: 100_000, digest: nil)
        #expect(receipt.digest == Digest(of: bytes, by: .xxh3))
        #expect(try store.get("dir/file") == bytes)
    }

    @Test("An upload dead before its first checkpoint is known, at 0")
    func abandonedEarly() throws {
        let first = try begin()
        try first.write(Array(bytes[..<10]))
        try store.reopen()
        #expect(try store.driver.uploadStatus(of: token, digest: .xxh3).offset == 0)
        withExtendedLifetime(first) {}
    }

    @Test("A lower offset cuts, a higher one is refused, 0 starts anew")
    func offsets() throws {
        let first = try begin()
        try first.write(Array(bytes[..<120_000]))
        first.suspend()
        #expect(refusal { try begin(at: 120_001) } == .badOffset)
        let second = try begin(at: 50_000)
        #expect(try store.driver.uploadStatus(of: token, digest: nil).offset == 50_000)
        second.suspend()
        #expect(refusal { try begin(at: 50_001) } == .badOffset)
        let third = try begin(at: 50_000)
        try third.write([1, 2, 3])
        third.suspend()
        #expect(try store.driver.uploadStatus(of: token, digest: nil).offset == 50_003)
        let fourth = try begin(at: 0)
        try fourth.write([7])
        _ = try fourth.commit(length: 1, digest: nil)
        #expect(try store.get("dir/file") == [7])
    }

    @Test("A token is one name's, of the right length, and ends with its upload")
    func tokens() throws {
        let upload = try begin()
        try upload.write([1])
        upload.suspend()
        #expect(refusal { try begin(at: 1, name: FileName("other")) } == .badToken)
        #expect(refusal { try begin(at: 0, name: FileName("other")) } == .badToken)
        for count in [0, 15, 65] {
            let short = [UInt8](repeating: 1, count: count)
            let request = UploadRequest(name: name, token: short)
            #expect(refusal { try store.driver.begin(request) } == .badToken)
            #expect(refusal { try store.driver.uploadStatus(of: short, digest: nil) } == .badToken)
        }
        #expect(
            refusal { try store.driver.begin(UploadRequest(name: name, offset: 1)) } == .badOffset)
        try begin(at: 1).discard()
        #expect(refusal { try store.driver.uploadStatus(of: token, digest: nil) } == .notFound)
        #expect(refusal { try begin(at: 1) } == .notFound)
        #expect(try store.leftovers() == [])
        let any = (0..<64).map { UInt8($0 * 4) }
        try store.driver.begin(UploadRequest(name: name, token: any)).suspend()
        #expect(try store.driver.uploadStatus(of: any, digest: nil).offset == 0)
    }

    @Test("What cannot be whole is forgotten when it fails")
    func failures() throws {
        let upload = try begin()
        try upload.write(Array(bytes[..<200_000]))
        #expect(refusal { try upload.commit(length: 1, digest: nil) } == .mismatch)
        #expect(refusal { try store.driver.uploadStatus(of: token, digest: nil) } == .notFound)
        #expect(try store.leftovers() == [])
    }

    @Test("A start clears away what a crash left, and nothing else")
    func recovery() throws {
        do {
            // Neither ended nor suspended: its process is gone.
            try store.driver.begin(UploadRequest(name: name)).write([1])
            let kept = try begin()
            try kept.write(Array(bytes[..<5]))
            kept.suspend()
        }
        let folder = store.path(".ampd/uploads/")
        let stem = String(repeating: "ab", count: 32)
        let other = String(repeating: "cd", count: 32)
        let pair = try store.leftovers().filter { !$0.hasSuffix(".part") }
        let record = try #require(pair.first { $0.hasSuffix(".record") })
        try FileManager.default.copyItem(atPath: folder + record, toPath: folder + stem + ".record")
        #expect(
            FileManager.default.createFile(atPath: folder + other + ".0a.data", contents: Data([1]))
        )
        #expect(FileManager.default.createFile(atPath: folder + "README", contents: Data([1])))
        try store.reopen()
        #expect(try store.leftovers() == (pair + ["README"]).sorted())
        #expect(try store.driver.uploadStatus(of: token, digest: nil).offset == 5)
        #expect(try store.names() == [])
    }

    @Test("Who starts beside another process leaves its uploads alone")
    func notAlone() throws {
        let running = try store.driver.begin(UploadRequest(name: name))
        try running.write([1])
        let second = try DirectoryDriver(root: store.root, over: store.kernel)
        _ = try running.commit(length: 1, digest: nil)
        #expect(try second.status(of: name, digest: nil).size == 1)
    }

    @Test("A crash between publication and the record's removal leaves nothing to resume")
    func publishedButRecorded() throws {
        do {
            let upload = try begin()
            try upload.write(Array(bytes[..<5]))
            upload.suspend()
        }
        let data = try #require(try store.leftovers().first { $0.hasSuffix(".data") })
        try FileManager.default.moveItem(
            atPath: store.path(".ampd/uploads/" + data), toPath: store.path("published"))
        #expect(refusal { try store.driver.uploadStatus(of: token, digest: nil) } == .notFound)
        try store.reopen()
        #expect(try store.leftovers() == [])
        #expect(try store.get("published") == Array(bytes[..<5]))
    }
}
