import Kernel

/// What the daemon tells its administrator. It belongs to the loop's thread.
///
/// Every text passes ``PrintableText`` here and nowhere else, whoever it came from; and a kind
/// of event that comes in masses is cut to some a second, with the number of those left out.
public final class Log {
    private let sink: any LogSink
    private let clock: () -> Instant
    private var buckets: [Event: LogBucket] = [:]

    public convenience init(to sink: any LogSink, kernel: any Kernel) {
        self.init(to: sink, clock: kernel.now)
    }

    /// - Parameter clock: tells the instant of an entry, by which the masses are cut.
    init(to sink: any LogSink, clock: @escaping () -> Instant) {
        self.sink = sink
        self.clock = clock
    }

    public func error(_ event: Event, _ message: String, _ fields: [Field] = []) {
        write(.error, event, message, fields)
    }

    public func warning(_ event: Event, _ message: String, _ fields: [Field] = []) {
        write(.warning, event, message, fields)
    }

    public func notice(_ event: Event, _ message: String, _ fields: [Field] = []) {
        write(.notice, event, message, fields)
    }

    public func info(_ event: Event, _ message: String, _ fields: [Field] = []) {
        write(.info, event, message, fields)
    }

    /// Tells what was left out and not told yet; before the program ends.
    public func close() {
        for event in Event.allCases {
            guard let bucket = buckets[event], bucket.suppressed > 0 else { continue }
            buckets[event] = nil
            let message = "more of the same: \(event.rawValue)"
            write(.notice, event, message, [.suppressed(bucket.suppressed)])
        }
    }

    private func write(
        _ priority: Priority, _ event: Event, _ message: String, _ fields: [Field]
    ) {
        var fields = fields
        guard let suppressed = buckets[event, default: LogBucket()].take(at: clock()) else {
            return
        }
        if suppressed > 0 { fields.append(.suppressed(suppressed)) }
        sink.write(
            Entry(
                event: event, priority: priority,
                message: PrintableText(message, limit: 1_024).description,
                fields: fields.map { Field($0.name, PrintableText($0.value).description) }))
    }
}

extension Log {
    /// One line: what happened, how grave it is, in words, and its particulars.
    public struct Entry: Hashable, Sendable {
        public let event: Event
        public let priority: Priority
        public let message: String
        public let fields: [Field]
    }

    /// The levels of `syslog(3)`.
    public enum Priority: Int, Sendable {
        case error = 3
        case warning = 4
        case notice = 5
        case info = 6
    }

    /// Kinds of events, each with an identity that stays the same over versions, by which the
    /// journal finds them (`journalctl AMP_EVENT=…`, or `MESSAGE_ID=…`).
    public enum Event: String, CaseIterable, Sendable {
        case starting, configuration, listening, ready, stopping, stopped
        case connectionOpened, connectionClosed, connectionRefused
        /// A peer broke the protocol, or a bound.
        case violation
        case unknownCommand
        case callFailed
        case storage
        /// The loop was late, or memory or descriptors are short.
        case overload
        /// A fault of the daemon's own.
        case fault
    }

    /// A particular of an event: `AMP_` and its name in capitals in the journal.
    public struct Field: Hashable, Sendable {
        /// Letters, digits and `_`.
        public let name: String
        public let value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }

        public static func peer(_ address: SocketAddress) -> Field {
            Field("peer", address.description)
        }
        public static func address(_ address: SocketAddress) -> Field {
            Field("address", address.description)
        }
        public static func connection(_ number: UInt64) -> Field {
            Field("connection", "\(number)")
        }
        public static func file(_ name: String) -> Field { Field("file", name) }
        public static func error(_ errno: Errno) -> Field { Field("error", errno.description) }
        public static func bytes(_ count: Int64) -> Field { Field("bytes", "\(count)") }
        static func suppressed(_ count: Int) -> Field { Field("suppressed", "\(count)") }
    }
}

/// A token bucket: 20 events of a kind at once, then one a second.
struct LogBucket {
    static let capacity: UInt64 = 20
    static let refill = Interval.seconds(1)

    /// Events that were not let through since the last one that was.
    private(set) var suppressed = 0
    private var tokens = capacity
    private var refilled: Instant?

    /// How many events were left out before this one; nil if it is left out too.
    mutating func take(at now: Instant) -> Int? {
        let last = refilled ?? now
        let gained = (now - last).nanoseconds / Self.refill.nanoseconds
        refilled = last + Interval(nanoseconds: gained * Self.refill.nanoseconds)
        tokens = min(Self.capacity, tokens + min(gained, Self.capacity))
        guard tokens > 0 else {
            suppressed += 1
            return nil
        }
        tokens -= 1
        defer { suppressed = 0 }
        return suppressed
    }
}
