import Kernel
import Synchronization

/// The directories beneath a root, opened without ever leaving it.
///
/// Every path is resolved by the kernel beneath the root's descriptor and follows no link
/// (`openat2(2)` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`), so it does not matter who
/// swaps what meanwhile.
///
/// A file is durable under its name only when the directories above it are, each of which is an
/// entry in the one above. Who makes a directory syncs that entry; but another upload may find
/// the directory before that is done, and a crash may have come in between. So a directory is
/// trusted only after this object has once synced its entry, and `settled` remembers those.
/// Directories are made under the lock alone: one that could be opened and is settled by then
/// has a durable entry, even if it was removed and made again. (Whoever moves directories about
/// one day has to clear the set.)
final class DirectoryTree: Sendable {
    let kernel: any Kernel
    private let root: Descriptor
    private let directoryMode: UInt32
    private let settled = Mutex<Set<FileName>>([])

    /// How many settled directories are remembered: 4,096 of some 100 bytes.
    private static let settledLimit = 4096
    /// PATH_MAX of `limits.h` counts the closing NUL: a name of 4,096 bytes takes two steps.
    private static let pathLimit = 4095

    init(root: consuming Descriptor, directoryMode: UInt32) {
        self.kernel = root.kernel
        self.root = root
        self.directoryMode = directoryMode
    }

    /// Opens what a name stands for.
    func open(_ name: FileName, _ flags: OpenFlags) throws(StoreError) -> Descriptor {
        if name.path.utf8.count <= Self.pathLimit { return try open(name.path, flags) }
        let parent = try openParent(of: name)
        let number = try naming(name.path) { () throws(Errno) in
            try kernel.open(name.last, in: parent.number, flags, mode: 0)
        }
        return Descriptor(number, of: kernel)
    }

    /// Opens the directory that a name is in.
    func openParent(of name: FileName) throws(StoreError) -> Descriptor {
        try openDirectory(name.parent)
    }

    /// Opens a directory; nil is the root.
    func openDirectory(_ name: FileName?) throws(StoreError) -> Descriptor {
        try open(name?.path ?? ".", .directory)
    }

    /// What lies under a name, links not followed; nil if nothing does.
    func status(of name: FileName) throws(StoreError) -> FileStatus? {
        do {
            let parent = try openParent(of: name)
            return try status(of: name, in: parent.number)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    func status(of name: FileName, in parent: Int32) throws(StoreError) -> FileStatus {
        try naming(name.path) { () throws(Errno) in
            try kernel.status(of: name.last, in: parent)
        }
    }

    /// Opens the directory that a name is in, making what is missing, so that a sync of the
    /// directory returned makes its entries durable.
    func makeParent(of name: FileName) throws(StoreError) -> Descriptor {
        guard let parent = name.parent else { return try openDirectory(nil) }
        if let directory = openSettled(parent) { return directory }
        return try settled.withLock { settled throws(StoreError) in
            if settled.count > Self.settledLimit { settled.removeAll() }
            var current = try openDirectory(nil)
            for directory in name.ancestors {
                current = try step(from: current, to: directory, &settled)
            }
            return current
        }
    }

    private func open(_ path: String, _ flags: OpenFlags) throws(StoreError) -> Descriptor {
        let number = try naming(path) { () throws(Errno) in
            try kernel.open(path, in: root.number, flags, mode: 0)
        }
        return Descriptor(number, of: kernel)
    }

    /// nil if it has to be made, settled or looked into. It is opened before it is looked up:
    /// what can be opened by then has been settled or will be found unsettled.
    private func openSettled(_ directory: FileName) -> Descriptor? {
        guard let number = try? kernel.open(directory.path, in: root.number, .directory, mode: 0)
        else { return nil }
        let descriptor = Descriptor(number, of: kernel)
        guard settled.withLock({ $0.contains(directory) }) else { return nil }
        return descriptor
    }

    /// Opens or makes one directory, and makes its entry durable.
    private func step(
        from current: borrowing Descriptor, to directory: FileName, _ settled: inout Set<FileName>
    ) throws(StoreError) -> Descriptor {
        let number = current.number
        let next: Int32
        do throws(Errno) {
            next = try openOrMake(directory, in: number, &settled)
        } catch .notDirectory {
            throw StoreError(.exists, directory.path + ": is a file, not a directory")
        } catch {
            throw StoreError(error, at: directory.path)
        }
        let descriptor = Descriptor(next, of: kernel)
        if !settled.contains(directory) {
            try naming(directory.path) { () throws(Errno) in try kernel.sync(number) }
            settled.insert(directory)
        }
        return descriptor
    }

    private func openOrMake(
        _ directory: FileName, in parent: Int32, _ settled: inout Set<FileName>
    ) throws(Errno) -> Int32 {
        do {
            return try kernel.open(directory.last, in: parent, .directory, mode: 0)
        } catch .notFound {
            settled.remove(directory)
        }
        do {
            try kernel.makeDirectory(directory.last, in: parent, mode: directoryMode)
        } catch .exists {}  // Someone else made it meanwhile.
        return try kernel.open(directory.last, in: parent, .directory, mode: 0)
    }
}
