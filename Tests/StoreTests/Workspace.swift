import Digests
import Foundation
import Kernel
import LinuxKernel
import Store
import Testing

/// A directory for one test, with a store in it, removed at the end.
final class Workspace {
    let root: String
    let kernel = LinuxKernel()
    /// nil for a moment in `reopen`: only a driver that is alone on its root clears it up.
    private var current: DirectoryDriver?

    init() throws {
        let template = NSTemporaryDirectory() + "ampd-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: template, withIntermediateDirectories: true)
        root = template
        current = try DirectoryDriver(root: root, over: kernel)
    }

    var driver: DirectoryDriver {
        get throws { try #require(current) }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func path(_ name: String) -> String { root + "/" + name }

    /// As after a crash: another driver on the same root, without a word from the first.
    func reopen(checkpointInterval: UInt64 = DirectoryDriver.defaultCheckpointInterval) throws {
        current = nil
        current = try DirectoryDriver(
            root: root, over: kernel, checkpointInterval: checkpointInterval)
    }

    @discardableResult
    func put(
        _ name: String, _ bytes: [UInt8], ifAbsent: Bool = false, wanted: DigestAlgorithm? = nil
    ) throws -> Receipt {
        let upload = try driver.begin(
            UploadRequest(
                name: FileName(name), length: UInt64(bytes.count), wanted: wanted,
                ifAbsent: ifAbsent))
        try upload.write(bytes)
        return try upload.commit(length: UInt64(bytes.count), digest: nil)
    }

    func get(_ name: String) throws -> [UInt8] {
        let file = try driver.open(FileName(name))
        var bytes = [UInt8](repeating: 0, count: Int(file.size))
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return Array(bytes[..<count])
    }

    /// What lies hidden: names of `.ampd/uploads`.
    func leftovers() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(".ampd/uploads")).sorted()
    }

    func list(prefix: String = "", recursive: Bool = true) throws -> [ListingEntry] {
        let listing = try driver.list(prefix: prefix, recursive: recursive)
        var entries: [ListingEntry] = []
        while try listing.next(into: &entries) {}
        return entries
    }

    func names(prefix: String = "", recursive: Bool = true) throws -> [String] {
        try list(prefix: prefix, recursive: recursive).map(\.name.path).sorted()
    }
}

extension Upload {
    func write(_ bytes: [UInt8]) throws(StoreError) {
        try bytes.withUnsafeBufferPointer { bytes throws(StoreError) in
            let vector = IOVector(base: bytes.baseAddress, count: bytes.count)
            try withUnsafePointer(to: vector) { vector throws(StoreError) in
                try write(UnsafeBufferPointer(start: vector, count: 1))
            }
        }
    }
}

/// The code that an operation is refused with; nil if it is not.
func refusal<Result>(_ operation: () throws -> Result) -> StoreError.Code? {
    do {
        _ = try operation()
        return nil
    } catch let error as StoreError {
        return error.code
    } catch {
        return nil
    }
}

/// Bytes that are easy to tell from their neighbours.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

let token = Array("0123456789abcdef".utf8)
