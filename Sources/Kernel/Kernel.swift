@_exported import Clocks

/// The system calls that ampd is made of, each as its manual page describes it, so that the
/// code above runs unchanged over Linux and over a simulated machine.
///
/// Every call that fails throws its `Errno`. `EINTR` is retried inside, except by calls that
/// wait. Descriptors are plain numbers here; whoever opens one wraps it in a ``Descriptor``.
/// Sockets are nonblocking and everything is close-on-exec. Calls under "files" may block and
/// are for workers alone.
public protocol Kernel: AnyObject, Sendable {
    // MARK: Time and chance

    /// `clock_gettime(CLOCK_BOOTTIME)`.
    func now() -> Instant
    /// `clock_gettime(CLOCK_REALTIME)`: nanoseconds since 1970. For people, never for timers.
    func wallClock() -> Int64
    /// `getrandom(2)`; fills the whole buffer.
    func random(into buffer: UnsafeMutableRawBufferPointer)

    // MARK: Readiness

    func close(_ descriptor: Int32)
    func epollCreate() throws(Errno) -> Int32
    /// `EPOLL_CTL_ADD`, level-triggered.
    func epollAdd(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno)
    func epollModify(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno)
    func epollRemove(_ epoll: Int32, _ descriptor: Int32) throws(Errno)
    /// `epoll_wait(2)` until `deadline` (`.never`: for ever, `.start`: do not wait).
    /// Returns the number of events written; 0 after the deadline or a signal.
    func epollWait(
        _ epoll: Int32, into events: UnsafeMutableBufferPointer<Event>, until deadline: Instant
    ) throws(Errno) -> Int
    /// `eventfd(2)`, nonblocking: readable from `eventSignal` until `eventDrain`. Any thread.
    func eventCreate() throws(Errno) -> Int32
    func eventSignal(_ descriptor: Int32)
    func eventDrain(_ descriptor: Int32)
    /// Blocks the signals for the process and delivers them through a `signalfd(2)`.
    func signalCreate(_ signals: [Signal]) throws(Errno) -> Int32
    /// The next signal that waits there, if any.
    func signalRead(_ descriptor: Int32) -> Signal?

    // MARK: Sockets

    /// `socket(2)`: a nonblocking stream socket of the address's family.
    func socket(for address: SocketAddress) throws(Errno) -> Int32
    func bind(_ socket: Int32, to address: SocketAddress) throws(Errno)
    func listen(_ socket: Int32, backlog: Int32) throws(Errno)
    /// `accept4(2)`; `.again` when nobody waits.
    func accept(_ listener: Int32) throws(Errno) -> (socket: Int32, peer: SocketAddress)
    /// `connect(2)`; `.inProgress` means: wait until writable, then ask `socketError`.
    func connect(_ socket: Int32, to address: SocketAddress) throws(Errno)
    /// `SO_ERROR`: the pending error, taken off; nil if there is none.
    func socketError(_ socket: Int32) -> Errno?
    /// `getsockname(2)`.
    func localAddress(_ socket: Int32) throws(Errno) -> SocketAddress
    func setOption(_ socket: Int32, _ option: SocketOption, _ value: Int32) throws(Errno)
    /// `recv(2)`: the bytes read, 0 at the end of the stream, `.again` when there are none yet.
    func receive(_ socket: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    /// `sendmsg(2)` with `MSG_NOSIGNAL`, and `MSG_MORE` if `more` follows at once.
    func send(
        _ socket: Int32, _ vectors: UnsafeBufferPointer<IOVector>, more: Bool
    ) throws(Errno) -> Int
    /// `sendfile(2)` from `offset` of a regular file: the bytes sent, 0 past the end of the file.
    func sendFile(
        _ socket: Int32, from file: Int32, offset: Int64, count: Int
    ) throws(Errno) -> Int
    /// `shutdown(SHUT_WR)`.
    func shutdownWrites(_ socket: Int32) throws(Errno)
    /// `fcntl(2)`, `O_NONBLOCK` and `FD_CLOEXEC`: for a descriptor that was handed to us.
    func makeNonBlocking(_ descriptor: Int32) throws(Errno)

    // MARK: Files

    /// `openat2(2)`; a new file gets `mode`. With a `directory`, `path` is resolved beneath it
    /// and no symbolic or magic link is followed anywhere (an escape is `.crossDevice`, a link
    /// `.symbolicLinks`). Without, `path` is resolved as the process sees it.
    func open(
        _ path: String, in directory: Int32?, _ flags: OpenFlags, mode: UInt32
    ) throws(Errno) -> Int32
    /// `fstat(2)`.
    func status(_ file: Int32) throws(Errno) -> FileStatus
    /// `fstatat(2)` with `AT_SYMLINK_NOFOLLOW`; `name` is one component.
    func status(of name: String, in directory: Int32) throws(Errno) -> FileStatus
    /// `pread(2)`: the bytes read, 0 at the end.
    func read(
        _ file: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Errno) -> Int
    /// `pwritev(2)`: the bytes written, which may be fewer.
    func write(
        _ file: Int32, _ vectors: UnsafeBufferPointer<IOVector>, at offset: Int64
    ) throws(Errno) -> Int
    /// `read(2)` and `write(2)` at the descriptor's own position, for pipes and terminals.
    func read(_ file: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    func write(_ file: Int32, _ buffer: UnsafeRawBufferPointer) throws(Errno) -> Int
    /// `ftruncate(2)`.
    func truncate(_ file: Int32, to size: Int64) throws(Errno)
    /// `fallocate(FALLOC_FL_KEEP_SIZE)`; `.notSupported` where the file system cannot.
    func allocate(_ file: Int32, upTo size: Int64) throws(Errno)
    /// `fdatasync(2)`.
    func syncData(_ file: Int32) throws(Errno)
    /// `fsync(2)`; for directories.
    func sync(_ file: Int32) throws(Errno)
    /// `flock(2)`, released when the last descriptor of the opening is closed. Exclusively it
    /// does not wait: `.again` while others hold a lock. Shared it waits for who holds it alone.
    func lock(_ file: Int32, exclusively: Bool) throws(Errno)
    /// `sync_file_range(SYNC_FILE_RANGE_WRITE)`: begins writeback, guarantees nothing.
    func startWriteback(_ file: Int32, offset: Int64, count: Int64)
    /// `cachestat(2)`: whether the whole range is in the page cache; nil if it cannot be known.
    func isCached(_ file: Int32, offset: Int64, count: Int64) -> Bool?
    /// `mkdirat(2)`; `name` is one component, as in the calls below.
    func makeDirectory(_ name: String, in directory: Int32, mode: UInt32) throws(Errno)
    /// `unlinkat(2)`, with `AT_REMOVEDIR` for a directory.
    func remove(_ name: String, in directory: Int32, isDirectory: Bool) throws(Errno)
    /// `renameat2(2)`, with `RENAME_NOREPLACE` (`.exists`) unless it may replace.
    func rename(
        _ name: String, in directory: Int32, to newName: String, in newDirectory: Int32,
        replacing: Bool
    ) throws(Errno)
    /// `getdents64(2)`: appends some more entries; false when there are no more.
    func readDirectory(_ directory: Int32, into entries: inout [DirectoryEntry]) throws(Errno)
        -> Bool
    /// `fgetxattr(2)`; nil if there is none.
    func attribute(_ name: String, of file: Int32) throws(Errno) -> [UInt8]?
    /// `fsetxattr(2)`.
    func setAttribute(_ name: String, of file: Int32, to value: [UInt8]) throws(Errno)
}

extension Kernel {
    /// `send` of one piece of memory.
    public func send(
        _ socket: Int32, _ bytes: UnsafeRawBufferPointer, more: Bool
    ) throws(Errno) -> Int {
        var vector = IOVector(base: bytes.baseAddress, count: bytes.count)
        return try withUnsafePointer(to: &vector) { vector throws(Errno) in
            try send(socket, UnsafeBufferPointer(start: vector, count: 1), more: more)
        }
    }
}
