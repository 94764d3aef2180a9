/// What a descriptor is ready for (`EPOLLIN` and so on of `epoll_ctl(2)`), or what is asked for.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: 0x1)
    public static let writable = Readiness(rawValue: 0x4)
    public static let failed = Readiness(rawValue: 0x8)
    public static let hungUp = Readiness(rawValue: 0x10)
    public static let peerClosed = Readiness(rawValue: 0x2000)
}

/// Whose event it is: a slot of the reactor's table and how often that slot had been given
/// before, so that an event for a descriptor since closed is told from one for its successor.
@frozen public struct Token: Hashable, Sendable {
    public var slot: UInt32
    public var generation: UInt32

    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// The token as it travels in an event's 64 bits of user data.
    public var bits: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    public init(bits: UInt64) {
        slot = UInt32(truncatingIfNeeded: bits)
        generation = UInt32(truncatingIfNeeded: bits >> 32)
    }
}

/// One entry of what `epoll_wait(2)` reports.
@frozen public struct Event: Sendable {
    public var readiness: Readiness
    public var token: Token

    public init(readiness: Readiness, token: Token) {
        self.readiness = readiness
        self.token = token
    }
}

/// The signals that programs here listen to.
public enum Signal: Int32, Sendable {
    case hangup = 1
    case interrupt = 2
    case user1 = 10
    case user2 = 12
    case terminate = 15
    case windowChanged = 28
}
