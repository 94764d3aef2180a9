import Digests
import Kernel

/// Where files are kept. ``DirectoryDriver`` is the first; another might keep them elsewhere.
///
/// Every call may block for as long as a disk takes, so it is for workers. A driver keeps no
/// state of a caller's: calls may come from several workers at once. What they return is used
/// by one thread at a time and let go on a worker, because closing a file can block.
public protocol Driver: AnyObject, Sendable {
    /// Begins an upload, or takes up an interrupted one where the request's offset says.
    ///
    /// At most one upload of a token is live at a time; the caller sees to that. To take up an
    /// upload whose whole digest is wanted means to read what is there already: as long as that
    /// takes.
    func begin(_ request: UploadRequest) throws(StoreError) -> any Upload

    /// What is durable of the interrupted upload of `token`, and its digest if wanted.
    /// Throws `NOT_FOUND` for a token that is finished or unknown.
    func uploadStatus(
        of token: [UInt8], digest: DigestAlgorithm?
    ) throws(StoreError) -> UploadStatus

    /// Opens a file for reading, as it is now, whatever happens to its name later.
    func open(_ name: FileName) throws(StoreError) -> StoredFile

    /// A file's attributes, and the digest of its contents if wanted (which reads it all).
    func status(
        of name: FileName, digest: DigestAlgorithm?
    ) throws(StoreError) -> StoredStatus

    /// Removes a file or an empty directory.
    func remove(_ name: FileName) throws(StoreError)

    /// Walks over the names that begin with `prefix` (as text: `logs/2026` has `logs/2026-01`
    /// and `logs/2026/01`); empty for all.
    ///
    /// Not recursive, it stops at the next `/` after the prefix; what lies beneath is there as
    /// a directory.
    func list(prefix: String, recursive: Bool) throws(StoreError) -> any Listing
}

/// What an upload is to become.
public struct UploadRequest: Sendable {
    public var name: FileName
    /// Under which the upload survives an interruption; 16 to 64 bytes.
    public var token: [UInt8]?
    /// Where in the file the bytes to come begin: 0, or at most what `uploadStatus` said.
    public var offset: UInt64
    /// How many bytes are to come, if it was declared; the room is reserved at once.
    public var length: UInt64?
    /// The digest that the bytes to come must have.
    public var digest: Digest?
    /// Which digest of the whole file the receipt is to carry.
    public var wanted: DigestAlgorithm?
    /// Publish only if nothing bears the name by then.
    public var ifAbsent: Bool

    public init(
        name: FileName, token: [UInt8]? = nil, offset: UInt64 = 0, length: UInt64? = nil,
        digest: Digest? = nil, wanted: DigestAlgorithm? = nil, ifAbsent: Bool = false
    ) {
        self.name = name
        self.token = token
        self.offset = offset
        self.length = length
        self.digest = digest
        self.wanted = wanted
        self.ifAbsent = ifAbsent
    }
}

/// A file on its way in, not seen under its name before `commit`.
///
/// It ends by exactly one of `commit`, `suspend` and `discard`, or by the first error that
/// `write` or `commit` throws: what was written is then gone, save that a full disk leaves an
/// upload with a token at its durable offset. Calls after the end change nothing; `write` and
/// `commit` throw.
public protocol Upload: AnyObject {
    /// The size so far, counted from the beginning of the file.
    var size: UInt64 { get }

    /// Appends bytes. Throws `MISMATCH` past the declared length.
    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StoreError)

    /// Publishes the file under its name, and returns when that is durable.
    ///
    /// `length` and `digest` are what the sender says of the bytes it sent since `begin`;
    /// what differs is `MISMATCH`. The digest's algorithm is that of the request's `digest` or
    /// else the one `wanted`; of another it cannot be checked, which is `MISMATCH` too.
    func commit(length: UInt64?, digest: Digest?) throws(StoreError) -> Receipt

    /// The sender is gone: keeps what is there, durable, under its token. Without a token, or
    /// when the disk fails, the upload is discarded.
    func suspend()

    /// Removes what was written, and forgets the token.
    func discard()
}

/// What `commit` made durable.
public struct Receipt: Hashable, Sendable {
    /// Of the whole file, bytes.
    public var size: UInt64
    /// Of the whole file, if it was wanted.
    public var digest: Digest?

    public init(size: UInt64, digest: Digest?) {
        self.size = size
        self.digest = digest
    }
}

/// How far an interrupted upload got.
public struct UploadStatus: Hashable, Sendable {
    /// The name it is to have.
    public var name: FileName
    /// Durable bytes from the beginning of the file.
    public var offset: UInt64
    /// Of those bytes, if it was wanted.
    public var digest: Digest?

    public init(name: FileName, offset: UInt64, digest: Digest?) {
        self.name = name
        self.offset = offset
        self.digest = digest
    }
}

/// A stored file's attributes.
public struct StoredStatus: Hashable, Sendable {
    /// Bytes.
    public var size: UInt64
    /// Last change of the contents, nanoseconds since 1970.
    public var modified: Int64
    public var digest: Digest?

    public init(size: UInt64, modified: Int64, digest: Digest?) {
        self.size = size
        self.modified = modified
        self.digest = digest
    }
}

/// A walk over names. Each name that is there from its beginning to its end appears once, in
/// no promised order.
public protocol Listing: AnyObject {
    /// Appends some more entries; false when there are no more.
    func next(into entries: inout [ListingEntry]) throws(StoreError) -> Bool
}

/// One name that a ``Listing`` found.
public struct ListingEntry: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case file, directory
    }

    /// The whole path.
    public var name: FileName
    public var kind: Kind
    /// Bytes; 0 for a directory.
    public var size: UInt64
    /// Last change of the contents, nanoseconds since 1970.
    public var modified: Int64

    public init(name: FileName, kind: Kind, size: UInt64, modified: Int64) {
        self.name = name
        self.kind = kind
        self.size = size
        self.modified = modified
    }
}
