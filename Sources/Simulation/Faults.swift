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

    /// Disks fail.
    public static let disk: Faults = {
        var faults = Faults()
        faults.diskError = 200
        faults.diskFull = 200
        return faults
    }()

    public init() {}
}

/// Bugs of the kind that production code could have, which tests plant to see that they would be
/// found. Planted below the system calls: no production code knows of them.
public struct PlantedBugs: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Data is taken for durable without `fdatasync`.
    public static let skipsDataSync = PlantedBugs(rawValue: 1)
    /// Names are taken for durable without `fsync` of their directory.
    public static let skipsNameSync = PlantedBugs(rawValue: 2)
    /// The count that a send returns is taken for the whole: the rest is lost.
    public static let ignoresShortSend = PlantedBugs(rawValue: 4)
    /// After a short write to a file the offset is advanced by what was offered.
    public static let ignoresShortWrite = PlantedBugs(rawValue: 8)
}
