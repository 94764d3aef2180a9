import CLinux
import Glibc
import Kernel

extension LinuxKernel {
    public func open(
        _ path: String, in directory: Int32?, _ flags: OpenFlags, mode: UInt32
    ) throws(Errno) -> Int32 {
        guard !path.utf8.contains(0) else { throw .invalid }
        guard let directory else { return try descriptor(cl_open(path, flags.rawValue, mode)) }
        return try descriptor(cl_open_beneath(directory, path, flags.rawValue, mode))
    }

    public func status(_ file: Int32) throws(Errno) -> FileStatus {
        var result = cl_status_result()
        try check(cl_status(file, &result))
        return FileStatus(result)
    }

    public func status(of name: String, in directory: Int32) throws(Errno) -> FileStatus {
        var result = cl_status_result()
        try check(cl_status_of(directory, component(name), &result))
        return FileStatus(result)
    }

    public func read(
        _ file: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Errno) -> Int {
        try check(cl_read_at(file, buffer.baseAddress, buffer.count, offset))
    }

    public func write(
        _ file: Int32, _ vectors: UnsafeBufferPointer<IOVector>, at offset: Int64
    ) throws(Errno) -> Int {
        try check(cl_write_at(file, vectors.baseAddress, vectors.count, offset))
    }

    public func read(
        _ file: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try check(cl_read(file, buffer.baseAddress, buffer.count))
    }

    public func write(_ file: Int32, _ buffer: UnsafeRawBufferPointer) throws(Errno) -> Int {
        try check(cl_write(file, buffer.baseAddress, buffer.count))
    }

    public func truncate(_ file: Int32, to size: Int64) throws(Errno) {
        try check(cl_truncate(file, size))
    }

    public func allocate(_ file: Int32, upTo size: Int64) throws(Errno) {
        try check(cl_allocate(file, size))
    }

    public func syncData(_ file: Int32) throws(Errno) { try check(cl_sync_data(file)) }

    public func sync(_ file: Int32) throws(Errno) { try check(cl_sync(file)) }

    public func lock(_ file: Int32, exclusively: Bool) throws(Errno) {
        try check(cl_lock(file, exclusively))
    }

    public func startWriteback(_ file: Int32, offset: Int64, count: Int64) {
        _ = cl_start_writeback(file, offset, count)
    }

    public func isCached(_ file: Int32, offset: Int64, count: Int64) -> Bool? {
        guard offset >= 0, count >= 0 else { return nil }
        guard count > 0 else { return true }  // to cachestat(2), 0 is "to the end"
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow else { return nil }
        let cached = cl_cached_pages(file, UInt64(offset), UInt64(count))
        guard cached >= 0 else { return nil }
        let pageSize = Int64(sysconf(Int32(_SC_PAGESIZE)))
        return Int64(cached) == (end - 1) / pageSize - offset / pageSize + 1
    }
}

/// `name`, if it is a single component of a path: the calls that take one never walk.
func component(_ name: String) throws(Errno) -> String {
    guard !name.isEmpty, name != ".", name != "..",
        !name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") })
    else { throw .invalid }
    return name
}

extension FileStatus {
    fileprivate init(_ raw: cl_status_result) {
        self.init(
            kind: FileKind(mode: raw.mode), size: raw.size, modified: raw.modified,
            device: raw.device, inode: raw.inode)
    }
}

extension FileKind {
    fileprivate init(mode: UInt32) {
        switch mode & UInt32(S_IFMT) {
        case UInt32(S_IFREG): self = .regular
        case UInt32(S_IFDIR): self = .directory
        case UInt32(S_IFLNK): self = .symbolicLink
        case UInt32(S_IFSOCK): self = .socket
        default: self = .other
        }
    }
}
