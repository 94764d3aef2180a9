import Kernel

/// One key of the configuration: where its value lies, what it may be and what it means.
public struct Setting: Sendable {
    /// The dotted path, as in `limits.chunk`.
    public let key: String
    public let kind: Kind
    /// One line for people.
    public let meaning: String

    public enum Kind: Sendable {
        case number(Path<Int>, in: ClosedRange<Int>, Unit)
        /// Permission bits: `required` must be among them, and none beyond 0o777.
        case mode(Path<UInt32>, required: UInt32)
        case directory(Path<String>)
        case addresses(Path<[Endpoint]>)
    }

    public typealias Path<Value> = WritableKeyPath<Configuration, Value> & Sendable

    /// What a number counts.
    public enum Unit: String, Sendable {
        case bytes, seconds, connections, pairs, asks, streams, threads
    }
}

extension Setting {
    /// Every key there is, in the order of etc/ampd/ampd.toml.
    public static let all: [Setting] = [
        Setting(
            key: "listen", kind: .addresses(\.listen),
            meaning: "Where to listen: HOST:PORT, [V6]:PORT or unix:PATH; port 0 picks one."),
        Setting(
            key: "root", kind: .directory(\.root),
            meaning: "The directory whose files are served."),
        Setting(
            key: "file_mode", kind: .mode(\.fileMode, required: 0o600),
            meaning: "Permission bits of published files."),
        Setting(
            key: "directory_mode", kind: .mode(\.directoryMode, required: 0o700),
            meaning: "Permission bits of the directories made for them."),
        threads("metadata", \.workers.metadata, "Threads that open, stat, rename and remove."),
        threads("writes", \.workers.writes, "Threads that write and sync."),
        threads("scans", \.workers.scans, "Threads that digest, walk and read what is not cached."),
        limit(
            "max_connections", \.limits.maxConnections, 1...1_000_000, .connections,
            "Open connections; past it new ones wait in the kernel."),
        limit(
            "box_pairs", \.limits.boxPairs, 16...4_096, .pairs,
            "Pairs in one box; past it the connection is closed."),
        // A stream-data box with the largest chunk, 65,534 bytes, and its keys fits in 65 KiB;
        // four of the longest boxes fit in a receive buffer of 1 MiB, so that few are moved.
        limit(
            "box_bytes", \.limits.boxBytes, 66_560...262_144, .bytes,
            "Bytes in one box; past it the connection is closed."),
        limit(
            "box_seconds", \.limits.boxSeconds, 1...3_600, .seconds,
            "Time to finish a box once begun; silence between boxes is never timed."),
        limit(
            "max_asks", \.limits.maxAsks, 1...65_536, .asks,
            "Unanswered asks of one connection, as announced."),
        limit(
            "max_streams", \.limits.maxStreams, 1...65_536, .streams,
            "Open streams of one connection in one direction, as announced."),
        limit(
            "chunk", \.limits.chunk, 1_024...65_534, .bytes,
            "Data in one stream-data box, as announced."),
        limit(
            "stream_window", \.limits.streamWindow, 1_024...16 << 20, .bytes,
            "Data that each stream may send ahead of what is consumed, as announced."),
        limit(
            "shared_window", \.limits.sharedWindow, 0...1 << 30, .bytes,
            "More of it, which the busy streams of a connection share."),
        limit(
            "outbox", \.limits.outbox, 131_072...1 << 30, .bytes,
            "Answers that wait for one peer to read; past it its new asks wait."),
        limit(
            "drain_timeout", \.limits.drainTimeout, 0...3_600, .seconds,
            "Time for streams to finish after SIGTERM."),
    ]

    private static func limit(
        _ name: String, _ path: Path<Int>, _ range: ClosedRange<Int>, _ unit: Unit,
        _ meaning: String
    ) -> Setting {
        Setting(key: "limits.\(name)", kind: .number(path, in: range, unit), meaning: meaning)
    }

    private static func threads(
        _ lane: String, _ path: Path<Int>, _ meaning: String
    ) -> Setting {
        Setting(key: "workers.\(lane)", kind: .number(path, in: 1...64, .threads), meaning: meaning)
    }
}
