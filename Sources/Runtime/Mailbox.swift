import Kernel
import Synchronization

/// Work that another thread hands to the loop.
public protocol Posted: AnyObject, Sendable {
    /// On the loop's thread.
    func runPosted()
}

/// Where any thread leaves work for the loop, which runs it in the order of posting.
public final class Mailbox: Sendable {
    let event: Descriptor
    private let waiting = Mutex<[any Posted]>([])

    init(kernel: any Kernel) throws(Errno) {
        event = Descriptor(try kernel.eventCreate(), of: kernel)
    }

    /// From any thread; wakes the loop if it sleeps.
    public func post(_ work: some Posted) {
        let isFirst = waiting.withLock { waiting in
            waiting.append(work)
            return waiting.count == 1
        }
        if isFirst { event.kernel.eventSignal(event.number) }
    }

    /// Drained before the list is taken, so that nothing is left lying.
    func deliver() {
        event.kernel.eventDrain(event.number)
        let work = waiting.withLock { waiting in
            let work = waiting
            waiting = []
            return work
        }
        for piece in work { piece.runPosted() }
    }
}
