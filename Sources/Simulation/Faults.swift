/// How unkind the machine is. Each number says "one in so many"; 0 is never.
public struct Faults: Sendable {
    /// A wait that ends with nothing to report, as after a signal.
    public var emptyWait: UInt64 = 16
    /// A transfer, over a socket or of a file, that moves fewer bytes than it could.
    public var shortTransfer: UInt64 = 2
    /// A call on a ready socket that finds it not ready after all.
    public var falseReadiness: UInt64 = 64
    /// A connection that is reset at some time in its life.
    public var reset: UInt64 = 0
    /// An accept that fails: `ECONNABORTED`, or `EMFILE` though descriptors are left.
    public var acceptError: UInt64 = 0
    /// A read, write or sync that fails with `EIO`.
    public var diskError: UInt64 = 0
    /// A write, allocation or new name for which the disk has no room.
    public var diskFull: UInt64 = 0

    /// Short counts, delays and false alarms, but nothing fails.
    public static let none = Faults()

    /// Connections fail.
    public static let network: Faults = {
        var faults = Faults()
        faults.reset = 6
        faults.acceptError = 8
        return faults
    }()

    /// Connections and disks fail.
    public static let all: Faults = {
        var faults = Faults.network
        faults.diskError = 200
        faults.diskFull = 200
        return faults
    }()

    public init() {}
}
