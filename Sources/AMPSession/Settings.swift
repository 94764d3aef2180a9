import AMP

/// What one side of a connection asks its peer to keep to, said in `stream-hello`.
public struct Settings: Equatable, Sendable {
    /// The convention's version that the speaker knows.
    public var version: UInt64 = 1
    /// The most bytes in one `stream-data` sent to the speaker, 1,024...65,534.
    public var chunk: Int = 16_384
    /// Bytes of each stream that may be sent to the speaker before it grants more.
    public var window: UInt64 = 262_144
    /// The same for the data of all streams together.
    public var connectionWindow: UInt64 = 1_048_576
    /// Streams to the speaker that may be open at once.
    public var maxStreams: UInt64 = 128
    /// Asks to the speaker that may wait for their answers at once.
    public var maxAsks: UInt64 = 1_024
    public var features: Features = []

    /// What holds for a peer that says nothing.
    public init() {}
}

/// Parts of the convention that a peer may lack; what is not in both sides' is not used.
public struct Features: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let ping = Features(rawValue: 1)
    public static let goAway = Features(rawValue: 2)
    public static let cancel = Features(rawValue: 4)
    public static let priority = Features(rawValue: 8)
    public static let xxh3 = Features(rawValue: 16)
    public static let all: Features = [.ping, .goAway, .cancel, .priority, .xxh3]

    private static let words: [(String, Features)] = [
        ("ping", .ping), ("goaway", .goAway), ("cancel", .cancel), ("priority", .priority),
        ("xxh3", .xxh3),
    ]

    /// From the words of a hello; unknown ones are another version's and are passed over.
    init(text: String) {
        self = []
        for word in text.split(separator: " ") {
            if let feature = Self.words.first(where: { $0.0 == word }) { insert(feature.1) }
        }
    }

    var text: String {
        Self.words.filter { contains($0.1) }.map(\.0).joined(separator: " ")
    }
}

/// `stream-hello` as a command; its response has the same keys.
struct Hello: Codable {
    var version: UInt64?
    var chunk: UInt64?
    var window: UInt64?
    var connectionWindow: UInt64?
    var maxStreams: UInt64?
    var maxAsks: UInt64?
    var features: String?

    enum CodingKeys: String, CodingKey {
        case version, chunk, window, features
        case connectionWindow = "connection-window"
        case maxStreams = "max-streams"
        case maxAsks = "max-asks"
    }

    init(_ settings: Settings) {
        version = settings.version
        chunk = UInt64(settings.chunk)
        window = settings.window
        connectionWindow = settings.connectionWindow
        maxStreams = settings.maxStreams
        maxAsks = settings.maxAsks
        features = settings.features.text
    }

    /// - Throws: a ``Violation`` for a limit that is out of range.
    func settings() throws(Violation) -> Settings {
        var settings = Settings()
        settings.version = version ?? settings.version
        if let chunk {
            settings.chunk = Int(try Self.checked("chunk", chunk, 1_024...65_534))
        }
        if let window {
            settings.window = try Self.checked("window", window, 1...StreamID.largest)
        }
        if let connectionWindow {
            settings.connectionWindow = try Self.checked(
                "connection-window", connectionWindow, 1...StreamID.largest)
        }
        if let maxStreams {
            settings.maxStreams = try Self.checked(
                "max-streams", maxStreams, 0...StreamID.largest)
        }
        if let maxAsks {
            settings.maxAsks = try Self.checked("max-asks", maxAsks, 0...StreamID.largest)
        }
        settings.features = Features(text: features ?? "")
        return settings
    }

    private static func checked(
        _ key: String, _ value: UInt64, _ range: ClosedRange<UInt64>
    ) throws(Violation) -> UInt64 {
        guard range.contains(value) else {
            throw Violation(
                .refused,
                "stream-hello: \(key) \(value) is not from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }
}
