import Digests
import Foundation
import Kernel
import Store
import Testing

@Suite("Uploads")
struct UploadTests {
    let store: Workspace

    init() throws { store = try Workspace() }

    @Test("A file appears whole when it is committed, and not before")
    func publication() throws {
        let bytes = pattern(100_000)
        let upload = try store.driver.begin(
            UploadRequest(name: FileName("deep/er/file"), wanted: .xxh3))
        try upload.write(Array(bytes[..<40_000]))
        try upload.write(Array(bytes[40_000...]))
        #expect(upload.size == 100_000)
        #expect(try store.names() == [])
        #expect(refusal { try store.driver.open(FileName("deep/er/file")) } == .notFound)

        let receipt = try upload.commit(length: 100_000, digest: Digest(of: bytes, by: .xxh3))
        #expect(receipt == Receipt(size: 100_000, digest: Digest(of: bytes, by: .xxh3)))
        #expect(try store.get("deep/er/file") == bytes)
        #expect(try store.leftovers() == [])
        #expect(refusal { try upload.write([1]) } == .io)
        upload.discard()
        #expect(try store.get("deep/er/file") == bytes)
    }

    @Test("Modes are the driver's")
    func modes() throws {
        try store.put("d/f", [1])
        let modes = try ["d/f", "d", ".ampd"].map {
            try FileManager.default.attributesOfItem(atPath: store.path($0))[.posixPermissions]
                as? Int
        }
        let mask = umask(0)
        _ = umask(mask)
        #expect(modes == [0o640 & ~Int(mask), 0o750 & ~Int(mask), 0o750 & ~Int(mask)])
    }

    @Test("Pieces of many sizes, thousands of vectors, an empty file")
    func shapes() throws {
        let bytes = pattern(9000)
        let upload = try store.driver.begin(UploadRequest(name: FileName("many"), wanted: .sha256))
        try bytes.withUnsafeBytes { raw in
            let vectors = (0..<3000).map {
                IOVector(base: raw.baseAddress! + $0 * 3, count: 3)
            }
            let empty = [IOVector(base: nil, count: 0)]
            try (empty + vectors + empty).withUnsafeBufferPointer { try upload.write($0) }
        }
        let receipt = try upload.commit(length: nil, digest: nil)
        #expect(receipt.digest == Digest(of: bytes, by: .sha256))
        #expect(try store.get("many") == bytes)
        #expect(try store.put("empty", [], wanted: .xxh3).size == 0)
        #expect(try store.get("empty") == [])
    }

    @Test("What does not match what was promised is not stored")
    func mismatch() throws {
        let right = Digest(of: [1, 2, 3], by: .xxh3)
        let wrong = Digest(of: [3, 2, 1], by: .xxh3)
        let name = try FileName("f")
        let cases: [(UploadRequest, UInt64?, Digest?, Bool)] = [
            (UploadRequest(name: name), 3, nil, true),
            (UploadRequest(name: name), 2, nil, false),
            (UploadRequest(name: name), 4, nil, false),
            (UploadRequest(name: name, length: 4), nil, nil, false),
            (UploadRequest(name: name, digest: right), 3, right, true),
            (UploadRequest(name: name, digest: wrong), 3, nil, false),
            (UploadRequest(name: name, digest: right), 3, wrong, false),
            (UploadRequest(name: name, wanted: .xxh3), 3, right, true),
            (UploadRequest(name: name, wanted: .xxh3), 3, wrong, false),
            // A digest that cannot be checked is not taken on trust.
            (UploadRequest(name: name), 3, right, false),
            (UploadRequest(name: name, wanted: .sha256), 3, right, false),
        ]
        for (number, (request, length, digest, fits)) in cases.enumerated() {
            let upload = try store.driver.begin(request)
            try upload.write([1, 2, 3])
            let code = refusal { try upload.commit(length: length, digest: digest) }
            #expect(code == (fits ? nil : .mismatch), "case \(number)")
            #expect(try store.names() == (fits ? ["f"] : []), "case \(number)")
            #expect(try store.leftovers() == [], "case \(number)")
            if fits { try store.driver.remove(name) }
        }
        let upload = try store.driver.begin(UploadRequest(name: name, length: 2))
        try upload.write([1, 2])
        #expect(refusal { try upload.write([3]) } == .mismatch)
        #expect(refusal { try upload.commit(length: 2, digest: nil) } == .io)
        #expect(try store.leftovers() == [])
    }

    @Test("The digest wanted and the digest promised may differ in kind")
    func twoDigests() throws {
        let bytes = pattern(1000)
        let upload = try store.driver.begin(
            UploadRequest(
                name: FileName("f"), digest: Digest(of: bytes, by: .sha256), wanted: .xxh3))
        try upload.write(bytes)
        let receipt = try upload.commit(length: nil, digest: Digest(of: bytes, by: .sha256))
        #expect(receipt.digest == Digest(of: bytes, by: .xxh3))
    }

    @Test("Whether a name is free is decided at publication")
    func ifAbsent() throws {
        let name = try FileName("d/f")
        let first = try store.driver.begin(UploadRequest(name: name, ifAbsent: true))
        let second = try store.driver.begin(UploadRequest(name: name, ifAbsent: true))
        try first.write([1])
        try second.write([2])
        _ = try second.commit(length: 1, digest: nil)
        #expect(refusal { try first.commit(length: 1, digest: nil) } == .exists)
        #expect(try store.get("d/f") == [2])
        // What was there at the beginning may be gone by the end.
        let third = try store.driver.begin(UploadRequest(name: name, ifAbsent: true))
        try third.write([3])
        try store.driver.remove(name)
        _ = try third.commit(length: 1, digest: nil)
        #expect(try store.get("d/f") == [3])
        #expect(try store.leftovers() == [])
    }

    @Test("Of two uploads to one name the last to finish wins; a reader keeps what it opened")
    func overlap() throws {
        let name = try FileName("f")
        try store.put("f", [0])
        let reader = try store.driver.open(name)
        let first = try store.driver.begin(UploadRequest(name: name))
        let second = try store.driver.begin(UploadRequest(name: name))
        try first.write([1, 1])
        try second.write([2, 2, 2])
        _ = try second.commit(length: nil, digest: nil)
        #expect(try store.get("f") == [2, 2, 2])
        _ = try first.commit(length: nil, digest: nil)
        #expect(try store.get("f") == [1, 1])
        var byte = [UInt8](repeating: 9, count: 4)
        #expect(try byte.withUnsafeMutableBytes { try reader.read(into: $0, at: 0) } == 1)
        #expect(byte[0] == 0 && reader.size == 1)
    }

    @Test("Directories stand in the way, and so do files where directories should be")
    func directories() throws {
        try store.put("d/f", [1])
        #expect(refusal { try store.put("d", [1]) } == .isDirectory)
        #expect(refusal { try store.put("d/f/g", [1]) } == .exists)
        #expect(refusal { try store.put("d/f/g/h", [1]) } == .exists)
        let upload = try store.driver.begin(UploadRequest(name: FileName("late"), ifAbsent: true))
        try FileManager.default.createDirectory(
            atPath: store.path("late"), withIntermediateDirectories: false)
        #expect(refusal { try upload.commit(length: nil, digest: nil) } == .isDirectory)
        #expect(try store.leftovers() == [])
        #expect(try store.names() == ["d", "d/f", "late"])
    }

    @Test("A directory that was settled, removed and made again is found anew")
    func directoryComesBack() throws {
        try store.put("a/b/f", [1])
        try store.put("a/b/f", [2])
        for name in ["a/b/f", "a/b", "a"] { try store.driver.remove(FileName(name)) }
        let upload = try store.driver.begin(UploadRequest(name: FileName("a/b/g")))
        try upload.write([3])
        _ = try upload.commit(length: nil, digest: nil)
        #expect(try store.names() == ["a", "a/b", "a/b/g"])
    }

    @Test("The longest name there may be is stored, found, listed and removed")
    func longestName() throws {
        let name = try FileName(FileNameTests.longest)
        try store.put(name.path, [1, 2, 3])
        #expect(try store.get(name.path) == [1, 2, 3])
        #expect(try store.driver.status(of: name, digest: nil).size == 3)
        #expect(try store.names().contains(name.path))
        try store.driver.remove(name)
        #expect(refusal { try store.driver.open(name) } == .notFound)
        // FileManager does not reach that deep.
        var directory = name.parent
        while let next = directory {
            try store.driver.remove(next)
            directory = next.parent
        }
    }

    @Test("Lengths that no file can have are refused")
    func absurdLengths() throws {
        let name = try FileName("f")
        for (offset, length) in [(0, UInt64.max), (0, 1 << 62), (UInt64.max, 1), (1 << 63, 0)] {
            let request = UploadRequest(
                name: name, token: token, offset: UInt64(offset), length: length)
            #expect(refusal { try store.driver.begin(request) } == .noSpace)
        }
        #expect(try store.leftovers() == [])
    }
}
