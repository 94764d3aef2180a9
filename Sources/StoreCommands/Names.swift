@_exported import AMP

/// Tells a file's attributes.
public struct Stat: Command {
    public static let name = "Stat"
    public static let errors = StoreErrors.all

    public var filename: String
    /// The digest that is wanted: `xxh3` or `sha256`. The whole file is read for it.
    public var digest: String?

    public init(filename: String, digest: String? = nil) {
        self.filename = filename
        self.digest = digest
    }

    public struct Response: Codable, Sendable {
        public var size: UInt64
        public var modified: DateTime
        public var digest: String?

        public init(size: UInt64, modified: DateTime, digest: String?) {
            self.size = size
            self.modified = modified
            self.digest = digest
        }
    }
}

/// Lists the names that begin with a prefix, as a stream of boxes (``ListedName``).
public struct List: Command {
    public static let name = "List"
    public static let errors = StoreErrors.all

    public var prefix: String?
    /// Whether to go down into directories; else they are listed as such.
    public var recursive: Bool?

    public init(prefix: String? = nil, recursive: Bool? = nil) {
        self.prefix = prefix
        self.recursive = recursive
    }

    public struct Response: Codable, Sendable {
        public var listing: Download

        public init(listing: Download) { self.listing = listing }
    }
}

/// One box of a listing.
public struct ListedName: Codable, Sendable {
    public var name: String
    public var size: UInt64
    public var modified: DateTime
    /// `directory`, or absent for a file.
    public var kind: String?

    public init(name: String, size: UInt64, modified: DateTime, kind: String?) {
        self.name = name
        self.size = size
        self.modified = modified
        self.kind = kind
    }
}

/// Removes a file or an empty directory.
public struct Remove: Command {
    public static let name = "Remove"
    public static let errors = StoreErrors.all

    public var filename: String

    public init(filename: String) { self.filename = filename }
}
