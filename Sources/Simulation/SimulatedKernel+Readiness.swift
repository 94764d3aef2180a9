import Kernel

/// Waiting, as `epoll(7)`, `eventfd(2)` and `signalfd(2)` describe it.
extension SimulatedKernel {
    public func epollCreate() throws(Errno) -> Int32 {
        try enter("epoll_create1")
        let epoll = Epoll()
        let descriptor = try install(epoll)
        epolls.append(epoll)
        return descriptor
    }

    public func epollAdd(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno) {
        guard enterUnlessDead("epoll_ctl add", descriptor) else { return }
        let set = try object(epoll, as: Epoll.self)
        guard let object = object(descriptor) else { throw .badDescriptor }
        guard !(object is SimulatedFile) else { throw .notPermitted }
        guard set.index(of: descriptor) == nil else { throw .exists }
        set.watches.append(
            Epoll.Watch(descriptor: descriptor, object: object, interest: interest, token: token))
    }

    public func epollModify(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno) {
        guard enterUnlessDead("epoll_ctl mod", descriptor) else { return }
        let set = try object(epoll, as: Epoll.self)
        guard let index = set.index(of: descriptor) else { throw .notFound }
        set.watches[index].interest = interest
        set.watches[index].token = token
    }

    public func epollRemove(_ epoll: Int32, _ descriptor: Int32) throws(Errno) {
        guard enterUnlessDead("epoll_ctl del", descriptor) else { return }
        let set = try object(epoll, as: Epoll.self)
        guard set.index(of: descriptor) != nil else { throw .notFound }
        set.forget(descriptor)
    }

    /// Never blocks: what is ready now, in any order, or nothing. Where a real process would
    /// sleep, ``sleep`` tells the simulation until when.
    public func epollWait(
        _ epoll: Int32, into events: UnsafeMutableBufferPointer<Event>, until deadline: Instant
    ) throws(Errno) -> Int {
        sleep = .awake
        // A dead process's loop has nothing to wait for; its owner lets go of it after this turn.
        guard (try? enter("epoll_wait")) != nil else { return 0 }
        let set = try object(epoll, as: Epoll.self)
        guard !events.isEmpty else { throw .invalid }
        if machine.schedule.oneIn(machine.faults.emptyWait) { return 0 }
        var ready: [Event] = []
        for watch in set.watches { if let event = watch.event { ready.append(event) } }
        if ready.count > 1 { ready.shuffle(using: &machine.schedule) }
        let count = min(ready.count, events.count)
        for index in 0..<count { events[index] = ready[index] }
        if count == 0, deadline > machine.time { sleep = .until(deadline) }
        return count
    }

    /// Whether a wait now would report anything.
    var hasEvents: Bool {
        for epoll in epolls {
            for watch in epoll.watches where watch.event != nil { return true }
        }
        return false
    }

    /// The loop rightly takes these calls for certain while it lives; in a process that is
    /// dead and only has not noticed, they do nothing. False if so.
    private func enterUnlessDead(
        _ call: StaticString, _ descriptor: Int32
    ) -> Bool {
        try? enter(call, Int64(descriptor))
        return isAlive
    }

    // MARK: Events and signals

    public func eventCreate() throws(Errno) -> Int32 {
        try enter("eventfd")
        return try install(EventCounter())
    }

    public func eventSignal(_ descriptor: Int32) {
        guard (try? enter("eventfd write", Int64(descriptor))) != nil else { return }
        (object(descriptor) as? EventCounter)?.isSet = true
    }

    public func eventDrain(_ descriptor: Int32) {
        guard (try? enter("eventfd read", Int64(descriptor))) != nil else { return }
        (object(descriptor) as? EventCounter)?.isSet = false
    }

    public func signalCreate(_ signals: [Signal]) throws(Errno) -> Int32 {
        try enter("signalfd")
        return try install(SignalQueue(signals))
    }

    public func signalRead(_ descriptor: Int32) -> Signal? {
        guard (try? enter("signalfd read", Int64(descriptor))) != nil else { return nil }
        guard let queue = object(descriptor) as? SignalQueue, !queue.pending.isEmpty else {
            return nil
        }
        return queue.pending.removeFirst()
    }

    /// Sends the process a signal (`kill(2)`), which it has to have asked for.
    public func raise(_ signal: Signal) {
        machine.record(number, "gets signal", Int64(signal.rawValue))
        for queue in allObjects(as: SignalQueue.self) where queue.signals.contains(signal) {
            // A pending signal is not queued twice: signal(7).
            if !queue.pending.contains(signal) { queue.pending.append(signal) }
        }
    }
}

/// The descriptors that one `epoll_create1` watches.
final class Epoll: KernelObject {
    struct Watch {
        var descriptor: Int32
        var object: any KernelObject
        var interest: Readiness
        var token: Token

        /// What there is to report, errors and hang-ups unasked too: `epoll_ctl(2)`.
        var event: Event? {
            let ready = object.readiness.rawValue & (interest.rawValue | Self.always)
            return ready == 0 ? nil : Event(readiness: Readiness(rawValue: ready), token: token)
        }

        private static let always = Readiness([.failed, .hungUp]).rawValue
    }

    var watches: [Watch] = []
    var title: String { "epoll" }
    var readiness: Readiness { [] }

    func index(of descriptor: Int32) -> Int? {
        watches.firstIndex { $0.descriptor == descriptor }
    }

    func forget(_ descriptor: Int32) { watches.removeAll { $0.descriptor == descriptor } }

    func released() { watches = [] }
}

final class EventCounter: KernelObject {
    var isSet = false
    var title: String { "eventfd" }
    var readiness: Readiness { isSet ? [.readable, .writable] : .writable }
    func released() {}
}

final class SignalQueue: KernelObject {
    let signals: [Signal]
    var pending: [Signal] = []

    init(_ signals: [Signal]) { self.signals = signals }

    var title: String { "signalfd" }
    var readiness: Readiness { pending.isEmpty ? [] : .readable }
    func released() {}
}
