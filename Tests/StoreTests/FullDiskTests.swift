import Foundation
import Kernel
import LinuxKernel
import Store
import Testing

/// A real full disk: a tmpfs of 64 KiB, for which one has to be root.
@Suite("A full disk", .enabled(if: getuid() == 0, "mounting a tmpfs takes root"))
final class FullDiskTests {
    let root = NSTemporaryDirectory() + "ampd-full-\(UUID().uuidString)"
    let kernel = LinuxKernel()

    init() throws {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    deinit {
        umount2(root, Int32(MNT_DETACH))
        rmdir(root)
    }

    /// nil where even root may not mount, as in some containers.
    private func mounted(_ options: String) throws -> DirectoryDriver? {
        guard mount("tmpfs", root, "tmpfs", 0, options) == 0 else {
            print("not tested: mount(2) fails with errno \(errno)")
            return nil
        }
        return try DirectoryDriver(root: root, over: kernel, checkpointInterval: 8192)
    }

    private func leftovers() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root + "/.ampd/uploads")
    }

    @Test("An undeclared upload fails when the disk is full, and leaves it as it was")
    func undeclared() throws {
        guard let driver = try mounted("size=64k") else { return }
        let upload = try driver.begin(UploadRequest(name: FileName("f")))
        #expect(refusal { for _ in 0..<100 { try upload.write(pattern(4096)) } } == .noSpace)
        #expect(refusal { try upload.write([1]) } == .io)
        #expect(try leftovers() == [])
        let next = try driver.begin(UploadRequest(name: FileName("f"), length: 40_000))
        try next.write(pattern(40_000))
        #expect(try next.commit(length: 40_000, digest: nil).size == 40_000)
    }

    @Test("A declared upload that does not fit is refused at once")
    func declared() throws {
        guard let driver = try mounted("size=64k") else { return }
        for token in [nil, token] {
            let request = UploadRequest(name: try FileName("f"), token: token, length: 100_000)
            #expect(refusal { try driver.begin(request) } == .noSpace)
        }
        #expect(try leftovers() == [])
    }

    @Test("With a token the upload rests at its durable offset")
    func resumable() throws {
        guard let driver = try mounted("size=64k") else { return }
        let name = try FileName("f")
        let upload = try driver.begin(UploadRequest(name: name, token: token))
        #expect(refusal { for _ in 0..<100 { try upload.write(pattern(4096)) } } == .noSpace)
        let offset = try driver.uploadStatus(of: token, digest: nil).offset
        #expect(offset >= 32_768 && offset.isMultiple(of: 8192))
        #expect(
            refusal {
                try driver.begin(
                    UploadRequest(name: name, token: token, offset: offset, length: 100_000))
            } == .noSpace)
        let rest = try driver.begin(UploadRequest(name: name, token: token, offset: offset))
        #expect(rest.size == offset)
        #expect(try rest.commit(length: 0, digest: nil).size == offset)
        #expect(try leftovers() == [])
    }

    @Test("No inode left: the file, its directories, the token's record")
    func inodes() throws {
        guard let driver = try mounted("size=1m,nr_inodes=5") else { return }
        // The root, .ampd, version and uploads take four.
        let name = try FileName("a/b")
        #expect(
            refusal { try driver.begin(UploadRequest(name: name, token: token)) } == .noSpace)
        #expect(try leftovers() == [])
        let upload = try driver.begin(UploadRequest(name: name))
        try upload.write([1])
        #expect(refusal { try upload.commit(length: 1, digest: nil) } == .noSpace)
        #expect(try leftovers() == [])
    }
}
