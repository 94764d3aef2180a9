import Digests
import Foundation
import Kernel
import Store
import Testing

/// The store dies, or a call fails, at every system call that it makes.
@Suite("Crashes and failing disks")
struct CrashTests {
    let store: Workspace
    let old = pattern(1000, seed: 7)
    let new = pattern(50_000, seed: 8)

    init() throws { store = try Workspace() }

    private func open(_ kernel: FaultyKernel) throws -> DirectoryDriver {
        try DirectoryDriver(root: store.root, over: kernel, checkpointInterval: 15_000)
    }

    /// A whole upload: opened, suspended half-way, taken up, committed.
    private func upload(_ name: FileName, over kernel: FaultyKernel) throws -> Receipt {
        let driver = try open(kernel)
        let first = try driver.begin(UploadRequest(name: name, token: token, length: 50_000))
        for start in stride(from: 0, to: 25_000, by: 5000) {
            try first.write(Array(new[start..<start + 5000]))
        }
        first.suspend()
        let offset = try driver.uploadStatus(of: token, digest: nil).offset
        let second = try driver.begin(
            UploadRequest(name: name, token: token, offset: offset, wanted: .xxh3))
        for start in stride(from: Int(offset), to: 50_000, by: 5000) {
            try second.write(Array(new[start..<min(start + 5000, 50_000)]))
        }
        return try second.commit(length: nil, digest: nil)
    }

    /// What must hold whatever happened: the file is whole, old or new; what is said to be
    /// durable is right; and the upload can be finished.
    private func check(_ path: String, before: [UInt8]?, isAnswered: Bool) throws {
        try store.reopen()
        let found = try? store.get(path)
        #expect(found == new || (!isAnswered && found == before))
        var offset: UInt64 = 0
        if let status = try? store.driver.uploadStatus(of: token, digest: .xxh3) {
            offset = status.offset
            #expect(status.digest == Digest(of: Array(new[..<Int(offset)]), by: .xxh3))
            #expect(!isAnswered)
        }
        let rest = try store.driver.begin(
            UploadRequest(name: FileName(path), token: token, offset: offset, wanted: .xxh3))
        try rest.write(Array(new[Int(offset)...]))
        #expect(try rest.commit(length: nil, digest: nil).digest == Digest(of: new, by: .xxh3))
        #expect(try store.get(path) == new)
        #expect(try store.leftovers() == [])
    }

    @Test("Death at every call leaves a file whole or absent", arguments: [false, true])
    func death(isReplacing: Bool) throws {
        var answers = 0
        var failing = 0
        while true {
            let path = "d\(failing)/e/f"
            if isReplacing { try store.put(path, old) }
            let kernel = FaultyKernel()
            kernel.failing = failing
            kernel.isDeath = true
            kernel.isTearing = true
            let receipt = try? upload(FileName(path), over: kernel)
            if receipt != nil { answers += 1 }
            try check(path, before: isReplacing ? old : nil, isAnswered: receipt != nil)
            if kernel.calls.count <= failing { break }
            failing += 1
        }
        #expect(failing > 40)
        // Once the file is published, death on the way to the answer may not matter; before, the
        // upload has no answer.
        #expect(answers > 0 && answers < failing / 4)
    }

    @Test("One call that fails is an error or nothing", arguments: [Errno.inputOutput, .noSpace])
    func failure(error: Errno) throws {
        var failing = 0
        while true {
            let path = "d\(failing)/e/f"
            let kernel = FaultyKernel()
            kernel.failing = failing
            kernel.error = error
            kernel.isTearing = true
            var isAnswered = false
            do {
                _ = try upload(FileName(path), over: kernel)
                isAnswered = true
            } catch let refusal as StoreError {
                // A suspend that failed has forgotten the token.
                #expect(
                    [error.isFull ? .noSpace : .io, .notFound].contains(refusal.code),
                    "\(refusal) at call \(failing), \(kernel.calls[failing])")
            }
            try check(path, before: nil, isAnswered: isAnswered)
            if kernel.calls.count <= failing { break }
            failing += 1
        }
        #expect(failing > 40)
    }

    @Test("A sync of data that fails is not tried again: the upload is gone")
    func failedSync() throws {
        for atCheckpoint in [true, false] {
            let kernel = FaultyKernel()
            let driver = try open(kernel)
            let upload = try driver.begin(UploadRequest(name: FileName("f"), token: token))
            try upload.write([UInt8](repeating: 1, count: 10_000))
            kernel.forget()
            // The first call of a commit is the sync; of a write past the interval the second.
            kernel.failing = atCheckpoint ? 1 : 0
            let code = refusal {
                if atCheckpoint { try upload.write([UInt8](repeating: 1, count: 10_000)) }
                _ = try upload.commit(length: nil, digest: nil)
            }
            #expect(code == .io)
            #expect(kernel.calls.filter { $0 == "syncData" }.count == 1)
            #expect(!kernel.calls.contains("rename"))
            upload.suspend()
            #expect(refusal { try driver.uploadStatus(of: token, digest: nil) } == .notFound)
            #expect(try store.leftovers() == [])
            #expect(try store.names() == [])
        }
    }

    @Test("Everything is synced in order before the answer")
    func order() throws {
        func syncs(_ name: String, _ driver: DirectoryDriver, _ kernel: FaultyKernel) throws
            -> [String]
        {
            let upload = try driver.begin(UploadRequest(name: FileName(name)))
            try upload.write([1])
            kernel.forget()
            _ = try upload.commit(length: 1, digest: nil)
            return kernel.calls.filter { !["open", "status"].contains($0) }
        }
        let kernel = FaultyKernel()
        let driver = try open(kernel)
        let make = ["makeDirectory", "sync"]
        #expect(
            try syncs("a/b/f", driver, kernel) == ["syncData"] + make + make + ["rename", "sync"])
        #expect(try syncs("a/b/g", driver, kernel) == ["syncData", "rename", "sync"])
        #expect(try syncs("f", driver, kernel) == ["syncData", "rename", "sync"])
        #expect(try syncs("a/c/f", driver, kernel) == ["syncData"] + make + ["rename", "sync"])
        // Another process cannot know whether the first one synced what it made.
        #expect(
            try syncs("a/b/h", try open(kernel), kernel)
                == ["syncData", "sync", "sync", "rename", "sync"])
    }

    @Test("Checkpoints: data, then the record; a cut: the record, then data")
    func checkpoints() throws {
        let kernel = FaultyKernel()
        let driver = try open(kernel)
        let name = try FileName("f")
        let upload = try driver.begin(UploadRequest(name: name, token: token))
        kernel.forget()
        try upload.write(pattern(15_000))
        #expect(kernel.calls == ["write", "syncData", "write", "syncData", "sync"])
        kernel.forget()
        try upload.write(pattern(15_000))
        #expect(kernel.calls == ["write", "syncData", "write", "syncData"])
        upload.suspend()
        kernel.forget()
        let cut = try driver.begin(UploadRequest(name: name, token: token, offset: 10))
        let changes = kernel.calls.filter { !["open", "status", "read"].contains($0) }
        #expect(changes == ["write", "syncData", "sync", "truncate"])
        cut.discard()
    }

    @Test("A disk that takes three bytes at a time gets them all")
    func shortWrites() throws {
        let kernel = FaultyKernel()
        kernel.writeLimit = 3
        let driver = try open(kernel)
        let upload = try driver.begin(UploadRequest(name: FileName("f"), token: token))
        let bytes = pattern(1000)
        try bytes.withUnsafeBytes { raw in
            let vectors = [(0, 1), (1, 499), (500, 0), (500, 500)].map {
                IOVector(base: raw.baseAddress! + $0.0, count: $0.1)
            }
            try vectors.withUnsafeBufferPointer { try upload.write($0) }
        }
        upload.suspend()
        #expect(try driver.uploadStatus(of: token, digest: nil).offset == 1000)
        let rest = try driver.begin(UploadRequest(name: FileName("f"), token: token, offset: 1000))
        _ = try rest.commit(length: 0, digest: nil)
        #expect(try store.get("f") == bytes)
    }
}
