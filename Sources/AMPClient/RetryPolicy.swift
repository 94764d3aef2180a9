import Runtime

/// How long a lost connection is tried to be made again.
public struct RetryPolicy: Sendable {
    /// Without any success for so long, a transfer fails.
    public var giveUpAfter = Interval.seconds(60)
    public var firstDelay = Interval.milliseconds(100)
    /// Delays double up to this.
    public var longestDelay = Interval.seconds(5)

    public init() {}

    /// Every interruption is final.
    public static var never: RetryPolicy {
        var policy = RetryPolicy()
        policy.giveUpAfter = .zero
        return policy
    }
}

/// The patience of one transfer: used up by failures, renewed by bytes that arrive.
struct Patience {
    private let policy: RetryPolicy
    private var reached: UInt64 = 0
    private var failing: (since: Instant, delay: Interval)?

    init(_ policy: RetryPolicy) { self.policy = policy }

    /// How long to wait before the next attempt; nil: give up.
    mutating func delay(at now: Instant, having bytes: UInt64) -> Interval? {
        if bytes > reached { failing = nil }
        reached = max(reached, bytes)
        guard let failing else {
            self.failing = (now, policy.firstDelay)
            return policy.giveUpAfter > .zero ? policy.firstDelay : nil
        }
        guard now - failing.since < policy.giveUpAfter else { return nil }
        let doubled = Interval(nanoseconds: failing.delay.nanoseconds * 2)
        self.failing = (failing.since, min(doubled, policy.longestDelay))
        return min(doubled, policy.longestDelay)
    }
}

/// What happens to a ``StoreClient``'s connection, for whoever wants to tell the user.
public enum StoreEvent: Sendable, CustomStringConvertible {
    case lost(ConnectionError)
    case stillLost(ConnectionError)
    case connectedAgain(Endpoint)

    public var description: String {
        switch self {
        case .lost(let error), .stillLost(let error): "\(error); trying again"
        case .connectedAgain(let server): "connected to \(server) again"
        }
    }
}

/// What goes wrong with a transfer that neither the server nor the connection is to blame for.
public enum TransferError: Error, Sendable, CustomStringConvertible {
    /// The connection was lost, and what was sent cannot be read a second time.
    case cannotRepeat(String, cause: String)
    /// The file is not any more what it was at the beginning.
    case changed(String)
    /// Both sides have other bytes.
    case mismatch(String, here: String, there: String)
    /// Fewer or more bytes came than the server had said.
    case wrongLength(String, expected: UInt64, got: UInt64)
    /// A file that is in the way of the temporary one.
    case inTheWay(String)
    /// A call on this machine's files failed.
    case local(String, Errno)

    public var description: String {
        switch self {
        case .cannotRepeat(let what, let cause):
            "\(what): interrupted (\(cause)), and a pipe cannot be read again"
        case .changed(let what): "\(what): changed while it was transferred"
        case .mismatch(let what, let here, let there):
            "\(what): damaged on the way: \(here) here, \(there) on the server"
        case .wrongLength(let what, let expected, let got):
            "\(what): \(got) bytes came, \(expected) were announced"
        case .inTheWay(let path):
            "\(path) is in the way, and no part of an interrupted get; move it away"
        case .local(let path, let error): "\(path): \(error)"
        }
    }
}
