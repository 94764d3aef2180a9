import Kernel
import LinuxKernel

/// The real kernel with a fault: its file calls are counted and noted down, and from one of
/// them on, or only that one, they fail and do nothing.
final class FaultyKernel: Kernel, @unchecked Sendable {
    let real = LinuxKernel()
    /// Names of the calls so far.
    private(set) var calls: [String] = []
    /// The number of the call to fail, counted from 0; nil for none.
    var failing: Int?
    /// Whether that is the process's death: nothing it does later happens either.
    var isDeath = false
    var error = Errno.inputOutput
    /// Whether a write that fails leaves half of its bytes.
    var isTearing = false
    /// How many bytes a write takes at most.
    var writeLimit: Int?

    func forget() { calls = [] }

    private func gate(_ call: String) throws(Errno) {
        let number = calls.count
        calls.append(call)
        guard let failing else { return }
        if number == failing || (isDeath && number > failing) { throw error }
    }

    func now() -> Instant {
        real.now()
    }

    func wallClock() -> Int64 {
        real.wallClock()
    }

    func random(into buffer: UnsafeMutableRawBufferPointer) {
        real.random(into: buffer)
    }

    func close(_ descriptor: Int32) {
        real.close(descriptor)
    }

    func open(
        _ path: String, in directory: Int32?, _ flags: OpenFlags, mode: UInt32
    ) throws(Errno) -> Int32 {
        try gate("open")
        return try real.open(path, in: directory, flags, mode: mode)
    }

    func status(_ file: Int32) throws(Errno) -> FileStatus {
        try gate("status")
        return try real.status(file)
    }

    func status(of name: String, in directory: Int32) throws(Errno) -> FileStatus {
        try gate("status")
        return try real.status(of: name, in: directory)
    }

    func read(
        _ file: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Errno) -> Int {
        try gate("read")
        return try real.read(file, into: buffer, at: offset)
    }

    func write(
        _ file: Int32, _ vectors: UnsafeBufferPointer<IOVector>, at offset: Int64
    ) throws(Errno) -> Int {
        do throws(Errno) {
            try gate("write")
        } catch {
            // What fails may have done a part of its work.
            if isTearing, let first = vectors.first, first.count > 1 {
                let part = IOVector(base: first.base, count: first.count / 2)
                _ = try? withUnsafePointer(to: part) { part throws(Errno) in
                    try real.write(file, UnsafeBufferPointer(start: part, count: 1), at: offset)
                }
            }
            throw error
        }
        guard let limit = writeLimit, let first = vectors.first(where: { $0.count > 0 })
        else { return try real.write(file, vectors, at: offset) }
        let part = IOVector(base: first.base, count: min(limit, first.count))
        return try withUnsafePointer(to: part) { part throws(Errno) in
            try real.write(file, UnsafeBufferPointer(start: part, count: 1), at: offset)
        }
    }

    func read(_ file: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        try gate("read")
        return try real.read(file, into: buffer)
    }

    func write(_ file: Int32, _ buffer: UnsafeRawBufferPointer) throws(Errno) -> Int {
        try gate("write")
        return try real.write(file, buffer)
    }

    func truncate(_ file: Int32, to size: Int64) throws(Errno) {
        try gate("truncate")
        return try real.truncate(file, to: size)
    }

    func allocate(_ file: Int32, upTo size: Int64) throws(Errno) {
        try gate("allocate")
        return try real.allocate(file, upTo: size)
    }

    func syncData(_ file: Int32) throws(Errno) {
        try gate("syncData")
        return try real.syncData(file)
    }

    func sync(_ file: Int32) throws(Errno) {
        try gate("sync")
        return try real.sync(file)
    }

    func lock(_ file: Int32, exclusively: Bool) throws(Errno) {
        try gate("lock")
        return try real.lock(file, exclusively: exclusively)
    }

    func startWriteback(_ file: Int32, offset: Int64, count: Int64) {
        real.startWriteback(file, offset: offset, count: count)
    }

    func isCached(_ file: Int32, offset: Int64, count: Int64) -> Bool? {
        real.isCached(file, offset: offset, count: count)
    }

    func makeDirectory(_ name: String, in directory: Int32, mode: UInt32) throws(Errno) {
        try gate("makeDirectory")
        return try real.makeDirectory(name, in: directory, mode: mode)
    }

    func remove(_ name: String, in directory: Int32, isDirectory: Bool) throws(Errno) {
        try gate("remove")
        return try real.remove(name, in: directory, isDirectory: isDirectory)
    }

    func rename(
        _ name: String, in directory: Int32, to newName: String, in newDirectory: Int32,
        replacing: Bool
    ) throws(Errno) {
        try gate("rename")
        return try real.rename(
            name, in: directory, to: newName, in: newDirectory, replacing: replacing)
    }

    func readDirectory(
        _ directory: Int32, into entries: inout [DirectoryEntry]
    ) throws(Errno) -> Bool {
        try gate("readDirectory")
        return try real.readDirectory(directory, into: &entries)
    }

    func attribute(_ name: String, of file: Int32) throws(Errno) -> [UInt8]? {
        try gate("attribute")
        return try real.attribute(name, of: file)
    }

    func setAttribute(_ name: String, of file: Int32, to value: [UInt8]) throws(Errno) {
        try gate("setAttribute")
        return try real.setAttribute(name, of: file, to: value)
    }
}
