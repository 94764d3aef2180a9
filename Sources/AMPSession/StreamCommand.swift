import AMP

/// The commands of the convention.
enum StreamCommand {
    case hello, data, credit, end, reset, stop, ping, goAway, cancel

    /// nil for a command that only begins like one of these: it is a call like others.
    init?(_ input: Span<UInt8>, _ name: Range<Int>) {
        if input.matches("stream-data", in: name) {
            self = .data
        } else if input.matches("stream-credit", in: name) {
            self = .credit
        } else if input.matches("stream-end", in: name) {
            self = .end
        } else if input.matches("stream-reset", in: name) {
            self = .reset
        } else if input.matches("stream-stop", in: name) {
            self = .stop
        } else if input.matches("stream-ping", in: name) {
            self = .ping
        } else if input.matches("stream-cancel", in: name) {
            self = .cancel
        } else if input.matches("stream-hello", in: name) {
            self = .hello
        } else if input.matches("stream-goaway", in: name) {
            self = .goAway
        } else {
            return nil
        }
    }

    /// Whether its answer is more than an empty box.
    var answersItself: Bool { self == .hello || self == .ping }
}

/// The arguments of a command of the convention, read strictly: one that does not decode, or
/// that is there twice, is a violation.
struct StreamArguments {
    var id: StreamID?
    var limit: UInt64?
    var length: UInt64?
    var data: Range<Int>?
    var digest: String?
    var code = Code.internal
    var reason = ""
    var tag: [UInt8]?
    var ask: [UInt8]?
    var nonce: [UInt8]?

    init(
        _ command: StreamCommand, _ parser: BoxParser, _ input: Span<UInt8>
    ) throws(Violation) {
        for (index, pair) in parser.pairs.enumerated() {
            for earlier in parser.pairs[..<index] where input.areEqual(earlier.key, pair.key) {
                throw Violation(.refused, "a repeated key in a stream command")
            }
            let (key, value) = (pair.key, pair.value)
            if input.matches("id", in: key) {
                id = StreamID(try input.number(value, "id"))
            } else if input.matches("data", in: key) {
                data = value
            } else if input.matches("limit", in: key) {
                limit = try input.number(value, "limit")
            } else if input.matches("length", in: key) {
                length = try input.number(value, "length")
            } else if input.matches("_ask", in: key) {
                guard value.count <= Box.longestValue else {
                    throw Violation(.refused, "an ask's tag of \(value.count) bytes")
                }
                tag = input.bytes(in: value)
            } else if command != .data {
                try readRarer(key, value, input)
            }
        }
    }

    private mutating func readRarer(
        _ key: Range<Int>, _ value: Range<Int>, _ input: Span<UInt8>
    ) throws(Violation) {
        if input.matches("code", in: key) {
            code = Code(try input.text(value, "code"))
        } else if input.matches("reason", in: key) {
            guard value.count <= 1_024 else {
                throw Violation(.refused, "a reason of more than 1,024 bytes")
            }
            reason = try input.text(value, "reason")
        } else if input.matches("digest", in: key) {
            digest = try input.text(value, "digest")
        } else if input.matches("nonce", in: key) {
            nonce = input.bytes(in: value)
        } else if input.matches("ask", in: key) {
            ask = input.bytes(in: value)
        }
    }

    /// The stream that the command speaks of.
    func stream() throws(Violation) -> StreamID {
        guard let id else { throw Violation(.refused, "a stream command without id") }
        return id
    }
}

extension Span<UInt8> {
    func areEqual(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
        guard left.count == right.count else { return false }
        for offset in 0..<left.count
        where self[left.lowerBound + offset] != self[right.lowerBound + offset] { return false }
        return true
    }

    /// Plain digits, 0 to 2^63-1.
    func number(_ range: Range<Int>, _ key: StaticString) throws(Violation) -> UInt64 {
        guard (1...19).contains(range.count) else {
            throw Violation(.refused, "\(key) is not a number from 0 to 2^63-1")
        }
        var value: UInt64 = 0
        for index in range {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit <= 9 else {
                throw Violation(.refused, "\(key) is not a number from 0 to 2^63-1")
            }
            value = value * 10 + UInt64(digit)  // 19 digits stay below 2^64
        }
        guard value <= StreamID.largest else {
            throw Violation(.refused, "\(key) is not a number from 0 to 2^63-1")
        }
        return value
    }

    func text(_ range: Range<Int>, _ key: StaticString) throws(Violation) -> String {
        guard let text = String(validating: bytes(in: range), as: UTF8.self) else {
            throw Violation(.refused, "\(key) is not UTF-8")
        }
        return text
    }
}
