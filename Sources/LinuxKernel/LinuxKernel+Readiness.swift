import CLinux
import Kernel

extension LinuxKernel {
    public func close(_ descriptor: Int32) { _ = cl_close(descriptor) }

    public func epollCreate() throws(Errno) -> Int32 { try descriptor(cl_epoll_create()) }

    public func epollAdd(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno) {
        try check(cl_epoll_add(epoll, descriptor, interest.rawValue, token.bits))
    }

    public func epollModify(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno) {
        try check(cl_epoll_modify(epoll, descriptor, interest.rawValue, token.bits))
    }

    public func epollRemove(_ epoll: Int32, _ descriptor: Int32) throws(Errno) {
        try check(cl_epoll_remove(epoll, descriptor))
    }

    public func epollWait(
        _ epoll: Int32, into events: UnsafeMutableBufferPointer<Event>, until deadline: Instant
    ) throws(Errno) -> Int {
        let timeout: Int64 =
            switch deadline {
            case .never: -1
            case .start: 0
            default: Int64(clamping: (deadline - now()).nanoseconds)
            }
        // An Event is laid out as `cl_event`: readiness, slot, generation, 32 bits each.
        return try events.withMemoryRebound(to: cl_event.self) {
            (raw) throws(Errno) in
            try check(cl_epoll_wait(epoll, raw.baseAddress, raw.count, timeout))
        }
    }

    public func eventCreate() throws(Errno) -> Int32 { try descriptor(cl_event_create()) }

    public func eventSignal(_ descriptor: Int32) { cl_event_signal(descriptor) }

    public func eventDrain(_ descriptor: Int32) { cl_event_drain(descriptor) }

    /// Blocks the signals in the calling thread and in those it makes from now on: call it
    /// before any other thread is made.
    public func signalCreate(_ signals: [Signal]) throws(Errno) -> Int32 {
        let numbers = signals.map(\.rawValue)
        return try descriptor(cl_signal_create(numbers, numbers.count))
    }

    public func signalRead(_ descriptor: Int32) -> Signal? {
        let number = cl_signal_read(descriptor)
        return number > 0 ? Signal(rawValue: Int32(truncatingIfNeeded: number)) : nil
    }
}
