import Kernel

/// An open file or directory.
final class SimulatedFile: KernelObject {
    let inode: Inode
    private let disk: Disk
    private let flags: OpenFlags
    var position: Int64 = 0
    /// How far a reading of the directory has come.
    var cookie: UInt64 = 0

    init(_ inode: Inode, on disk: Disk, _ flags: OpenFlags) {
        self.inode = inode
        self.disk = disk
        self.flags = flags
    }

    var title: String { inode.kind == .directory ? "directory" : "file, inode \(inode.number)" }
    var readiness: Readiness { [.readable, .writable] }
    var isWritable: Bool { !flags.isDisjoint(with: [.write, .readWrite]) }
    var isReadable: Bool { !flags.contains(.write) || flags.contains(.readWrite) }

    func released() {
        inode.openings -= 1
        inode.unlock(by: ObjectIdentifier(self))
        disk.release(inode)
    }
}
