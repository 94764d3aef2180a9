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
        // Open streams of one direction. This and the window below are the convention's defaults:
        // on no less may a peer count that opens streams before it has read our hello.
        public var maxStreams = 128
        // 15 pages: payloads stay page-aligned in files, which is what sendfile is fast at.
        public var chunk = 61_440
        // Four chunks: some on their way while the others are written.
        public var streamWindow = 262_144
        // Half of it, 1 MiB, lets a lone stream run at the speed of a disk.
        public var sharedWindow = 2_097_152
        // 17 chunks, or 1,024 answers of 1 KiB, waiting for a peer that does not read.
        public var outbox = 1_048_576
        // What a service manager commonly waits is 90 s: streams get a third of it.
        public var drainTimeout = 30

        public init() {}

        /// What is announced for all streams of a connection together: what each may have, so
        /// that those which stall never starve the others, and twice what the busy ones share
        /// (`SessionLimits.sharedWindow` says why twice). 128 x 256 KiB + 2 x 2 MiB = 36 MiB.
        ///
        /// No overflow: the ranges of ``Setting/all`` bound it to 2^16 x 2^24 + 2 x 2^30.
        public var connectionWindow: Int { maxStreams * streamWindow + 2 * sharedWindow }
    }
}
