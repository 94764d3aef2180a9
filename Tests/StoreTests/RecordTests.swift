import Foundation
import Store
import Testing

/// The record's bytes on the disk, torn and spoilt as a crash might.
@Suite("Records of uploads")
struct RecordTests {
    let store: Workspace
    let name: FileName

    init() throws {
        store = try Workspace()
        name = try FileName("f")
        // Offsets 0, 10, 20: the slots hold 20 (sequence 2) and 10 (sequence 1).
        for offset in [0, 10] as [UInt64] {
            let upload = try store.driver.begin(
                UploadRequest(name: name, token: token, offset: offset))
            try upload.write([UInt8](repeating: 1, count: 10))
            upload.suspend()
        }
    }

    private func file(_ suffix: String) throws -> String {
        let name = try #require(try store.leftovers().first { $0.hasSuffix(suffix) })
        return store.path(".ampd/uploads/" + name)
    }

    private func offset() -> UInt64? {
        try? store.driver.uploadStatus(of: token, digest: nil).offset
    }

    @Test("A torn slot leaves the one before it")
    func tornSlot() throws {
        #expect(offset() == 20)
        let path = try file(".record")
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for byte in 4608..<4640 {
            var torn = whole
            torn[byte] ^= 0x40
            try torn.write(to: URL(fileURLWithPath: path))
            #expect(offset() == 10, "byte \(byte)")
        }
        var torn = whole
        torn[5120] ^= 1
        try torn.write(to: URL(fileURLWithPath: path))
        #expect(offset() == 20)
        torn[4608] ^= 1
        try torn.write(to: URL(fileURLWithPath: path))
        #expect(offset() == nil)
    }

    @Test("A spoilt head or a short record is no record, and goes at the next start")
    func spoilt() throws {
        let path = try file(".record")
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for byte in [0, 7, 8, 23, 24, 31, 32, 33, 48] {
            var spoilt = whole
            spoilt[byte] ^= 0x80
            try spoilt.write(to: URL(fileURLWithPath: path))
            #expect(offset() == nil, "byte \(byte)")
        }
        for length in [0, 1, 16, 4608, whole.count - 1] {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            #expect(offset() == nil, "length \(length)")
        }
        try store.reopen()
        #expect(try store.leftovers() == [])
    }

    @Test("Data shorter than its record says is not resumed")
    func shortData() throws {
        #expect(truncate(try file(".data"), 19) == 0)
        #expect(offset() == nil)
        let upload = try store.driver.begin(UploadRequest(name: name, token: token))
        try upload.write([5])
        _ = try upload.commit(length: 1, digest: nil)
        #expect(try store.get("f") == [5])
        #expect(try store.leftovers() == [])
    }
}
