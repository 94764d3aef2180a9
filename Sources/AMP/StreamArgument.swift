/// The number of a stream: unique in its direction on its connection, from 1, never reused.
@frozen public struct StreamID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var number: UInt64

    @inlinable public init(_ number: UInt64) { self.number = number }

    public static func < (left: StreamID, right: StreamID) -> Bool { left.number < right.number }

    public var description: String { String(number) }

    /// Numbers, lengths and limits of streams go up to 2^63-1.
    public static let largest: UInt64 = 1 << 63 - 1
}

/// How soon a stream's data goes compared with others: RFC 9218's urgency, 0 (first) to 7.
@frozen public struct Urgency: Hashable, Sendable {
    public let level: UInt8

    /// nil above 7.
    public init?(level: UInt8) {
        guard level <= 7 else { return nil }
        self.level = level
    }

    /// `u3`, what holds if nothing is said.
    public static let standard = Urgency(standardLevel: 3)

    private init(standardLevel: UInt8) { level = standardLevel }
}

extension Urgency: Argument, Codable {
    public static var wireForm: String { "an urgency, u0 to u7" }
    public var wireBytes: [UInt8] { [UInt8(ascii: "u"), UInt8(ascii: "0") + level] }
    public init?(wireBytes: ArraySlice<UInt8>) {
        guard wireBytes.count == 2, wireBytes.first == UInt8(ascii: "u"),
            let digit = wireBytes.last,
            digit >= UInt8(ascii: "0")
        else { return nil }
        self.init(level: digit - UInt8(ascii: "0"))
    }
}

/// A large value in a box: on the wire the stream's number, with sibling keys that describe it
/// (`upload-length` and so on, where the argument's own key is `upload`).
public protocol StreamArgument: Codable, Sendable {
    /// The stream that carries the value; 0 until the session has opened it.
    var id: StreamID { get set }
    /// The bytes in all, if known beforehand.
    var length: UInt64? { get set }
    /// The digest of these bytes, `xxh3:…` or `sha256:…`; the receiver verifies it.
    var digest: String? { get set }
    /// How soon it is to be sent.
    var priority: Urgency? { get set }

    init(id: StreamID, length: UInt64?, digest: String?, priority: Urgency?)
}

/// A command's argument that its asker sends as a stream.
public struct Upload: StreamArgument, Hashable {
    public var id: StreamID
    public var length: UInt64?
    public var digest: String?
    public var priority: Urgency?

    public init(
        id: StreamID = StreamID(0), length: UInt64? = nil, digest: String? = nil,
        priority: Urgency? = nil
    ) {
        (self.id, self.length, self.digest, self.priority) = (id, length, digest, priority)
    }
}

/// A response's value that the responder sends as a stream.
public struct Download: StreamArgument, Hashable {
    public var id: StreamID
    public var length: UInt64?
    public var digest: String?
    public var priority: Urgency?

    public init(
        id: StreamID = StreamID(0), length: UInt64? = nil, digest: String? = nil,
        priority: Urgency? = nil
    ) {
        (self.id, self.length, self.digest, self.priority) = (id, length, digest, priority)
    }
}

extension StreamArgument {
    // A stream stands only where its box can describe it, as a property of a command or of a
    // response; the coders of boxes meet it there and never call these.
    public init(from decoder: any Decoder) throws {
        throw ArgumentError("stream", "a stream stands only directly in a command or response")
    }

    public func encode(to encoder: any Encoder) throws {
        throw ArgumentError("stream", "a stream stands only directly in a command or response")
    }
}
