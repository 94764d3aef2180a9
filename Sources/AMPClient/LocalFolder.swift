import Runtime

/// A directory of this machine, held open: its files are named within it, and no link leads out
/// of it. Everything here may block.
final class LocalFolder: Sendable {
    let kernel: any Kernel
    private let directory: Descriptor

    /// Bytes of a small file that are read.
    private static let longestContents = 64 << 10

    /// Opens `path`.
    init(_ path: String, kernel: any Kernel) throws(Errno) {
        self.kernel = kernel
        directory = Descriptor(try kernel.open(path, in: nil, .directory, mode: 0), of: kernel)
    }

    private init(_ directory: consuming Descriptor, kernel: any Kernel) {
        self.kernel = kernel
        self.directory = directory
    }

    /// Opens an absolute path whose missing directories are made, for this user alone.
    static func make(_ path: String, kernel: any Kernel) throws(Errno) -> LocalFolder {
        var folder = try LocalFolder("/", kernel: kernel)
        for name in path.split(separator: "/") { folder = try folder.enter(String(name)) }
        return folder
    }

    private func enter(_ name: String) throws(Errno) -> LocalFolder {
        do throws(Errno) {
            try kernel.makeDirectory(name, in: directory.number, mode: 0o700)
        } catch {
            // In directories of others we may not even try; what counts is that it is there.
        }
        let number = try kernel.open(name, in: directory.number, .directory, mode: 0)
        return LocalFolder(Descriptor(number, of: kernel), kernel: kernel)
    }

    func open(
        _ name: String, _ flags: OpenFlags, mode: UInt32 = 0o666
    ) throws(Errno) -> Descriptor {
        let flags = flags.union(.noFollow)
        return Descriptor(
            try kernel.open(name, in: directory.number, flags, mode: mode), of: kernel)
    }

    func rename(_ name: String, to newName: String) throws(Errno) {
        try kernel.rename(
            name, in: directory.number, to: newName, in: directory.number, replacing: true)
    }

    func remove(_ name: String) throws(Errno) {
        try kernel.remove(name, in: directory.number, isDirectory: false)
    }

    /// The contents of a small file; nil if there is none.
    func contents(of name: String) throws(Errno) -> [UInt8]? {
        do throws(Errno) {
            let file = try open(name, [])
            let buffer = Buffer(capacity: Self.longestContents)
            let count = try kernel.read(file.number, into: buffer.memory, at: 0)
            return Array(buffer.memory[..<count])
        } catch {
            if error == .notFound { return nil }
            throw error
        }
    }

    /// Replaces a small file's contents; whoever reads it finds the old or the new.
    func replaceContents(of name: String, with bytes: [UInt8]) throws(Errno) {
        let new = name + ".new"
        try? remove(new)
        let file = try open(new, [.write, .create, .exclusive], mode: 0o600)
        try write(bytes, to: file)
        try rename(new, to: name)
    }

    private func write(_ bytes: [UInt8], to file: borrowing Descriptor) throws(Errno) {
        let buffer = Buffer(capacity: bytes.count)
        buffer.memory.copyBytes(from: bytes)
        var rest = UnsafeRawBufferPointer(buffer.memory)[...]
        while !rest.isEmpty {
            let count = try kernel.write(file.number, UnsafeRawBufferPointer(rebasing: rest))
            rest = rest.dropFirst(count)
        }
    }
}
