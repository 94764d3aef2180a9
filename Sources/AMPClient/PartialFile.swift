import Digests
import Runtime

/// A file on its way to this machine: `NAME.part` beside the file that it becomes, and
/// `NAME.part.amp`, which says what it is part of, so that another process can go on with it.
///
/// The record is written first and removed last: a part without one is somebody else's file and
/// is not touched. Neither is ever reached through a symbolic link.
final class PartialFile: GetTarget, @unchecked Sendable {
    private let folder: LocalFolder
    private let name: String
    private let path: String
    private let server: Endpoint
    private let remoteName: String
    private var file: Descriptor?
    private let passed = Passed()

    /// What is to become the file at `path`; goes on with what an earlier get left there.
    init(
        becoming path: String, from server: Endpoint, _ remoteName: String, kernel: any Kernel
    ) throws {
        let slash = path.lastIndex(of: "/")
        name = String(slash.map { path[path.index(after: $0)...] } ?? path[...])
        self.path = path
        self.server = server
        self.remoteName = remoteName
        let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        do throws(Errno) {
            guard !name.isEmpty else { throw .isDirectory }
            folder = try LocalFolder(parent, kernel: kernel)
        } catch {
            throw TransferError.local(path, error)
        }
        try takeUp()
    }

    var position: UInt64 { passed.position }
    var version: FileVersion? { passed.version }

    func begin(_ version: FileVersion) throws {
        if file == nil {
            let isOurs = try recordText() != nil
            try local { () throws(Errno) in
                try folder.replaceContents(of: recordName, with: Array(text(of: version).utf8))
            }
            try create(replacing: isOurs)
        } else {
            try local { () throws(Errno) in
                try folder.replaceContents(of: recordName, with: Array(text(of: version).utf8))
            }
        }
        passed.version = version
    }

    func startOver() throws {
        try local { () throws(Errno) in
            if let number = file?.number { try folder.kernel.truncate(number, to: 0) }
        }
        passed.startOver()
    }

    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        do throws(Errno) {
            for vector in vectors {
                let bytes = UnsafeRawBufferPointer(start: vector.base, count: vector.count)
                try write(bytes)
                passed.add(bytes)
            }
        } catch {
            throw StreamFault(code: "STORAGE", reason: "\(partName): \(error)")
        }
    }

    func digest() -> Digest { passed.digest() }

    func finish() throws {
        try local { () throws(Errno) in
            try folder.rename(partName, to: name)
            try folder.remove(recordName)
        }
        file = nil
    }

    // MARK: Files

    private var partName: String { name + ".part" }
    private var recordName: String { name + ".part.amp" }

    /// Appends at the position, in as many calls as it takes.
    private func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        guard let number = file?.number else { throw .badDescriptor }
        var rest = bytes[...]
        while !rest.isEmpty {
            let done = UInt64(bytes.count - rest.count)
            guard let offset = Int64(exactly: passed.position + done) else { throw .fileTooLarge }
            var vector = IOVector(
                base: UnsafeRawBufferPointer(rebasing: rest).baseAddress, count: rest.count)
            let kernel = folder.kernel
            let count = try withUnsafePointer(to: &vector) { vector throws(Errno) in
                try kernel.write(number, UnsafeBufferPointer(start: vector, count: 1), at: offset)
            }
            rest = rest.dropFirst(count)
        }
    }

    private func create(replacing: Bool) throws {
        do throws(Errno) {
            if replacing { try? folder.remove(partName) }
            file = try folder.open(partName, [.readWrite, .create, .exclusive])
        } catch {
            if error == .exists {
                try? folder.remove(recordName)
                throw TransferError.inTheWay(path + ".part")
            }
            throw TransferError.local(path, error)
        }
    }

    /// Opens what an earlier get left, if its record says that it is part of the same name on
    /// the same server, and takes its bytes into the digest.
    private func takeUp() throws {
        guard let record = try recordText(), let version = version(in: record) else { return }
        do throws(Errno) {
            let part = try folder.open(partName, .readWrite)
            guard try folder.kernel.status(part.number).kind == .regular else { return }
            let number = part.number
            file = consume part
            try digest(number)
        } catch {
            if error == .notFound { return }
            throw TransferError.local(path + ".part", error)
        }
        passed.version = version
        if position > version.size { try startOver() }
    }

    private func digest(_ number: Int32) throws(Errno) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4_096)
        defer { buffer.deallocate() }
        while true {
            guard let offset = Int64(exactly: position) else { throw .fileTooLarge }
            let count = try folder.kernel.read(number, into: buffer, at: offset)
            if count == 0 { return }
            passed.add(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    // MARK: The record

    /// `amp-get 1`, server, name, size, and microseconds since 1970 of the last change; a line
    /// each, texts in quotes.
    private func text(of version: FileVersion) -> String {
        heading + "\(version.size)\n\(version.modified.microseconds)\n"
    }

    private var heading: String {
        "amp-get 1\n\("\(server)".debugDescription)\n\(remoteName.debugDescription)\n"
    }

    private func recordText() throws -> String? {
        do throws(Errno) {
            let bytes = try folder.contents(of: recordName)
            return bytes.map { String(decoding: $0, as: UTF8.self) }
        } catch {
            throw TransferError.local(path + ".part.amp", error)
        }
    }

    private func version(in record: String) -> FileVersion? {
        guard record.hasPrefix(heading) else { return nil }
        let lines = record.dropFirst(heading.count).split(separator: "\n")
        guard lines.count == 2, let size = UInt64(lines[0]), let modified = Int64(lines[1]) else {
            return nil
        }
        return FileVersion(size: size, modified: DateTime(microseconds: modified))
    }

    private func local(_ body: () throws(Errno) -> Void) throws(TransferError) {
        do throws(Errno) { try body() } catch { throw .local(path, error) }
    }
}
