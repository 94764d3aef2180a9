/// What may block runs in one of these, so that a thousand digests never delay a `Stat`.
public enum Lane: Int, CaseIterable, Sendable {
    /// Names: open, stat, rename, unlink, close.
    case metadata
    /// Writes and syncs.
    case writes
    /// Long reads: digests, copies, what is not in the page cache, walks over directories.
    case scans
}

/// Work for another thread, with its way back: `perform` runs once on a worker, and after it
/// `finish` on the loop. What `perform` makes it leaves in the object's own properties; the
/// hand-over there and back orders the memory, so a job needs no lock.
open class Job: @unchecked Sendable {
    public init() {}

    /// The blocking part, on a worker's thread.
    open func perform() {}

    /// The result's delivery, on the loop's thread.
    open func finish() {}
}

/// Threads that perform jobs, each lane its own, first in first out within a lane.
public protocol Workers: AnyObject {
    /// From the loop's thread.
    func submit(_ job: Job, to lane: Lane)

    /// An event descriptor (`eventCreate`) that is readable while performed jobs wait here.
    var event: Int32 { get }

    /// Jobs performed since the last call, in the order in which they ended; drains ``event``.
    func takePerformed() -> [Job]

    /// Jobs submitted whose `perform` has not returned yet.
    var pending: Int { get }
}
