import Foundation
import LinuxKernel
import Testing

let fileCalls: [Call] = [
    Call("open") { scratch in
        let directory = scratch.directory.number
        try scratch.kernel.makeDirectory("sub", in: directory, mode: 0o700)
        let file = try scratch.file("sub/file", "text")
        #expect(try scratch.read(file.number) == "text")
        let again = Descriptor(
            try scratch.kernel.open(scratch.path + "/sub/file", in: nil, [], mode: 0),
            of: scratch.kernel)
        #expect(try scratch.read(again.number) == "text")
        #expect(throws: Errno.badDescriptor) { try scratch.write("x", to: again.number) }
        #expect(fcntl(again.number, F_GETFD) == FD_CLOEXEC)
        #expect(throws: Errno.invalid) { _ = try scratch.file("sub/file\0.txt") }
        #expect(throws: Errno.exists) {
            try scratch.kernel.open(
                "sub/file", in: directory, [.write, .create, .exclusive], mode: 0o600)
        }
        #expect(throws: Errno.notDirectory) {
            try scratch.kernel.open("sub/file", in: directory, .directory, mode: 0)
        }
    }.failing(.notFound) { scratch in
        _ = try scratch.kernel.open("none", in: scratch.directory.number, [], mode: 0)
    },
    Call("status") { scratch in
        let file = try scratch.file("file", "12345")
        let status = try scratch.kernel.status(file.number)
        #expect(status.kind == .regular && status.size == 5 && status.inode != 0)
        #expect(abs(status.modified - scratch.kernel.wallClock()) < 60_000_000_000)
        #expect(try scratch.kernel.status(scratch.directory.number).kind == .directory)
    }.failing(.badDescriptor) { _ = try $0.kernel.status(noDescriptor) },
    Call("status") { scratch in
        let directory = scratch.directory.number
        let file = try scratch.file("file", "12345")
        #expect(
            try scratch.kernel.status(of: "file", in: directory)
                == scratch.kernel.status(file.number))
        symlink("file", scratch.path + "/link")
        #expect(try scratch.kernel.status(of: "link", in: directory).kind == .symbolicLink)
        mkfifo(scratch.path + "/fifo", 0o600)
        #expect(try scratch.kernel.status(of: "fifo", in: directory).kind == .other)
    }.failing(.notFound) { scratch in
        _ = try scratch.kernel.status(of: "none", in: scratch.directory.number)
    },
    Call("read") { scratch in
        let file = try scratch.file("file", "0123456789")
        #expect(try scratch.read(file.number, at: 7) == "789")
        #expect(try scratch.read(file.number, at: 10) == "")
    }.failing(.isDirectory) { _ = try $0.read($0.directory.number) },
    Call("write") { scratch in
        let file = try scratch.file("file", "0123456789")
        #expect(try scratch.write("XX", to: file.number, at: 4) == 2)
        #expect(try scratch.read(file.number) == "0123XX6789")
    }.failing(.badDescriptor) { try $0.write("x", to: noDescriptor) },
    Call("read") { scratch in
        let file = try scratch.file("file", "ab")
        var bytes: [UInt8] = [0]
        for expected: [UInt8] in [[0x61], [0x62]] {
            let count = try bytes.withUnsafeMutableBytes {
                try scratch.kernel.read(file.number, into: $0)
            }
            #expect(count == 1 && bytes == expected)
        }
    }.failing(.badDescriptor) { scratch in
        var byte: UInt8 = 0
        _ = try withUnsafeMutableBytes(of: &byte) {
            try scratch.kernel.read(noDescriptor, into: $0)
        }
    },
    Call("write") { scratch in
        let file = try scratch.file()
        for word in ["one ", "two"] {
            _ = try Array(word.utf8).withUnsafeBytes {
                try scratch.kernel.write(file.number, $0)
            }
        }
        #expect(try scratch.read(file.number) == "one two")
    }.failing(.badDescriptor) { scratch in
        _ = try [UInt8(0)].withUnsafeBytes { try scratch.kernel.write(noDescriptor, $0) }
    },
    Call("truncate") { scratch in
        let file = try scratch.file("file", "0123456789")
        try scratch.kernel.truncate(file.number, to: 4)
        #expect(try scratch.read(file.number) == "0123")
    }.failing(.invalid) { scratch in
        let file = try scratch.file()
        try scratch.kernel.truncate(file.number, to: -1)
    },
    Call("allocate") { scratch in
        let file = try scratch.file()
        try scratch.kernel.allocate(file.number, upTo: 1 << 20)
        #expect(try scratch.kernel.status(file.number).size == 0)
        var status = stat()
        fstat(file.number, &status)
        #expect(status.st_blocks * 512 >= 1 << 20)
    }.failing(.badDescriptor) { try $0.kernel.allocate(noDescriptor, upTo: 1) },
    Call("syncData") { scratch in
        let file = try scratch.file("file", "x")
        try scratch.kernel.syncData(file.number)
    }.failing(.badDescriptor) { try $0.kernel.syncData(noDescriptor) },
    Call("sync") { try $0.kernel.sync($0.directory.number) }
        .failing(.badDescriptor) { try $0.kernel.sync(noDescriptor) },
    Call("lock") { scratch in
        let first = try scratch.file("file", "x")
        let number = try scratch.kernel.open("file", in: scratch.directory.number, [], mode: 0)
        let second = Descriptor(number, of: scratch.kernel)
        try scratch.kernel.lock(first.number, exclusively: true)
        #expect(throws: Errno.again) {
            try scratch.kernel.lock(second.number, exclusively: true)
        }
        try scratch.kernel.lock(first.number, exclusively: false)
        try scratch.kernel.lock(second.number, exclusively: false)
        #expect(throws: Errno.again) {
            try scratch.kernel.lock(first.number, exclusively: true)
        }
    }.failing(.badDescriptor) { try $0.kernel.lock(noDescriptor, exclusively: true) },
    Call("startWriteback") { scratch in
        let file = try scratch.file("file", "x")
        scratch.kernel.startWriteback(file.number, offset: 0, count: 1)
        scratch.kernel.startWriteback(noDescriptor, offset: 0, count: 1)
    },
    Call("isCached") { scratch in
        let file = try scratch.file("file", String(repeating: "x", count: 10_000))
        // Linux before 6.5 cannot say.
        if let cached = scratch.kernel.isCached(file.number, offset: 100, count: 9_900) {
            #expect(cached)
            // A hole's pages are in no cache.
            try scratch.kernel.truncate(file.number, to: 1 << 20)
            #expect(scratch.kernel.isCached(file.number, offset: 0, count: 1 << 20) == false)
            #expect(scratch.kernel.isCached(file.number, offset: 1 << 19, count: 0) == true)
        }
        #expect(scratch.kernel.isCached(noDescriptor, offset: 0, count: 1) == nil)
        #expect(scratch.kernel.isCached(file.number, offset: -1, count: 1) == nil)
        #expect(scratch.kernel.isCached(file.number, offset: .max, count: 1) == nil)
    },
    Call("makeDirectory") { scratch in
        let directory = scratch.directory.number
        try scratch.kernel.makeDirectory("sub", in: directory, mode: 0o700)
        #expect(try scratch.kernel.status(of: "sub", in: directory).kind == .directory)
    }.failing(.exists) { scratch in
        let directory = scratch.directory.number
        try scratch.kernel.makeDirectory("sub", in: directory, mode: 0o700)
        try scratch.kernel.makeDirectory("sub", in: directory, mode: 0o700)
    },
    Call("remove") { scratch in
        let (kernel, directory) = (scratch.kernel, scratch.directory.number)
        _ = try scratch.file("file")
        try kernel.remove("file", in: directory, isDirectory: false)
        try kernel.makeDirectory("sub", in: directory, mode: 0o700)
        try kernel.remove("sub", in: directory, isDirectory: true)
        for name in ["file", "sub"] {
            #expect(throws: Errno.notFound) { try kernel.status(of: name, in: directory) }
        }
    }.failing(.notEmpty) { scratch in
        let directory = scratch.directory.number
        try scratch.kernel.makeDirectory("sub", in: directory, mode: 0o700)
        _ = try scratch.file("sub/file")
        try scratch.kernel.remove("sub", in: directory, isDirectory: true)
    },
    Call("rename") { scratch in
        let (kernel, directory) = (scratch.kernel, scratch.directory.number)
        let file = try scratch.file("old", "new text")
        let inode = try kernel.status(file.number).inode
        _ = try scratch.file("taken", "old text")
        try kernel.rename("old", in: directory, to: "name", in: directory, replacing: false)
        try kernel.rename("name", in: directory, to: "taken", in: directory, replacing: true)
        #expect(try kernel.status(of: "taken", in: directory).inode == inode)
    }.failing(.exists) { scratch in
        let directory = scratch.directory.number
        _ = try scratch.file("one")
        _ = try scratch.file("two")
        try scratch.kernel.rename(
            "one", in: directory, to: "two", in: directory, replacing: false)
    },
    Call("readDirectory") { scratch in
        // More than one call gives.
        let names = (0..<2000).map { "a name of some length, number \($0)" }
        for name in names { _ = try scratch.file(name) }
        try scratch.kernel.makeDirectory("sub", in: scratch.directory.number, mode: 0o700)
        var entries: [DirectoryEntry] = []
        var calls = 1
        while try scratch.kernel.readDirectory(scratch.directory.number, into: &entries) {
            calls += 1
        }
        #expect(calls > 2)
        let found = entries.map { String(decoding: $0.name, as: UTF8.self) }
        #expect(found.sorted() == (names + ["sub"]).sorted())
        #expect(entries.filter { $0.kind == .directory }.count == 1)
    }.failing(.notDirectory) { scratch in
        let file = try scratch.file()
        var entries: [DirectoryEntry] = []
        _ = try scratch.kernel.readDirectory(file.number, into: &entries)
    },
    Call("attribute") { scratch in
        let file = try scratch.file()
        #expect(try scratch.kernel.attribute("user.absent", of: file.number) == nil)
        let value = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        try scratch.kernel.setAttribute("user.bytes", of: file.number, to: value)
        #expect(try scratch.kernel.attribute("user.bytes", of: file.number) == value)
    }.failing(.badDescriptor) { _ = try $0.kernel.attribute("user.a", of: noDescriptor) },
    Call("setAttribute") { scratch in
        let file = try scratch.file()
        for value: [UInt8] in [[1, 2, 3], [4], []] {
            try scratch.kernel.setAttribute("user.a", of: file.number, to: value)
            #expect(try scratch.kernel.attribute("user.a", of: file.number) == value)
        }
    }.failing(.notSupported) { scratch in
        let file = try scratch.file()
        try scratch.kernel.setAttribute("no-namespace", of: file.number, to: [])
    },
]

@Suite("Names beneath a directory")
final class BeneathTests {
    let scratch: Scratch
    let inner: Descriptor

    init() throws {
        scratch = try Scratch()
        try scratch.kernel.makeDirectory("inner", in: scratch.directory.number, mode: 0o700)
        inner = Descriptor(
            try scratch.kernel.open(
                "inner", in: scratch.directory.number, .directory, mode: 0),
            of: scratch.kernel)
        _ = try scratch.file("secret", "secret")
        _ = try scratch.file("inner/file", "text")
        symlink("../secret", scratch.path + "/inner/outwards")
        symlink("file", scratch.path + "/inner/inwards")
        symlink(".", scratch.path + "/inner/here")
    }

    @Test(
        "do not leave it, nor follow a link",
        arguments: [
            ("../secret", Errno.crossDevice), ("/etc/passwd", .crossDevice),
            ("..", .crossDevice), ("outwards", .symbolicLinks), ("inwards", .symbolicLinks),
            ("here/file", .symbolicLinks),
        ])
    func escape(path: String, error: Errno) {
        #expect(throws: error) {
            try scratch.kernel.open(path, in: inner.number, [], mode: 0)
        }
    }

    @Test(
        "are single components to the calls that take one",
        arguments: ["", ".", "..", "a/b", "/a", "a\0b"])
    func component(name: String) throws {
        let (kernel, number) = (scratch.kernel, inner.number)
        #expect(throws: Errno.invalid) { try kernel.status(of: name, in: number) }
        #expect(throws: Errno.invalid) {
            try kernel.makeDirectory(name, in: number, mode: 0o700)
        }
        #expect(throws: Errno.invalid) {
            try kernel.remove(name, in: number, isDirectory: false)
        }
        #expect(throws: Errno.invalid) {
            try kernel.rename("file", in: number, to: name, in: number, replacing: true)
        }
        #expect(throws: Errno.invalid) {
            try kernel.rename(name, in: number, to: "new", in: number, replacing: true)
        }
    }
}
