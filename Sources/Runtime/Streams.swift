@_exported import AMP
import AMPSession

/// Why a stream cannot go on: the word for the peer, and what and where for people.
public struct StreamFault: Error, Equatable, Sendable, CustomStringConvertible {
    public var code: String
    public var reason: String

    public init(code: String, reason: String) {
        self.code = code
        self.reason = reason
    }

    public var description: String { "\(code): \(reason)" }

    /// The code for a `stream-reset` or `stream-stop`, which have words of their own: whatever
    /// else a store complains of is `STORAGE` to them.
    var streamCode: Code {
        let words: [Code] = [
            .cancelled, .flow, .mismatch, .limit, .refused, .storage, .timeout, .internal, .goAway,
        ]
        return words.first { $0.word == code } ?? .storage
    }

    static let peerClosed = StreamFault(
        code: "CANCELLED", reason: "the peer closed the connection")
}

/// Where the bytes of an outgoing stream come from. On the loop; it must not block.
public protocol Source: AnyObject {
    /// Bytes of what the session was told is ready: at least one, at most `count`.
    func payload(at offset: UInt64, count: Int) -> Payload

    /// Everything before `offset` is with the kernel and will not be asked for again.
    func sent(upTo offset: UInt64)

    /// The stream is over: all sent (nil), or the peer wants no more, or the connection is gone.
    func closed(_ fault: StreamFault?)
}

/// What a source has at an offset.
public enum Payload {
    case file(Int32, offset: Int64)
    case memory(UnsafeRawBufferPointer)
    /// Not what was promised: the file turned out short or bad.
    case missing
}

/// Where the bytes of an incoming stream go. On the loop; it must not block. It gives the bytes
/// back by ``Connection/consumed(_:_:)``.
public protocol Sink: AnyObject {
    /// More bytes, in order.
    func receive(_ slice: Slice)

    /// No more bytes are at hand in this turn: a good time to pass on what came.
    func flush()

    /// The connection runs out of buffers to read into: let go of slices that wait here, by
    /// copying them.
    func copyOut()

    /// The stream is whole; `digest` is what its sender says of it.
    func ended(digest: String?)

    /// The stream was abandoned by its sender, or the connection is gone.
    func aborted(_ fault: StreamFault)
}

extension Sink {
    /// Most hold no slices.
    public func copyOut() {}
}
