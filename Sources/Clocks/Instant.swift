/// A point on a monotonic clock: nanoseconds since an arbitrary start, which is the machine's
/// boot in production (`CLOCK_BOOTTIME`) and zero in a simulation.
///
/// Protocol code takes instants as arguments and never reads a clock itself.
public struct Instant: Comparable, Hashable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The clock's start.
    public static let start = Instant(nanoseconds: 0)

    /// An instant that never comes.
    public static let never = Instant(nanoseconds: .max)

    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The instant `interval` later; saturates at ``never``.
    public static func + (instant: Instant, interval: Interval) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(interval.nanoseconds)
        return overflow ? .never : Instant(nanoseconds: sum)
    }

    /// How much later `late` is than `early`; zero if it is not.
    public static func - (late: Instant, early: Instant) -> Interval {
        Interval(nanoseconds: late > early ? late.nanoseconds - early.nanoseconds : 0)
    }
}

/// A length of time, never negative, in nanoseconds.
public struct Interval: Comparable, Hashable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static let zero = Interval(nanoseconds: 0)

    public static func microseconds(_ count: UInt64) -> Interval { scaled(count, by: 1_000) }
    public static func milliseconds(_ count: UInt64) -> Interval { scaled(count, by: 1_000_000) }
    public static func seconds(_ count: UInt64) -> Interval { scaled(count, by: 1_000_000_000) }

    /// The interval in seconds.
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    public static func < (left: Interval, right: Interval) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    private static func scaled(_ count: UInt64, by unit: UInt64) -> Interval {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return Interval(nanoseconds: overflow ? .max : product)
    }
}
