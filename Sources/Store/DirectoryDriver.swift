import Digests
import Kernel

/// Keeps each file as a file of the same name beneath one directory, the root.
///
/// The root belongs to ampd alone as far as writing goes; reading it by other means is fine, so
/// is putting files there while ampd is down. Its own things lie under `.ampd`, see
/// ``UploadFolder``. Symbolic links and special files are never followed, served or replaced:
/// a name that leads through one is `DENIED`.
///
/// Besides the two descriptors that it holds, and the memory of ``DirectoryTree`` which only
/// saves work, a driver has no state: everything is on the disk.
public final class DirectoryDriver: Driver {
    let tree: DirectoryTree
    let uploads: UploadFolder
    /// Data bytes between two checkpoints of an upload with a token.
    let checkpointInterval: UInt64

    /// 8 MiB: at 500 MB/s a checkpoint comes every 17 ms, and most of what it waits for has
    /// been on its way to the disk for long; a killed daemon gives up no more than that.
    public static let defaultCheckpointInterval: UInt64 = 8 << 20

    /// Opens a store, making `.ampd` in a new one, and clears away what a crash left.
    ///
    /// `root` is a directory that exists. New files get `fileMode` and new directories
    /// `directoryMode`, less what the process's umask takes. Throws for a layout of another
    /// version.
    public init(
        root path: String, over kernel: any Kernel, fileMode: UInt32 = 0o640,
        directoryMode: UInt32 = 0o750,
        checkpointInterval: UInt64 = DirectoryDriver.defaultCheckpointInterval
    ) throws(StoreError) {
        let number = try naming(path) { () throws(Errno) in
            try kernel.open(path, in: nil, .directory, mode: 0)
        }
        let root = Descriptor(number, of: kernel)
        uploads = try UploadFolder(in: root, fileMode: fileMode, directoryMode: directoryMode)
        tree = DirectoryTree(root: root, directoryMode: directoryMode)
        self.checkpointInterval = checkpointInterval
    }

    var kernel: any Kernel { tree.kernel }

    // MARK: Uploads

    public func begin(_ request: UploadRequest) throws(StoreError) -> any Upload {
        let (end, overflows) = request.offset.addingReportingOverflow(request.length ?? 0)
        if overflows || end > UInt64(Int64.max) {
            throw StoreError(.noSpace, request.name.path + ": no file is that long")
        }
        if let status = try tree.status(of: request.name) {
            try Self.requireFile(status, request.name)
        }
        guard let token = request.token else {
            if request.offset > 0 {
                throw StoreError(.badOffset, "an upload without a token begins at 0")
            }
            return try DirectoryUpload.start(request, in: self)
        }
        try Self.check(token)
        return try DirectoryUpload.start(request, stem: uploads.stem(of: token), in: self)
    }

    public func uploadStatus(
        of token: [UInt8], digest: DigestAlgorithm?
    ) throws(StoreError) -> UploadStatus {
        try Self.check(token)
        let stem = uploads.stem(of: token)
        let place = "the upload's record"
        let record = try naming(place) { () throws(Errno) in try uploads.record(stem) }
        guard let record else { throw StoreError(.notFound, "no upload has this token") }
        // After a crash the record may be nowhere but in memory; what is told must last.
        try naming(place) { () throws(Errno) in try record.sync() }
        var status = UploadStatus(name: record.name, offset: record.durable, digest: nil)
        if let digest {
            let data = try naming(record.name.path) { () throws(Errno) in
                try uploads.open(uploads.dataName(stem, record))
            }
            var state = DigestState(digest)
            try state.update(
                from: data.number, of: kernel, offset: 0, count: record.durable, record.name)
            status.digest = state.finalize()
        }
        return status
    }

    private static func check(_ token: [UInt8]) throws(StoreError) {
        guard (16...64).contains(token.count) else {
            throw StoreError(.badToken, "a token has 16 to 64 bytes, not \(token.count)")
        }
    }

    // MARK: Files

    public func open(_ name: FileName) throws(StoreError) -> StoredFile {
        let file = try tree.open(name, [.noFollow, .nonBlocking])
        let number = file.number
        let status = try naming(name.path) { () throws(Errno) in try kernel.status(number) }
        try Self.requireFile(status, name)
        return StoredFile(
            name: name, size: UInt64(max(0, status.size)), modified: status.modified, file: file)
    }

    public func status(
        of name: FileName, digest: DigestAlgorithm?
    ) throws(StoreError) -> StoredStatus {
        guard let digest else {
            let parent = try tree.openParent(of: name)
            let status = try tree.status(of: name, in: parent.number)
            try Self.requireFile(status, name)
            return StoredStatus(
                size: UInt64(max(0, status.size)), modified: status.modified, digest: nil)
        }
        let file = try open(name)
        let value = try file.digest(digest, offset: 0, count: file.size)
        return StoredStatus(size: file.size, modified: file.modified, digest: value)
    }

    /// Returns when the removal is durable.
    public func remove(_ name: FileName) throws(StoreError) {
        let parent = try tree.openParent(of: name)
        let status = try tree.status(of: name, in: parent.number)
        let isDirectory = status.kind == .directory
        if !isDirectory { try Self.requireFile(status, name) }
        let number = parent.number
        try naming(name.path) { () throws(Errno) in
            try kernel.remove(name.last, in: number, isDirectory: isDirectory)
            try kernel.sync(number)
        }
    }

    public func list(prefix: String, recursive: Bool) throws(StoreError) -> any Listing {
        try DirectoryListing(of: tree, prefix: prefix, recursive: recursive)
    }

    /// Throws unless it is a regular file.
    static func requireFile(_ status: FileStatus, _ name: FileName) throws(StoreError) {
        switch status.kind {
        case .regular: return
        case .directory: throw StoreError(.isDirectory, name.path + ": is a directory")
        case .symbolicLink: throw StoreError(.denied, name.path + ": is a symbolic link")
        default: throw StoreError(.denied, name.path + ": is a special file")
        }
    }
}
