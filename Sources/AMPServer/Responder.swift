@_exported import Runtime

/// Answers one command.
///
///     final class SumResponder: Responder {
///         func respond(to sum: Sum, _ request: Request) {
///             request.answer(Sum.Response(total: sum.a + sum.b))
///         }
///     }
///
/// It runs on the loop and must not block: what may goes to a worker (`Reactor.submit`), and the
/// answer comes when that is done, in any order.
public protocol Responder: AnyObject {
    associatedtype Called: Command

    /// Answers, now or later, exactly once.
    func respond(to command: Called, _ request: Request)
}

/// Is told that what it works for is no longer wanted.
public protocol Cancellable: AnyObject {
    /// The asker has cancelled the call, or is gone; an answer is owed all the same.
    func cancel(_ fault: StreamFault)
}

/// One call that waits for its answer.
public final class Request {
    public let connection: Connection
    public let command: String
    public let began: Instant
    /// Whom to tell when the call is no longer wanted.
    public weak var work: (any Cancellable)?
    /// The fault, once it is no longer wanted.
    public private(set) var cancellation: StreamFault?

    /// Whether the asker wants to hear how it went; if not, no answer carries a download to it.
    public var wantsAnswer: Bool { id != nil }

    let id: CallID?
    private let declaredErrors: Set<String>
    private weak var server: Server?
    private var isAnswered = false

    init(_ call: Call, on connection: Connection, declaring errors: Set<String>, of server: Server)
    {
        id = call.id
        command = call.name
        began = connection.reactor.now
        self.connection = connection
        self.server = server
        declaredErrors = errors
    }

    public func answer(_ response: some Encodable) {
        do throws(ArgumentError) {
            let box = try Box(arguments: response)
            guard takeTurn() else { return }
            connection.answer(id, box)
            server?.answered(self, error: nil)
        } catch {
            fail(RemoteError.unknown, "the answer does not fit: \(error)")
        }
    }

    /// Fails with one of the command's declared errors. Another one is the responder's own
    /// fault: the peer hears `UNKNOWN` and the connection closes, as in stock AMP.
    public func fail(_ code: String, _ reason: String) {
        guard takeTurn() else { return }
        let isDeclared = declaredErrors.contains(code)
        let error =
            isDeclared
            ? RemoteError(code: code, reason: reason)
            : RemoteError(code: RemoteError.unknown, reason: "Unknown Error")
        connection.fail(id, error)
        server?.answered(self, error: RemoteError(code: code, reason: reason))
        if !isDeclared { connection.closeWhenIdle() }
    }

    public func fail(_ fault: StreamFault) { fail(fault.code, fault.reason) }

    func cancel(_ fault: StreamFault) {
        guard cancellation == nil, !isAnswered else { return }
        cancellation = fault
        work?.cancel(fault)
    }

    private func takeTurn() -> Bool {
        if isAnswered { return false }
        isAnswered = true
        return true
    }
}
