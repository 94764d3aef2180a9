import Kernel

/// The machine's file system: inodes in memory, and what of them would outlive a loss of power.
///
/// Every read sees what was written last, synced or not. Beside it the disk remembers what is
/// durable: of a file's contents what `fdatasync` covered, of a directory's names those changes
/// that an `fsync` of that directory covered. ``crash()`` keeps the durable and lets chance decide
/// about the rest, which POSIX allows and file systems make use of: of unsynced bytes any sectors,
/// of unsynced changes of names either the first so many (as a journal keeps them) or any.
public final class Disk {
    public let root: Inode
    /// Bytes that files may take together.
    public var capacity: Int64 = .max
    public internal(set) var used: Int64 = 0
    var chance: Chance
    private var nextInode: UInt64 = 2
    private var pending: [Change] = []

    /// One atomic change of names that no sync has covered.
    private struct Change {
        var edits: [Edit]
    }

    /// A name in a directory comes to stand for an inode, or for none.
    struct Edit {
        var directory: Inode
        var name: [UInt8]
        var inode: Inode?
    }

    init(chance: Chance) {
        self.chance = chance
        root = Inode(number: 1, kind: .directory)
        root.links = 1
    }

    func makeInode(_ kind: FileKind) -> Inode {
        defer { nextInode += 1 }
        return Inode(number: nextInode, kind: kind)
    }

    func failsByChance(_ odds: UInt64) -> Bool { chance.oneIn(odds) }

    // MARK: Names

    /// Changes names at once for everybody who looks, durably only after a sync.
    func change(_ edits: [Edit]) {
        for edit in edits { apply(edit) }
        pending.append(Change(edits: edits))
    }

    private func apply(_ edit: Edit) {
        if let old = edit.directory.names[edit.name] {
            old.inode.links -= 1
            release(old.inode)
        }
        if let inode = edit.inode {
            inode.links += 1
            edit.directory.insert(inode, as: edit.name)
        } else {
            edit.directory.names[edit.name] = nil
        }
    }

    /// Gives a file's room back once neither a name nor a descriptor is left.
    func release(_ inode: Inode) {
        guard inode.links <= 0, inode.openings == 0, inode.kind == .regular else { return }
        used -= inode.charged
        inode.charged = 0
    }

    /// `fsync` of a directory: the changes that touch it will outlive a crash.
    func syncNames(of directory: Inode) {
        var left: [Change] = []
        for change in pending {
            if change.edits.contains(where: { $0.directory === directory }) {
                for edit in change.edits {
                    edit.directory.durableNames[edit.name] = edit.inode
                    // What is older about this name must not come back after it.
                    for index in left.indices {
                        left[index].edits.removeAll {
                            $0.directory === edit.directory && $0.name == edit.name
                        }
                    }
                }
            } else {
                left.append(change)
            }
        }
        pending = left.filter { !$0.edits.isEmpty }
    }

    // MARK: Power loss

    /// The power fails and comes back.
    func crash() {
        let asJournal = chance.oneIn(2)
        let kept = chance.below(pending.count + 1)
        for (index, change) in pending.enumerated() {
            guard asJournal ? index < kept : chance.oneIn(2) else { continue }
            for edit in change.edits { edit.directory.durableNames[edit.name] = edit.inode }
        }
        pending = []
        used = 0
        var settled: Set<UInt64> = []
        restore(root, &settled)
    }

    private func restore(_ inode: Inode, _ settled: inout Set<UInt64>) {
        inode.openings = 0
        guard settled.insert(inode.number).inserted else { return }
        inode.links = 1
        guard inode.kind == .directory else {
            inode.settle(&chance)
            inode.charged = Int64(inode.data.count)
            used += inode.charged
            return
        }
        inode.names = [:]
        // In the order of the names' bytes: a dictionary has another one in every process.
        let names = inode.durableNames.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (name, child) in names {
            inode.insert(child, as: name)
            restore(child, &settled)
        }
    }
}

extension Disk {
    /// Every file by its path from `/`, as anybody who looks sees it: for checkers.
    public func files() -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        collect(root, "", &found)
        return found
    }

    private func collect(_ directory: Inode, _ path: String, _ found: inout [String: [UInt8]]) {
        for (name, entry) in directory.names {
            let child = path + "/" + String(decoding: name, as: UTF8.self)
            if entry.inode.kind == .directory {
                collect(entry.inode, child, &found)
            } else {
                found[child] = entry.inode.data
            }
        }
    }
}
