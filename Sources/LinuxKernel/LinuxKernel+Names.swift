import CLinux
import Kernel

extension LinuxKernel {
    public func makeDirectory(
        _ name: String, in directory: Int32, mode: UInt32
    ) throws(Errno) {
        try check(cl_make_directory(directory, component(name), mode))
    }

    public func remove(
        _ name: String, in directory: Int32, isDirectory: Bool
    ) throws(Errno) {
        try check(cl_remove(directory, component(name), isDirectory))
    }

    public func rename(
        _ name: String, in directory: Int32, to newName: String, in newDirectory: Int32,
        replacing: Bool
    ) throws(Errno) {
        let (name, newName) = (try component(name), try component(newName))
        try check(cl_rename(directory, name, newDirectory, newName, replacing))
    }

    public func readDirectory(
        _ directory: Int32, into entries: inout [DirectoryEntry]
    ) throws(Errno) -> Bool {
        try withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: 8) {
            (buffer) throws(Errno) in
            let count = try check(
                cl_read_directory(directory, buffer.baseAddress, buffer.count))
            appendEntries(of: UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: &entries)
            return count > 0
        }
    }

    /// `struct linux_dirent64`: inode and position in 16 bytes, the record's length, its type, and
    /// a name that ends with a NUL.
    private func appendEntries(
        of records: UnsafeRawBufferPointer, to entries: inout [DirectoryEntry]
    ) {
        let (lengthAt, typeAt, nameAt) = (16, 18, 19)
        var start = 0
        while records.count - start > nameAt {
            let length = Int(
                records.loadUnaligned(fromByteOffset: start + lengthAt, as: UInt16.self))
            guard length > nameAt, length <= records.count - start else { return }
            let name = records[start + nameAt..<start + length].prefix { $0 != 0 }
            if !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) {
                let kind = FileKind(directoryType: records[start + typeAt])
                entries.append(DirectoryEntry(name: Array(name), kind: kind))
            }
            start += length
        }
    }

    public func attribute(_ name: String, of file: Int32) throws(Errno) -> [UInt8]? {
        // An attribute that grows between the two calls is asked for again; one that grows for
        // ever is somebody's game.
        for _ in 0..<8 {
            let size = cl_get_attribute(file, name, nil, 0)
            if size == -Int(Errno.noData.number) { return nil }
            var value = [UInt8](repeating: 0, count: try check(size))
            let count = cl_get_attribute(file, name, &value, value.count)
            if count == -Int(Errno.outOfRange.number) { continue }
            if count == -Int(Errno.noData.number) { return nil }
            value.removeLast(value.count - (try check(count)))
            return value
        }
        throw .outOfRange
    }

    public func setAttribute(
        _ name: String, of file: Int32, to value: [UInt8]
    ) throws(Errno) {
        try check(cl_set_attribute(file, name, value, value.count))
    }
}

extension FileKind {
    /// `DT_REG` and so on of `readdir(3)`; nil for `DT_UNKNOWN`.
    fileprivate init?(directoryType: UInt8) {
        switch directoryType {
        case 0: return nil
        case 4: self = .directory
        case 8: self = .regular
        case 10: self = .symbolicLink
        case 12: self = .socket
        default: self = .other
        }
    }
}
