@_exported import AMP

/// Stores a file. The answer comes once it is durable under its name, and never before.
public struct Put: Command {
    public static let name = "Put"
    public static let errors = StoreErrors.all

    public var upload: Upload
    public var filename: String
    /// The digest of the whole file that is wanted in the answer: `xxh3` or `sha256`.
    public var digest: String?
    /// Store only if nothing bears the name by then: `EXISTS`.
    public var ifAbsent: Bool?
    /// 16 to 64 random bytes, under which the upload survives an interruption.
    public var token: [UInt8]?
    /// Where in the file the upload's bytes begin, to take up an interrupted one.
    public var offset: UInt64?

    enum CodingKeys: String, CodingKey {
        case upload, filename, digest, token, offset
        case ifAbsent = "if-absent"
    }

    public init(
        upload: Upload, filename: String, digest: String? = nil, ifAbsent: Bool? = nil,
        token: [UInt8]? = nil, offset: UInt64? = nil
    ) {
        self.upload = upload
        self.filename = filename
        self.digest = digest
        self.ifAbsent = ifAbsent
        self.token = token
        self.offset = offset
    }

    public struct Response: Codable, Sendable {
        /// Bytes of the whole file.
        public var size: UInt64
        /// Of the whole file, if it was wanted: `xxh3:…` or `sha256:…`.
        public var digest: String?

        public init(size: UInt64, digest: String?) {
            self.size = size
            self.digest = digest
        }
    }
}

/// Says how far an interrupted Put got; `NOT_FOUND` for a token that is finished or unknown.
public struct UploadStatus: Command {
    public static let name = "UploadStatus"
    public static let errors = StoreErrors.all

    public var token: [UInt8]
    /// The digest of the durable bytes that is wanted: `xxh3` or `sha256`.
    public var digest: String?

    public init(token: [UInt8], digest: String? = nil) {
        self.token = token
        self.digest = digest
    }

    public struct Response: Codable, Sendable {
        /// Durable bytes.
        public var offset: UInt64
        public var digest: String?

        public init(offset: UInt64, digest: String?) {
            self.offset = offset
            self.digest = digest
        }
    }
}
