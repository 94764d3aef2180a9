import Kernel

/// A walk over a directory's names, depth first.
///
/// It holds one open directory a level, and of each no more than one batch of entries, so its
/// memory is bounded by the depth whatever the number of files. Names that are not the store's
/// are passed over: `.ampd`, links, special files, and what no ``FileName`` can say. So is what
/// vanishes during the walk.
final class DirectoryListing: Listing {
    private let tree: DirectoryTree
    private let recursive: Bool
    /// What the names in the topmost directory have to begin with.
    private let filter: String
    private var levels: [Level] = []

    /// 256 levels of one descriptor and one batch of entries, about 50 KiB each.
    static let depthLimit = 256

    /// A directory that the walk is in.
    private final class Level {
        let name: FileName?
        let directory: Descriptor
        var entries: ArraySlice<DirectoryEntry> = []
        var isRead = false

        init(_ name: FileName?, _ directory: consuming Descriptor) {
            self.name = name
            self.directory = directory
        }
    }

    init(of tree: DirectoryTree, prefix: String, recursive: Bool) throws(StoreError) {
        self.tree = tree
        self.recursive = recursive
        let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/"))
        filter = String(slash.map { prefix[prefix.utf8.index(after: $0)...] } ?? prefix[...])
        let top = try slash.map { slash throws(StoreError) in
            try FileName(String(prefix[..<slash]))
        }
        // Names may begin with one dot or two.
        if !["", ".", ".."].contains(filter), let fault = FileName.fault(inComponent: filter) {
            throw StoreError(.badName, fault)
        }
        do {
            levels = [Level(top, try tree.openDirectory(top))]
        } catch {
            // Not there: no name begins like that.
            guard error.code == .notFound else { throw error }
        }
    }

    func next(into entries: inout [ListingEntry]) throws(StoreError) -> Bool {
        let count = entries.count
        while entries.count == count, let level = levels.last {
            if level.entries.isEmpty && !level.isRead {
                var batch: [DirectoryEntry] = []
                level.isRead = try !naming(level.name?.path ?? ".") { () throws(Errno) in
                    try tree.kernel.readDirectory(level.directory.number, into: &batch)
                }
                level.entries = batch[...]
            }
            try walk(level, into: &entries)
            if level.entries.isEmpty && level.isRead && levels.last === level {
                levels.removeLast()
            }
        }
        return !levels.isEmpty
    }

    /// Takes up a level's entries, until they are through or one of them is to be descended to.
    private func walk(_ level: Level, into entries: inout [ListingEntry]) throws(StoreError) {
        while let found = level.entries.popFirst() {
            guard let name = name(of: found, in: level) else { continue }
            let status: FileStatus
            do throws(Errno) {
                status = try tree.kernel.status(of: name.last, in: level.directory.number)
            } catch .notFound {
                continue
            } catch {
                throw StoreError(error, at: name.path)
            }
            switch status.kind {
            case .regular:
                entries.append(
                    ListingEntry(
                        name: name, kind: .file, size: UInt64(max(0, status.size)),
                        modified: status.modified))
            case .directory:
                entries.append(
                    ListingEntry(name: name, kind: .directory, size: 0, modified: status.modified))
                if recursive, try descend(to: name, from: level) { return }
            default:
                continue
            }
        }
    }

    private func name(of entry: DirectoryEntry, in level: Level) -> FileName? {
        if let kind = entry.kind, kind != .regular && kind != .directory { return nil }
        guard let component = FileName.component(entry.name) else { return nil }
        if level === levels.first, !component.utf8.starts(with: filter.utf8) { return nil }
        return try? FileName(level.name.map { $0.path + "/" + component } ?? component)
    }

    /// false if the directory has vanished.
    private func descend(to name: FileName, from level: Level) throws(StoreError) -> Bool {
        if levels.count == Self.depthLimit {
            throw StoreError(.limit, name.path + ": directories are nested too deep to be listed")
        }
        let number: Int32
        do throws(Errno) {
            number = try tree.kernel.open(
                name.last, in: level.directory.number, .directory, mode: 0)
        } catch .notFound, .notDirectory, .symbolicLinks {
            return false
        } catch {
            throw StoreError(error, at: name.path)
        }
        levels.append(Level(name, Descriptor(number, of: tree.kernel)))
        return true
    }
}
