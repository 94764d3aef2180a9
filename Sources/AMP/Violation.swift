/// Something that a peer may not do, and for which its connection is closed.
public struct Violation: Error, Equatable, Sendable, CustomStringConvertible {
    /// One of the convention's code words, for `stream-goaway`.
    public var code: Code
    /// What was wrong, for the log and the peer.
    public var reason: String

    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    public var description: String { reason }

    static func keyTooLong(_ length: Int) -> Violation {
        Violation(.refused, "not AMP: a key of \(length) bytes or more, at most 255 are allowed")
    }
    static func tooManyPairs(_ limit: Int) -> Violation {
        Violation(.limit, "a box of more than \(limit) pairs")
    }
    static func boxTooLong(_ limit: Int) -> Violation {
        Violation(.limit, "a box of more than \(limit) bytes")
    }
    static let emptyBox = Violation(.refused, "an empty box")
}

/// The ASCII word that says in a `stream-reset`, `stream-stop` or `stream-goaway` why.
public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let word: String

    /// A word as the peer sent it: unknown ones are kept, what is not ASCII letters, digits or
    /// `_`, or is longer than 64, becomes `INTERNAL`.
    public init(_ word: String) {
        let isWord =
            !word.isEmpty && word.utf8.count <= 64
            && word.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        self.word = isWord ? word : "INTERNAL"
    }

    public static let cancelled = Code("CANCELLED")
    public static let flow = Code("FLOW")
    public static let mismatch = Code("MISMATCH")
    public static let limit = Code("LIMIT")
    public static let refused = Code("REFUSED")
    public static let storage = Code("STORAGE")
    public static let timeout = Code("TIMEOUT")
    public static let `internal` = Code("INTERNAL")
    public static let goAway = Code("GOAWAY")

    public var description: String { word }
}
