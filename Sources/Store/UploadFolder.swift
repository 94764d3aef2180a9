import Digests
import Kernel

/// The reserved folder `.ampd` and in it `uploads`, where files grow before they have names.
///
///     .ampd/version                      the layout's version and a newline
///     .ampd/uploads/STEM.record          an upload with a token, see ``UploadRecord``
///     .ampd/uploads/STEM.RANDOM.data     its bytes
///     .ampd/uploads/RANDOM.part          bytes of an upload without
///
/// STEM is the SHA-256 of the token in hexadecimal, so that no file name gives a token away;
/// RANDOM is 32 random digits.
final class UploadFolder: Sendable {
    let kernel: any Kernel
    let fileMode: UInt32
    private let folder: Descriptor

    /// The layout that this version of ampd makes and understands.
    static let layoutVersion = "1"
    static let name = "uploads"

    /// Opens or makes the reserved folder in the root, and puts it in order.
    init(
        in root: borrowing Descriptor, fileMode: UInt32, directoryMode: UInt32
    ) throws(StoreError) {
        let kernel = root.kernel
        let number = root.number
        let reserved = try naming(FileName.reserved) { () throws(Errno) in
            try Self.openOrMake(FileName.reserved, in: number, of: kernel, mode: directoryMode)
        }
        try Self.checkVersion(in: reserved.number, of: kernel, mode: fileMode)
        folder = try naming(FileName.reserved + "/" + Self.name) { () throws(Errno) in
            try Self.openOrMake(Self.name, in: reserved.number, of: kernel, mode: directoryMode)
        }
        self.kernel = kernel
        self.fileMode = fileMode
        let folderNumber = folder.number
        if try Self.isAlone(in: folderNumber, of: kernel) { try recover() }
        try naming(FileName.reserved) { () throws(Errno) in
            try kernel.lock(folderNumber, exclusively: false)
        }
    }

    /// Whether no other process serves this store, whose uploads would be taken for leftovers.
    /// Everybody who serves it holds a shared lock on the folder, as long as it lives.
    private static func isAlone(in folder: Int32, of kernel: any Kernel) throws(StoreError) -> Bool
    {
        do throws(Errno) {
            try kernel.lock(folder, exclusively: true)
            return true
        } catch {
            if error == .again { return false }
            throw StoreError(error, at: FileName.reserved)
        }
    }

    var number: Int32 { folder.number }

    /// The file names' common part for a token.
    func stem(of token: [UInt8]) -> String {
        Hexadecimal.text(Digest(of: token, by: .sha256).bytes)
    }

    /// A file name for an upload without a token.
    func randomName() -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes.withUnsafeMutableBytes { kernel.random(into: $0) }
        return Hexadecimal.text(bytes) + ".part"
    }

    func create(_ name: String) throws(Errno) -> Descriptor {
        let flags: OpenFlags = [.readWrite, .create, .exclusive]
        return Descriptor(
            try kernel.open(name, in: folder.number, flags, mode: fileMode), of: kernel)
    }

    func open(_ name: String) throws(Errno) -> Descriptor {
        let flags: OpenFlags = [.readWrite, .noFollow]
        return Descriptor(try kernel.open(name, in: folder.number, flags, mode: 0), of: kernel)
    }

    /// The record of a token, if there is one and its data is there with all that it promises.
    func record(_ stem: String) throws(Errno) -> UploadRecord? {
        let name = stem + ".record"
        guard let record = try UploadRecord.open(name, in: folder.number, of: kernel)
        else { return nil }
        do {
            let data = try kernel.status(of: dataName(stem, record), in: folder.number)
            return data.size >= Int64(record.durable) ? record : nil
        } catch .notFound {
            return nil
        }
    }

    /// The name of the data that a record is about.
    func dataName(_ stem: String, _ record: UploadRecord) -> String {
        stem + "." + Hexadecimal.text(record.identity) + ".data"
    }

    /// Makes the record of a token, in place of one that no longer counts.
    func createRecord(_ stem: String, for name: FileName) throws(Errno) -> UploadRecord {
        let path = stem + ".record"
        let old = try UploadRecord.open(path, in: folder.number, of: kernel)
        try remove(stem, data: old.map { dataName(stem, $0) })
        return try UploadRecord.create(
            path, in: folder.number, of: kernel, for: name, mode: fileMode)
    }

    /// Removes a token's record, and its data unless that has been published. The record goes
    /// first: data without a record is a leftover.
    func remove(_ stem: String, data: String? = nil) throws(Errno) {
        try kernel.removeIfPresent(stem + ".record", in: folder.number)
        if let data { try kernel.removeIfPresent(data, in: folder.number) }
    }

    /// Removes what a crash left: uploads without a token, and halves of those with one.
    /// What bears no name of the store's is not the store's, and stays.
    private func recover() throws(StoreError) {
        try naming(FileName.reserved + "/" + Self.name) { () throws(Errno) in
            let walk = Descriptor(
                try kernel.open(".", in: folder.number, .directory, mode: 0), of: kernel)
            var entries: [DirectoryEntry] = []
            while try kernel.readDirectory(walk.number, into: &entries) {
                for entry in entries { try recover(String(decoding: entry.name, as: UTF8.self)) }
                entries.removeAll(keepingCapacity: true)
            }
            for entry in entries { try recover(String(decoding: entry.name, as: UTF8.self)) }
        }
    }

    private func recover(_ name: String) throws(Errno) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        let stem = String(parts[0])
        switch (parts.count, parts.last) {
        case (2, "part"):
            try kernel.removeIfPresent(name, in: folder.number)
        case (2, "record"):
            if try record(stem) == nil { try remove(stem) }
        case (3, "data"):
            if let record = try record(stem), dataName(stem, record) == name { return }
            try kernel.removeIfPresent(name, in: folder.number)
        default:
            return
        }
    }

    private static func openOrMake(
        _ name: String, in parent: Int32, of kernel: any Kernel, mode: UInt32
    ) throws(Errno) -> Descriptor {
        do {
            try kernel.makeDirectory(name, in: parent, mode: mode)
            try kernel.sync(parent)
        } catch .exists {}
        return Descriptor(
            try kernel.open(name, in: parent, .directory, mode: 0), of: kernel)
    }

    /// Writes the version into a new folder, refuses one that is not ours.
    private static func checkVersion(
        in reserved: Int32, of kernel: any Kernel, mode: UInt32
    ) throws(StoreError) {
        let version = "version"
        let text = try naming(FileName.reserved + "/" + version) { () throws(Errno) -> String? in
            do throws(Errno) {
                let file = Descriptor(
                    try kernel.open(version, in: reserved, .noFollow, mode: 0), of: kernel)
                return String(
                    decoding: try kernel.readAll(file.number, limit: 64), as: UTF8.self)
            } catch .notFound {
                try write(layoutVersion + "\n", to: version, in: reserved, of: kernel, mode: mode)
                return nil
            }
        }
        guard let text, text != layoutVersion + "\n" else { return }
        let found = text.prefix { $0.isLetter || $0.isNumber || $0 == "." }
        throw StoreError(
            .io,
            ".ampd/version: the store's layout is version \(found.isEmpty ? "?" : found), "
                + "this ampd knows version \(layoutVersion)")
    }

    /// Whole or not there: a file that appears by a rename.
    private static func write(
        _ text: String, to name: String, in directory: Int32, of kernel: any Kernel, mode: UInt32
    ) throws(Errno) {
        let draft = name + ".new"
        let flags: OpenFlags = [.write, .create, .truncate, .noFollow]
        let file = Descriptor(
            try kernel.open(draft, in: directory, flags, mode: mode), of: kernel)
        try kernel.writeAll(file.number, Array(text.utf8), at: 0)
        try kernel.syncData(file.number)
        try kernel.rename(draft, in: directory, to: name, in: directory, replacing: true)
        try kernel.sync(directory)
    }
}
