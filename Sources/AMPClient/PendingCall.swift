import Runtime

/// A call that waits for its answer. On the loop alone; others only carry it.
protocol PendingCall: AnyObject, Sendable {
    var ask: AskID? { get }
    /// The streams that its arguments carry.
    var uploads: [StreamID] { get }
    /// Opens the streams of the answer and passes it on.
    func answered(_ box: Box, on connection: Connection) throws(Violation)
    func failed(_ error: any Error)
}

/// One whose command is known.
final class TypedCall<C: Command>: PendingCall, @unchecked Sendable {
    private(set) var ask: AskID?
    private(set) var uploads: [StreamID] = []
    private let client: Client
    private var continuation: CheckedContinuation<Reply<C.Response>, any Error>?

    init(of client: Client) { self.client = client }

    func began(
        as ask: AskID, uploads: [StreamID],
        _ continuation: CheckedContinuation<Reply<C.Response>, any Error>
    ) {
        self.ask = ask
        self.uploads = uploads
        self.continuation = continuation
    }

    /// Whoever waits hears at once that the task is cancelled; the answer still comes, for nobody.
    func cancel() { resume(.failure(CancellationError())) }

    func answered(_ box: Box, on connection: Connection) throws(Violation) {
        var streams: [StreamID] = []
        let response: C.Response
        do throws(ArgumentError) {
            response = try box.decode(C.Response.self, streams: &streams)
        } catch {
            return failed(ConnectionError.badAnswer(command: C.name, reason: error.description))
        }
        guard try connection.open(streams) else {
            return failed(RemoteError(code: "LIMIT", reason: "more downloads than can be open"))
        }
        guard continuation != nil else {
            for stream in streams { connection.stop(stream, .cancelled) }
            return
        }
        let inboxes = streams.map { (id: StreamID) -> ByteStream in
            let inbox = Inbox(id, of: connection)
            connection.receive(id, into: inbox)
            return ByteStream(inbox, of: client)
        }
        resume(.success(Reply(response, streams: inboxes)))
    }

    func failed(_ error: any Error) { resume(.failure(error)) }

    private func resume(_ result: Result<Reply<C.Response>, any Error>) {
        let waiting = continuation
        continuation = nil
        waiting?.resume(with: result)
    }
}

/// What a call was answered with: the response, and the streams that it carries.
///
/// A stream is taken by ``stream(_:)``. Those that are not wanted end with the reply: when
/// nothing holds on to it any more, its sender is told to stop.
public final class Reply<Response: Sendable>: Sendable {
    public let response: Response
    private let streams: [ByteStream]

    init(_ response: Response, streams: [ByteStream]) {
        self.response = response
        self.streams = streams
    }

    /// The bytes of a download of this response; nil for one of another.
    public func stream(_ download: Download) -> ByteStream? {
        streams.first { $0.id == download.id }
    }
}
