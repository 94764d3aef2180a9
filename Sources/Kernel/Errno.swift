/// An error number of the Linux system calls (`errno(3)`).
public struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
    public let number: Int32

    public init(_ number: Int32) { self.number = number }

    public static let notPermitted = Errno(1)  // EPERM
    public static let notFound = Errno(2)  // ENOENT
    public static let interrupted = Errno(4)  // EINTR
    public static let inputOutput = Errno(5)  // EIO
    public static let badDescriptor = Errno(9)  // EBADF
    public static let again = Errno(11)  // EAGAIN, EWOULDBLOCK
    public static let noMemory = Errno(12)  // ENOMEM
    public static let accessDenied = Errno(13)  // EACCES
    public static let exists = Errno(17)  // EEXIST
    public static let crossDevice = Errno(18)  // EXDEV; openat2(2): the path escapes
    public static let notDirectory = Errno(20)  // ENOTDIR
    public static let isDirectory = Errno(21)  // EISDIR
    public static let invalid = Errno(22)  // EINVAL
    public static let tooManyFilesInSystem = Errno(23)  // ENFILE
    public static let tooManyFiles = Errno(24)  // EMFILE
    public static let fileTooLarge = Errno(27)  // EFBIG
    public static let noSpace = Errno(28)  // ENOSPC
    public static let readOnly = Errno(30)  // EROFS
    public static let brokenPipe = Errno(32)  // EPIPE
    public static let outOfRange = Errno(34)  // ERANGE
    public static let nameTooLong = Errno(36)  // ENAMETOOLONG
    public static let notImplemented = Errno(38)  // ENOSYS
    public static let notEmpty = Errno(39)  // ENOTEMPTY
    public static let symbolicLinks = Errno(40)  // ELOOP
    public static let noData = Errno(61)  // ENODATA: no such extended attribute
    public static let notSupported = Errno(95)  // EOPNOTSUPP
    public static let addressInUse = Errno(98)  // EADDRINUSE
    public static let connectionAborted = Errno(103)  // ECONNABORTED
    public static let connectionReset = Errno(104)  // ECONNRESET
    public static let noBuffers = Errno(105)  // ENOBUFS
    public static let notConnected = Errno(107)  // ENOTCONN
    public static let timedOut = Errno(110)  // ETIMEDOUT
    public static let connectionRefused = Errno(111)  // ECONNREFUSED
    public static let inProgress = Errno(115)  // EINPROGRESS
    public static let quota = Errno(122)  // EDQUOT

    /// No more room on the disk, of whatever kind.
    public var isFull: Bool { self == .noSpace || self == .quota || self == .fileTooLarge }

    public var description: String { Self.words[number] ?? "error \(number)" }

    private static let words: [Int32: String] = [
        1: "operation not permitted", 2: "no such file or directory", 4: "interrupted",
        5: "input/output error", 9: "bad file descriptor", 11: "try again",
        12: "out of memory", 13: "permission denied", 17: "file exists",
        18: "path leads outside", 20: "not a directory", 21: "is a directory",
        22: "invalid argument", 23: "too many open files in system",
        24: "too many open files", 27: "file too large", 28: "no space left on device",
        30: "read-only file system", 32: "broken pipe", 36: "file name too long",
        38: "function not implemented", 39: "directory not empty",
        40: "too many symbolic links", 95: "operation not supported",
        97: "address family not supported", 98: "address already in use",
        99: "address not available", 101: "network unreachable",
        103: "connection aborted", 104: "connection reset by peer",
        105: "no buffer space", 107: "not connected", 110: "connection timed out",
        111: "connection refused", 113: "no route to host", 115: "in progress",
        122: "disk quota exceeded",
    ]
}
