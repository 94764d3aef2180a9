import Kernel

/// Everything an administrator can set, with the values that hold when nobody does.
///
/// The defaults stand here and nowhere else. ``Setting/all`` gives each its key, unit and
/// range, and from these two follow the check of a file, `--set`, `ampd limits` and what
/// etc/ampd/ampd.toml must say.
public struct Configuration: Hashable, Sendable {
    /// Where to listen; port 0 picks a free one. 2673 spells AMPD on a telephone's keys.
    public var listen = [Endpoint.host("127.0.0.1", port: 2673)]
    /// The directory whose files are served.
    public var root = "/var/lib/ampd"
    /// Permission bits of published files and of the directories made for them.
    public var fileMode: UInt32 = 0o640
    public var directoryMode: UInt32 = 0o750
    /// Bytes that all windows, outboxes and buffers together may take.
    public var memoryBudget = 256 << 20
    public var workers = Workers()
    public var limits = Limits()

    public init() {}

    /// Threads of each lane.
    public struct Workers: Hashable, Sendable {
        // Metadata operations wait for one disk; a second thread passes one that hangs on a
        // large directory.
        public var metadata = 2
        // Writes keep a disk's queue filled while one of them waits in fdatasync.
        public var writes = 4
        // Scans take a whole core each; two leave cores to the loop and to writes.
        public var scans = 2

        public init() {}
    }

    /// The bounds of what a peer may ask for; the comment at each shows how the number follows.
    public struct Limits: Hashable, Sendable {
        // 4,096 connections x 2 descriptors (the socket and a file) stay within the 20,000 that
        // a service commonly gets, and idle ones hold no buffer.
        public var maxConnections = 4_096
        // The largest command of ampd has 10 pairs; stock AMP peers send commands of their own.
        public var boxPairs = 64
        // One value of 65,535 bytes and as much again for all the others: 2 x 64 KiB.
        public var boxBytes = 131_072
        // 128 KiB in 30 s is 35 kbit/s: slower than any line that is worth waiting for.
        public var boxSeconds = 30
        // An unanswered ask costs about 1 KiB: 1,024 are 1 MiB a connection.
        public var maxAsks = 1_024
        // Open streams of one direction; 256 x one chunk in flight are 15 MiB.
        public var maxStreams = 256
        // 15 pages: payloads stay page-aligned in files, which is what sendfile is fast at.
        public var chunk = 61_440
        // Two chunks: one on its way while the other is written.
        public var streamWindow = 131_072
        // Half of it, 1 MiB, lets a lone stream run at the speed of a disk.
        public var sharedWindow = 2_097_152
        // 17 chunks, or 1,024 answers of 1 KiB, waiting for a peer that does not read.
        public var outbox = 1_048_576
        // What a service manager commonly waits is 90 s: streams get a third of it.
        public var drainTimeout = 30

        public init() {}

        /// What is announced for all streams of a connection together: with
        /// `maxStreams x streamWindow`, streams that stall never starve the others.
        public var connectionWindow: Int {
            let (product, overflow) = maxStreams.multipliedReportingOverflow(by: streamWindow)
            return overflow ? .max : product
        }
    }
}
