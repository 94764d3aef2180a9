import AMP

/// Everything that a session bounds, with its unit and why it is so large.
public struct SessionLimits: Sendable {
    /// Pairs and bytes of one box. 128 KiB hold a full value, its keys and as much again.
    public var box = BoxParser.Limits(pairs: 64, bytes: 131_072)

    /// What is announced in hello. A chunk of 61,440 bytes is 15 whole pages, at which sendfile
    /// runs at full speed. `connectionWindow` is `maxStreams` x `window`, so that streams which
    /// stall can never starve the others: 256 x 128 KiB = 32 MiB.
    public var settings: Settings = {
        var settings = Settings()
        settings.chunk = 61_440
        settings.window = 131_072
        settings.maxStreams = 256
        settings.connectionWindow = 256 * 131_072
        settings.features = .all
        return settings
    }()

    /// Bytes that few streams may share between them above their announced windows, so that a
    /// lone stream is not held back by the round trip: 2 MiB, half of it for one stream.
    public var sharedWindow: UInt64 = 2_097_152

    /// Bytes of answers and commands that may wait to be written; above it new asks wait.
    public var outboxBytes = 1_048_576

    /// Bytes of asks that wait because the outbox is full; above it the connection is closed.
    public var deferredBytes = 4_194_304

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
