import Kernel

/// Files: their opening, contents and durability, over the machine's ``Disk``.
extension SimulatedKernel {
    public func open(
        _ path: String, in directory: Int32?, _ flags: OpenFlags, mode: UInt32
    ) throws(Errno) -> Int32 {
        try enter("openat2", Int64(directory ?? -1), Int64(flags.rawValue))
        guard hasRoom else { throw .tooManyFiles }
        try failByChance(machine.faults.diskError)
        let inode = try resolve(path, in: directory, flags)
        if inode.kind == .directory {
            guard flags.isDisjoint(with: [.write, .readWrite, .create]) else { throw .isDirectory }
        } else {
            guard !flags.contains(.directory) else { throw .notDirectory }
            if flags.contains(.truncate) { resize(inode, to: 0) }
        }
        inode.openings += 1
        return try install(SimulatedFile(inode, on: machine.disk, flags))
    }

    public func status(_ file: Int32) throws(Errno) -> FileStatus {
        try enter("fstat", Int64(file))
        return try inode(file).status
    }

    public func read(
        _ file: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Errno) -> Int {
        try enter("pread", Int64(file), offset)
        let object = try object(file, as: SimulatedFile.self)
        guard object.isReadable else { throw .badDescriptor }
        guard object.inode.kind == .regular else { throw .isDirectory }
        guard let start = Int(exactly: offset), start >= 0 else { throw .invalid }
        try failByChance(machine.faults.diskError)
        let available = object.inode.data.count - min(start, object.inode.data.count)
        let count = portion(of: min(available, buffer.count))
        guard count > 0 else { return 0 }
        object.inode.data.withUnsafeBytes { data in
            UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: data[start..<start + count]))
        }
        return count
    }

    public func write(
        _ file: Int32, _ vectors: UnsafeBufferPointer<IOVector>, at offset: Int64
    ) throws(Errno) -> Int {
        try enter("pwritev", Int64(file), offset)
        let inode = try writable(file)
        guard var position = Int(exactly: offset), position >= 0 else { throw .invalid }
        let total = vectors.reduce(0) { $0 + $1.count }
        guard total > 0 else { return 0 }
        try failByChance(machine.faults.diskError)
        let end = try reserve(inode, upTo: position + portion(of: total), atLeast: position + 1)
        let count = end - position
        var left = count
        for vector in vectors where left > 0 {
            let part = min(vector.count, left)
            inode.write(UnsafeRawBufferPointer(start: vector.base, count: part), at: position)
            position += part
            left -= part
        }
        inode.modified = machine.wallClock
        return machine.bugs.contains(.ignoresShortWrite) ? total : count
    }

    public func read(
        _ file: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        let object = try object(file, as: SimulatedFile.self)
        let count = try read(file, into: buffer, at: object.position)
        object.position += Int64(count)
        return count
    }

    public func write(_ file: Int32, _ buffer: UnsafeRawBufferPointer) throws(Errno) -> Int {
        let object = try object(file, as: SimulatedFile.self)
        let vector = [IOVector(base: buffer.baseAddress, count: buffer.count)]
        let count: Int
        do {
            count = try vector.withUnsafeBufferPointer {
                try write(file, $0, at: object.position)
            }
        } catch { throw error as? Errno ?? .invalid }
        object.position += Int64(count)
        return count
    }

    public func truncate(_ file: Int32, to size: Int64) throws(Errno) {
        try enter("ftruncate", Int64(file), size)
        let inode = try writable(file)
        guard let size = Int(exactly: size), size >= 0 else { throw .invalid }
        guard size <= Self.largestFile else { throw .fileTooLarge }
        try failByChance(machine.faults.diskError)
        resize(inode, to: size)
        inode.modified = machine.wallClock
    }

    public func allocate(_ file: Int32, upTo size: Int64) throws(Errno) {
        try enter("fallocate", Int64(file), size)
        let inode = try writable(file)
        guard size > 0 else { throw .invalid }
        if machine.disk.failsByChance(machine.faults.diskFull) { throw .noSpace }
        try charge(inode, upTo: size)
    }

    public func syncData(_ file: Int32) throws(Errno) {
        try enter("fdatasync", Int64(file))
        try sync(inode(file), withAttributes: false)
    }

    public func sync(_ file: Int32) throws(Errno) {
        try enter("fsync", Int64(file))
        try sync(inode(file), withAttributes: true)
    }

    /// Never waits: who locks alone lets go within one step of the simulation.
    public func lock(_ file: Int32, exclusively: Bool) throws(Errno) {
        try enter("flock", Int64(file))
        let file = try object(file, as: SimulatedFile.self)
        try file.inode.lock(by: ObjectIdentifier(file), exclusively: exclusively)
    }

    /// Without effect: what a crash spares of unsynced bytes is by chance anyway.
    public func startWriteback(_ file: Int32, offset: Int64, count: Int64) {
        try? enter("sync_file_range", Int64(file), offset)
    }

    public func isCached(_ file: Int32, offset: Int64, count: Int64) -> Bool? {
        guard (try? enter("cachestat", Int64(file), offset)) != nil else { return nil }
        return switch machine.disk.chance.below(8) {
        case 0: nil
        case 1, 2: false
        default: true
        }
    }

    // MARK: Attributes

    public func attribute(_ name: String, of file: Int32) throws(Errno) -> [UInt8]? {
        try enter("fgetxattr", Int64(file))
        return try inode(file).attributes[name]
    }

    public func setAttribute(_ name: String, of file: Int32, to value: [UInt8]) throws(Errno) {
        try enter("fsetxattr", Int64(file), Int64(value.count))
        try failByChance(machine.faults.diskError)
        try inode(file).attributes[name] = value
    }

    // MARK: Helpers

    static var largestFile: Int { 1 << 30 }

    func failByChance(_ odds: UInt64) throws(Errno) {
        if machine.disk.failsByChance(odds) { throw .inputOutput }
    }

    func inode(_ file: Int32) throws(Errno) -> Inode {
        try object(file, as: SimulatedFile.self).inode
    }

    private func writable(_ file: Int32) throws(Errno) -> Inode {
        let object = try object(file, as: SimulatedFile.self)
        guard object.isWritable, object.inode.kind == .regular else { throw .badDescriptor }
        return object.inode
    }

    private func portion(of count: Int) -> Int {
        guard count > 1, machine.disk.failsByChance(machine.faults.shortTransfer) else {
            return count
        }
        return machine.disk.chance.size(in: 1...count)
    }

    private func sync(_ inode: Inode, withAttributes: Bool) throws(Errno) {
        if machine.disk.failsByChance(machine.faults.diskError) {
            inode.syncFailed()
            throw .inputOutput
        }
        let skipped: PlantedBugs = inode.kind == .directory ? .skipsNameSync : .skipsDataSync
        if machine.bugs.contains(skipped) { return }
        if inode.kind == .directory { return machine.disk.syncNames(of: inode) }
        if withAttributes { inode.sync() } else { inode.syncData() }
    }

    /// How far a write may go: to `end`, or less where the disk fills up on the way.
    private func reserve(_ inode: Inode, upTo end: Int, atLeast least: Int) throws(Errno) -> Int {
        guard end <= Self.largestFile else { throw .fileTooLarge }
        if machine.disk.failsByChance(machine.faults.diskFull) { throw .noSpace }
        let free = machine.disk.capacity - machine.disk.used
        let reach = min(Int64(end), inode.charged + max(0, free))
        guard reach >= Int64(least) || end <= inode.data.count else { throw .noSpace }
        let admitted = max(reach, min(Int64(end), Int64(inode.data.count)))
        try charge(inode, upTo: admitted)
        return Int(admitted)
    }

    private func charge(_ inode: Inode, upTo size: Int64) throws(Errno) {
        let growth = size - inode.charged
        guard growth > 0 else { return }
        guard growth <= machine.disk.capacity - machine.disk.used else { throw .noSpace }
        machine.disk.used += growth
        inode.charged = size
    }

    private func resize(_ inode: Inode, to size: Int) {
        if Int64(size) < inode.charged {
            machine.disk.used -= inode.charged - Int64(size)
            inode.charged = Int64(size)
        }
        inode.resize(to: size)
    }
}
