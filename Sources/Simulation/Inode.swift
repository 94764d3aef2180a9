import Kernel

/// A file or a directory, apart from its names.
public final class Inode {
    /// A name in a directory; `cookie` is its place in the order of reading.
    struct Entry {
        var inode: Inode
        var cookie: UInt64
    }

    let number: UInt64
    let kind: FileKind
    /// Names that stand for it.
    var links = 0
    /// Descriptors that are open on it.
    var openings = 0
    /// Openings that hold a lock, and whether alone.
    private var locks: [ObjectIdentifier: Bool] = [:]
    /// Bytes of the disk that it takes.
    var charged: Int64 = 0

    /// A file's contents as everybody reads them, and as a crash would surely leave them.
    var data: [UInt8] = []
    private var durableData: [UInt8] = []
    /// Nanoseconds since 1970.
    var modified: Int64 = 0
    private var durableModified: Int64 = 0
    var attributes: [String: [UInt8]] = [:]
    private var durableAttributes: [String: [UInt8]] = [:]
    /// Sectors that a failed sync has lost: they are taken for clean, and no later sync writes
    /// them, until they are written anew (fsync(2) in "Errors", since Linux 4.13).
    private var lost: Set<Int> = []

    var names: [[UInt8]: Entry] = [:]
    var durableNames: [[UInt8]: Inode] = [:]
    private var nextCookie: UInt64 = 1

    init(number: UInt64, kind: FileKind) {
        self.number = number
        self.kind = kind
    }

    /// As flock(2): the opening's own lock is changed, others' are respected.
    func lock(by opening: ObjectIdentifier, exclusively: Bool) throws(Errno) {
        for (other, isAlone) in locks where other != opening && (exclusively || isAlone) {
            throw .again
        }
        locks[opening] = exclusively
    }

    func unlock(by opening: ObjectIdentifier) { locks[opening] = nil }

    var status: FileStatus {
        FileStatus(
            kind: kind, size: kind == .regular ? Int64(data.count) : 4_096, modified: modified,
            device: 1, inode: number)
    }

    /// A name that is replaced keeps its place, as in ext4 and XFS.
    func insert(_ inode: Inode, as name: [UInt8]) {
        if names[name] != nil {
            names[name]?.inode = inode
            return
        }
        names[name] = Entry(inode: inode, cookie: nextCookie)
        nextCookie += 1
    }

    /// Names after `cookie` in the order of reading.
    func entries(after cookie: UInt64) -> [(name: [UInt8], entry: Entry)] {
        names.filter { $0.value.cookie > cookie }
            .sorted { $0.value.cookie < $1.value.cookie }
            .map { ($0.key, $0.value) }
    }

    // MARK: Contents

    /// Puts `bytes` at `offset`, zeros before them where the file is shorter.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        resize(to: max(data.count, offset + bytes.count))
        data.withUnsafeMutableBytes { data in
            UnsafeMutableRawBufferPointer(rebasing: data[offset..<offset + bytes.count])
                .copyMemory(from: bytes)
        }
        guard !lost.isEmpty else { return }
        let last = (offset + bytes.count - 1) / Self.sector
        lost.subtract(offset / Self.sector...last)
    }

    func resize(to size: Int) {
        if size < data.count {
            data.removeLast(data.count - size)
            lost = lost.filter { $0 * Self.sector < size }
        } else if size > data.count {
            data += [UInt8](repeating: 0, count: size - data.count)
        }
    }

    // MARK: Durability

    /// `fdatasync`: the contents and their size, and nothing else for certain.
    func syncData() {
        durableData = lost.isEmpty ? data : assembled(size: data.count) { _ in true }
    }

    /// `fsync`: its times and attributes too.
    func sync() {
        syncData()
        durableModified = modified
        durableAttributes = attributes
    }

    /// A sync has failed: what it was to write is lost.
    func syncFailed() {
        guard kind == .regular, data != durableData else { return }
        lost.formUnion(0..<(data.count + Self.sector - 1) / Self.sector)
    }

    /// What a crash makes of it: of all that was not synced any part may be there or not.
    func settle(_ chance: inout Chance) {
        if data != durableData {
            switch chance.below(4) {
            case 0: data = durableData
            case 1: data = assembled(size: data.count) { _ in true }
            default:
                let size = chance.oneIn(2) ? data.count : durableData.count
                data = assembled(size: size) { _ in chance.oneIn(2) }
            }
        }
        durableData = data
        lost = []
        if chance.oneIn(2) {
            attributes = durableAttributes
        } else {
            durableAttributes = attributes
        }
        if chance.oneIn(2) { modified = durableModified } else { durableModified = modified }
    }

    /// Contents of that size, each sector as it is or, if it is lost or not chosen, as it was
    /// durable; zeros where nothing was.
    private func assembled(size: Int, _ isChosen: (Int) -> Bool) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: size)
        for start in stride(from: 0, to: size, by: Self.sector) {
            let index = start / Self.sector
            let source = isChosen(index) && !lost.contains(index) ? data : durableData
            let end = min(start + Self.sector, size, source.count)
            if start < end { result.replaceSubrange(start..<end, with: source[start..<end]) }
        }
        return result
    }

    private static let sector = 512
}
