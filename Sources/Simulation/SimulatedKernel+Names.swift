import Kernel

/// Directories and names, over the machine's ``Disk``. There are no symbolic links.
extension SimulatedKernel {
    public func status(of name: String, in directory: Int32) throws(Errno) -> FileStatus {
        try enter("fstatat", Int64(directory))
        let parent = try inode(directory)
        return try entry(component(name), of: parent).inode.status
    }

    public func makeDirectory(
        _ name: String, in directory: Int32, mode: UInt32
    ) throws(Errno) {
        try enter("mkdirat", Int64(directory))
        let parent = try inode(directory)
        let name = try component(name)
        guard parent.kind == .directory else { throw .notDirectory }
        guard parent.names[name] == nil else { throw .exists }
        try link(machine.disk.makeInode(.directory), as: name, in: parent)
    }

    public func remove(
        _ name: String, in directory: Int32, isDirectory: Bool
    ) throws(Errno) {
        try enter("unlinkat", Int64(directory), isDirectory ? 1 : 0)
        let parent = try inode(directory)
        let name = try component(name)
        let inode = try entry(name, of: parent).inode
        if inode.kind == .directory {
            guard isDirectory else { throw .isDirectory }
            guard inode.names.isEmpty else { throw .notEmpty }
        } else if isDirectory {
            throw .notDirectory
        }
        try failByChance(machine.faults.diskError)
        machine.disk.change([Disk.Edit(directory: parent, name: name, inode: nil)])
    }

    public func rename(
        _ name: String, in directory: Int32, to newName: String, in newDirectory: Int32,
        replacing: Bool
    ) throws(Errno) {
        try enter("renameat2", Int64(directory), Int64(newDirectory))
        let source = try inode(directory)
        let target = try inode(newDirectory)
        let oldName = try component(name)
        let newName = try component(newName)
        let inode = try entry(oldName, of: source).inode
        guard target.kind == .directory, target.links > 0 else { throw .notFound }
        if let there = target.names[newName]?.inode {
            guard replacing else { throw .exists }
            if there === inode { return }
            if there.kind == .directory {
                guard inode.kind == .directory else { throw .isDirectory }
                guard there.names.isEmpty else { throw .notEmpty }
            } else if inode.kind == .directory {
                throw .notDirectory
            }
        }
        try failByChance(machine.faults.diskError)
        machine.disk.change([
            Disk.Edit(directory: target, name: newName, inode: inode),
            Disk.Edit(directory: source, name: oldName, inode: nil),
        ])
    }

    public func readDirectory(
        _ directory: Int32, into entries: inout [DirectoryEntry]
    ) throws(Errno) -> Bool {
        try enter("getdents64", Int64(directory))
        let object = try object(directory, as: SimulatedFile.self)
        guard object.inode.kind == .directory else { throw .notDirectory }
        try failByChance(machine.faults.diskError)
        let left = object.inode.entries(after: object.cookie)
        guard !left.isEmpty else { return false }
        for (name, entry) in left.prefix(machine.disk.chance.size(in: 1...64)) {
            let isTold = !machine.disk.failsByChance(16)
            entries.append(DirectoryEntry(name: name, kind: isTold ? entry.inode.kind : nil))
            object.cookie = entry.cookie
        }
        return true
    }

    // MARK: Resolution

    /// The inode that `path` stands for, made if the flags say so.
    func resolve(
        _ path: String, in directory: Int32?, _ flags: OpenFlags
    ) throws(Errno) -> Inode {
        guard path.utf8.count < 4_096 else { throw .nameTooLong }
        guard !path.isEmpty else { throw .notFound }
        var inode = machine.disk.root
        if let directory {
            inode = try self.inode(directory)
            guard path.utf8.first != UInt8(ascii: "/") else { throw .crossDevice }
        }
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { Array($0) }
        for (index, part) in parts.enumerated() {
            guard inode.kind == .directory else { throw .notDirectory }
            if part == Self.dot { continue }
            guard part != Self.dotDot else { throw .crossDevice }
            guard part.count <= 255 else { throw .nameTooLong }
            guard !part.contains(0) else { throw .invalid }
            let isLast = index == parts.count - 1
            if let child = inode.names[part]?.inode {
                if isLast, flags.contains([.create, .exclusive]) { throw .exists }
                inode = child
            } else {
                guard isLast, flags.contains(.create) else { throw .notFound }
                let file = machine.disk.makeInode(.regular)
                file.modified = machine.wallClock
                try link(file, as: part, in: inode)
                inode = file
            }
        }
        return inode
    }

    /// What bind(2) leaves at the path of a Unix socket.
    func makeSocketFile(_ path: String) throws(Errno) {
        let bytes = Array(path.utf8)
        let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
        let parent = slash.map { String(decoding: bytes[...$0], as: UTF8.self) } ?? "/"
        let name = Array(bytes[(slash.map { $0 + 1 } ?? 0)...])
        let directory = try resolve(parent, in: nil, .directory)
        guard directory.kind == .directory else { throw .notDirectory }
        guard directory.names[name] == nil else { throw .addressInUse }
        try link(machine.disk.makeInode(.socket), as: name, in: directory)
    }

    private func link(_ inode: Inode, as name: [UInt8], in parent: Inode) throws(Errno) {
        guard parent.links > 0 else { throw .notFound }
        if machine.disk.failsByChance(machine.faults.diskFull) { throw .noSpace }
        machine.disk.change([Disk.Edit(directory: parent, name: name, inode: inode)])
    }

    private func entry(_ name: [UInt8], of parent: Inode) throws(Errno) -> Inode.Entry {
        guard parent.kind == .directory else { throw .notDirectory }
        guard let entry = parent.names[name] else { throw .notFound }
        return entry
    }

    private func component(_ name: String) throws(Errno) -> [UInt8] {
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty else { throw .notFound }
        guard bytes.count <= 255 else { throw .nameTooLong }
        guard !bytes.contains(UInt8(ascii: "/")), !bytes.contains(0) else { throw .invalid }
        guard bytes != Self.dot, bytes != Self.dotDot else { throw .invalid }
        return bytes
    }

    private static var dot: [UInt8] { [UInt8(ascii: ".")] }
    private static var dotDot: [UInt8] { [UInt8(ascii: "."), UInt8(ascii: ".")] }
}
