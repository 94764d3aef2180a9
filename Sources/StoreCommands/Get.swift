@_exported import AMP

/// Fetches a file, or a range of it, as it is when the call arrives.
public struct Get: Command {
    public static let name = "Get"
    public static let errors = StoreErrors.all

    public var filename: String
    /// Where to begin, in bytes; past the end is `BAD_OFFSET`.
    public var offset: UInt64?
    /// How many bytes at most.
    public var length: UInt64?
    /// The digest over the bytes sent that the stream's end is to carry: `xxh3` or `sha256`.
    public var digest: String?
    /// How soon the download is to come, compared with others.
    public var priority: Urgency?

    enum CodingKeys: String, CodingKey {
        case filename, offset, length, digest
        case priority = "download-priority"
    }

    public init(
        filename: String, offset: UInt64? = nil, length: UInt64? = nil, digest: String? = nil,
        priority: Urgency? = nil
    ) {
        self.filename = filename
        self.offset = offset
        self.length = length
        self.digest = digest
        self.priority = priority
    }

    public struct Response: Codable, Sendable {
        /// With `download-length`: how many bytes are sent.
        public var download: Download
        /// Bytes of the whole file.
        public var size: UInt64
        public var modified: DateTime

        public init(download: Download, size: UInt64, modified: DateTime) {
            self.download = download
            self.size = size
            self.modified = modified
        }
    }
}
