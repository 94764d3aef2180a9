/// How a file is opened (`open(2)`); access is read-only unless said.
public struct OpenFlags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let write = OpenFlags(rawValue: 1)  // O_WRONLY
    public static let readWrite = OpenFlags(rawValue: 2)  // O_RDWR
    public static let create = OpenFlags(rawValue: 4)  // O_CREAT
    public static let exclusive = OpenFlags(rawValue: 8)  // O_EXCL
    public static let truncate = OpenFlags(rawValue: 16)  // O_TRUNC
    public static let directory = OpenFlags(rawValue: 32)  // O_DIRECTORY
    /// Never follow a symbolic link in the last component (`O_NOFOLLOW`).
    public static let noFollow = OpenFlags(rawValue: 64)
    /// Do not wait for the other side of a FIFO or for a device (`O_NONBLOCK`).
    public static let nonBlocking = OpenFlags(rawValue: 128)
}

/// What lies under a name.
public enum FileKind: Sendable {
    case regular, directory, symbolicLink, socket, other
}

/// The parts of `fstat(2)` that are used here.
public struct FileStatus: Hashable, Sendable {
    public var kind: FileKind
    public var size: Int64
    /// Last change of the contents, nanoseconds since 1970.
    public var modified: Int64
    public var device: UInt64
    public var inode: UInt64

    public init(kind: FileKind, size: Int64, modified: Int64, device: UInt64, inode: UInt64) {
        self.kind = kind
        self.size = size
        self.modified = modified
        self.device = device
        self.inode = inode
    }
}

/// One name of a directory, `.` and `..` left out. The name is bytes: a disk may hold any.
public struct DirectoryEntry: Hashable, Sendable {
    public var name: [UInt8]
    /// nil where the file system does not say; ask with `status`.
    public var kind: FileKind?

    public init(name: [UInt8], kind: FileKind?) {
        self.name = name
        self.kind = kind
    }
}

/// A piece of memory to write, laid out as `struct iovec` is.
@frozen public struct IOVector {
    public var base: UnsafeRawPointer?
    public var count: Int

    public init(base: UnsafeRawPointer?, count: Int) {
        self.base = base
        self.count = count
    }
}
