@_exported import AMP

/// Does nothing, and answers: how long that takes is what a call takes.
public struct Ping: Command {
    public static let name = "Ping"
    public static let errors = StoreErrors.all

    public init() {}
}

/// Tells what the daemon is and does: counters since it started.
public struct Status: Command {
    public static let name = "Status"
    public static let errors = StoreErrors.all

    public init() {}

    public struct Response: Codable, Sendable {
        /// ampd's version.
        public var version: String
        /// Seconds since it started.
        public var uptime: UInt64
        /// Connections open now, and accepted since the start.
        public var connections: UInt64
        public var accepted: UInt64
        /// Streams open now.
        public var streams: UInt64
        /// Calls answered, and those of them that failed.
        public var calls: UInt64
        public var failures: UInt64
        /// Bytes read from and written to all connections.
        public var bytesIn: UInt64
        public var bytesOut: UInt64
        /// Jobs that wait for a worker or are under way.
        public var jobs: UInt64
        /// Microseconds of the loop's longest turn: how late it was for somebody at most.
        public var longestTurn: UInt64

        enum CodingKeys: String, CodingKey {
            case version, uptime, connections, accepted, streams, calls, failures, jobs
            case bytesIn = "bytes-in"
            case bytesOut = "bytes-out"
            case longestTurn = "longest-turn"
        }

        public init(
            version: String, uptime: UInt64, connections: UInt64, accepted: UInt64,
            streams: UInt64, calls: UInt64, failures: UInt64, bytesIn: UInt64, bytesOut: UInt64,
            jobs: UInt64, longestTurn: UInt64
        ) {
            self.version = version
            self.uptime = uptime
            self.connections = connections
            self.accepted = accepted
            self.streams = streams
            self.calls = calls
            self.failures = failures
            self.bytesIn = bytesIn
            self.bytesOut = bytesOut
            self.jobs = jobs
            self.longestTurn = longestTurn
        }
    }
}

/// The codes that ampd's commands answer errors with.
public enum StoreErrors {
    public static let all: Set<String> = [
        "NOT_FOUND", "EXISTS", "BAD_NAME", "BAD_ARGUMENT", "BAD_TOKEN", "BAD_OFFSET",
        "IS_DIRECTORY", "NOT_EMPTY", "NO_SPACE", "MISMATCH", "LIMIT", "DENIED", "IO",
        "CANCELLED", "TIMEOUT", "GOAWAY",
    ]
}
