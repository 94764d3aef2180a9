import AMP

/// Everything that a session bounds, with its unit and why it is so large.
public struct SessionLimits: Sendable {
    /// Pairs and bytes of one box. 128 KiB hold a full value, its keys and as much again.
    public var box = BoxParser.Limits(pairs: 64, bytes: 131_072)

    /// What is announced in hello. A chunk of 61,440 bytes is 15 whole pages, at which sendfile
    /// runs at full speed. Nothing is below the convention's defaults, on which a peer may count
    /// that opens streams before it has read our answer.
    ///
    /// `connectionWindow` holds what all streams may have in them, so that those which stall can
    /// never starve the others: 128 x 256 KiB, and 4 MiB for ``sharedWindow`` = 36 MiB.
    public var settings: Settings = {
        var settings = Settings()
        settings.chunk = 61_440
        settings.window = 262_144
        settings.maxStreams = 128
        settings.connectionWindow = 128 * 262_144 + 2 * 2_097_152
        settings.features = .all
        return settings
    }()

    /// Bytes that few streams share between them, so that a lone one is not held back by the
    /// round trip: of 2 MiB one or two streams have half, n streams an nth, or their announced
    /// window where that is more. The nth to grow has at most an nth, so what they have above
    /// their windows of an eighth is 2 x 3/8 + 5/24 + 1/8 + 3/40 + 1/24 + 1/56 = 1.2 times 2 MiB.
    public var sharedWindow: UInt64 = 2_097_152

    /// Streams of ours that may be open, whatever the peer allows: each may hold an open file.
    public var outgoingStreams = 1_024

    /// Bytes of answers and commands that may wait to be written; above it new asks wait.
    public var outboxBytes = 1_048_576

    /// Bytes of memory of calls that wait because the outbox is full; above it the connection is
    /// closed.
    public var deferredBytes = 4_194_304

    /// Bytes that wait to be written at which a call that cannot wait closes the connection,
    /// since the peer does not read: it is followed by an answer or by data, which may need the
    /// streams that it carries.
    public var unreadBytes = 8_388_608

    /// Bytes of the session's own replies, to pings and the like, that are queued while the
    /// outbox is full; above it the connection is closed.
    public var unreadReplies = 262_144

    /// Bytes of tags of asks not answered yet, which are echoed and so must be kept.
    public var tagBytes = 1_048_576

    /// Bytes of commands after which one chunk goes, so that calls cannot starve streams.
    public var commandRun = 65_536

    /// Streams unknown here to which data came, each answered once with a stop.
    public var refusedStreams = 1_024

    /// Empty chunks in a row.
    public var emptyChunks = 16

    public init() {}
}
