import Kernel

public protocol SignalsDelegate: AnyObject {
    func received(_ signal: Signal)
}

/// Signals as events of the loop (`signalfd(2)`). Made before any other thread, because the
/// signals are blocked in the threads made after it and in no earlier ones.
public final class Signals: EventHandler {
    private let reactor: Reactor
    private let descriptor: Descriptor
    private weak var delegate: (any SignalsDelegate)?
    private var token: Token?

    /// Listens to `signals` until ``close()``. They stay blocked afterwards.
    public init(
        _ signals: [Signal], on reactor: Reactor, delegate: any SignalsDelegate
    ) throws(Errno) {
        self.reactor = reactor
        self.delegate = delegate
        descriptor = Descriptor(try reactor.kernel.signalCreate(signals), of: reactor.kernel)
        token = try reactor.add(self, descriptor: descriptor.number, interest: .readable)
    }

    /// No signal is delivered any more.
    public func close() {
        if let token { reactor.remove(token) }
        token = nil
    }

    public func ready(_ readiness: Readiness) {
        while token != nil, let signal = reactor.kernel.signalRead(descriptor.number) {
            delegate?.received(signal)
        }
    }
}
