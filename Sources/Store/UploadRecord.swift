import Digests
import Kernel

/// What the disk knows of an upload with a token: the name it is to have, and how many of its
/// bytes are durable.
///
/// The offset only ever says what a sync has confirmed: it rises after the data's
/// `fdatasync(2)`, and it falls before the data is cut. A crash may tear the write of an offset,
/// so there are two slots, written in turn; a slot counts if its checksum is right, and the one
/// with the higher sequence number wins. The file, all integers big-endian:
///
///        0  `AMPDUPL1`, 16 random bytes, u64 length of the name, the name, XXH3-128 of these
///     4608  slot: u64 sequence, u64 offset, XXH3-128 of these 16 bytes
///     5120  the other slot, in a sector of its own as well
///
/// The random bytes are in the data's file name too. After a crash a directory may hold an old
/// record beside new data of the same token; this way they are never taken for a pair.
///
/// A new record is not synced before its first offset is: until then it says 0, and losing it
/// loses nothing.
final class UploadRecord {
    let name: FileName
    /// Tells this upload's data from that of others with the same token.
    let identity: [UInt8]
    /// Durable bytes from the beginning of the file.
    private(set) var durable: UInt64
    private var sequence: UInt64
    private let file: Descriptor
    private let folder: Int32
    /// Whether the entries of record and data in the folder are durable.
    private var isEntered = false

    static let slotOffsets = [4608, 5120]
    static let length = 5120 + slotLength
    private static let slotLength = 32
    private static let magic = Array("AMPDUPL1".utf8)
    private static let identityLength = 16
    /// Bytes before the name.
    private static let headLength = 32

    /// Makes a record that says 0.
    static func create(
        _ path: String, in folder: Int32, of kernel: any Kernel, for name: FileName, mode: UInt32
    ) throws(Errno) -> UploadRecord {
        let flags: OpenFlags = [.readWrite, .create, .exclusive]
        let file = Descriptor(
            try kernel.open(path, in: folder, flags, mode: mode), of: kernel)
        var identity = [UInt8](repeating: 0, count: identityLength)
        identity.withUnsafeMutableBytes { kernel.random(into: $0) }
        var bytes = magic + identity
        bytes += bigEndian(UInt64(name.path.utf8.count)) + Array(name.path.utf8)
        bytes += Digest(of: bytes, by: .xxh3).bytes
        bytes += [UInt8](repeating: 0, count: length - bytes.count)
        bytes.replaceSubrange(slotOffsets[0]..<slotOffsets[0] + slotLength, with: slot(0, 0))
        try kernel.writeAll(file.number, bytes, at: 0)
        return UploadRecord(
            name: name, identity: identity, durable: 0, sequence: 0, file: file, folder: folder)
    }

    /// Opens a record; nil if it is not there, or not whole because a crash took its beginning.
    static func open(
        _ path: String, in folder: Int32, of kernel: any Kernel
    ) throws(Errno) -> UploadRecord? {
        let number: Int32
        do {
            number = try kernel.open(path, in: folder, [.readWrite, .noFollow], mode: 0)
        } catch .notFound {
            return nil
        }
        let file = Descriptor(number, of: kernel)
        let bytes = try kernel.readAll(file.number, limit: length)
        guard let name = parseName(bytes), let slot = newestSlot(bytes) else { return nil }
        let identity = Array(bytes[magic.count..<magic.count + identityLength])
        return UploadRecord(
            name: name, identity: identity, durable: slot.offset, sequence: slot.sequence,
            file: file, folder: folder)
    }

    private init(
        name: FileName, identity: [UInt8], durable: UInt64, sequence: UInt64,
        file: consuming Descriptor, folder: Int32
    ) {
        self.name = name
        self.identity = identity
        self.durable = durable
        self.sequence = sequence
        self.file = file
        self.folder = folder
    }

    /// Records another offset, durably.
    func set(_ offset: UInt64) throws(Errno) {
        let next = sequence &+ 1
        let position = Self.slotOffsets[Int(next & 1)]
        try file.kernel.writeAll(file.number, Self.slot(next, offset), at: Int64(position))
        try sync()
        sequence = next
        durable = offset
    }

    /// Makes what the record says durable; after a crash it may be but in memory.
    func sync() throws(Errno) {
        try file.kernel.syncData(file.number)
        if !isEntered { try file.kernel.sync(folder) }
        isEntered = true
    }

    private static func slot(_ sequence: UInt64, _ offset: UInt64) -> [UInt8] {
        let bytes = bigEndian(sequence) + bigEndian(offset)
        return bytes + Digest(of: bytes, by: .xxh3).bytes
    }

    private static func parseName(_ bytes: [UInt8]) -> FileName? {
        guard bytes.count == length, bytes.starts(with: magic),
            let count = Int(exactly: integer(bytes[24..<headLength])),
            count <= FileName.maximumLength
        else { return nil }
        let end = headLength + count
        guard Digest(of: Array(bytes[..<end]), by: .xxh3).bytes == Array(bytes[end..<end + 16]),
            let text = String(validating: bytes[headLength..<end], as: UTF8.self)
        else { return nil }
        return try? FileName(text)
    }

    private static func newestSlot(_ bytes: [UInt8]) -> (sequence: UInt64, offset: UInt64)? {
        var newest: (sequence: UInt64, offset: UInt64)?
        for start in slotOffsets {
            let sequence = integer(bytes[start..<start + 8])
            let offset = integer(bytes[start + 8..<start + 16])
            guard slot(sequence, offset) == Array(bytes[start..<start + slotLength]),
                offset <= UInt64(Int64.max), sequence >= newest?.sequence ?? 0
            else { continue }
            newest = (sequence, offset)
        }
        return newest
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) }
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
