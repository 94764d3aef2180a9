import AMP

/// What a box that arrived means to the application.
public enum SessionEvent: Sendable {
    /// Nothing: the session has dealt with it.
    case nothing
    /// The peer calls a command; exactly one answer is owed if it has an ``Call/id``.
    case call(Call)
    /// An ask of ours succeeded. The streams of the response are to be opened before reading on.
    case answer(AskID, Box)
    /// An ask of ours failed; the streams that it carried are reset.
    case failure(AskID, RemoteError)
    /// Bytes of an incoming stream, as a range of the input; to be given back by `consumed`.
    case data(StreamID, Range<Int>)
    /// An incoming stream is whole.
    case end(StreamID, digest: String?)
    /// An incoming stream was abandoned: what came of it must not be taken for whole.
    case reset(StreamID, Code, reason: String)
    /// An outgoing stream is over before its end: its receiver wants no more.
    case stop(StreamID, Code, reason: String)
    /// The peer no longer wants this call; its answer is owed all the same.
    case cancel(CallID)
    /// The peer's settings are known and in force.
    case hello(Settings)
    /// The peer is leaving: asks sent from now on fail with `GOAWAY`.
    case goAway(Code, reason: String)
}

/// A call of the peer's that waits for its answer. Never reused on a connection.
public struct CallID: Hashable, Sendable {
    let number: UInt64
}

/// A call of ours that waits for its answer. Never reused on a connection.
public struct AskID: Hashable, Sendable {
    let number: UInt64
}

/// A command that the peer has called.
public struct Call: Sendable {
    /// nil if the peer wants no answer.
    public let id: CallID?
    /// The command's name, wrong UTF-8 replaced; the bytes are under `_command` in the box.
    public let name: String
    public let box: Box
}
