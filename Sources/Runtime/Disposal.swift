import Kernel

/// Lets go of an object on a worker, because doing so may block: closing a file does.
final class Disposal: Job, Deferred, @unchecked Sendable {
    private var object: AnyObject?
    private let reactor: Reactor

    fileprivate init(of object: AnyObject, on reactor: Reactor) {
        self.object = object
        self.reactor = reactor
    }

    func runDeferred() { reactor.submit(self, to: .metadata) }

    override func perform() { object = nil }
}

extension Reactor {
    /// Has a worker let go of `object`. It gets it in the next turn, when whoever calls this has
    /// let go too: else the last to hold it could be the loop.
    public func dispose(of object: AnyObject) { runNextTurn(Disposal(of: object, on: self)) }
}
