import Runtime

/// Why a connection could not be made, or why what was under way on it failed.
public enum ConnectionError: Error, Sendable, CustomStringConvertible {
    /// None of the server's addresses could be connected to; the reason is the last one's.
    case cannotConnect(Endpoint, reason: String)
    /// The connection is gone, and what was under way on it may or may not have happened.
    case lost(Endpoint, reason: String)
    /// This side has closed it.
    case closed(Endpoint)
    /// The server knows AMP, but not its streams: only calls without them work.
    case noStreams(Endpoint)
    /// The answer is not what the command declares.
    case badAnswer(command: String, reason: String)

    public var description: String {
        switch self {
        case .cannotConnect(let server, let reason): "cannot connect to \(server): \(reason)"
        case .lost(let server, let reason): "the connection to \(server) was lost: \(reason)"
        case .closed(let server): "the connection to \(server) was closed here"
        case .noStreams(let server):
            "\(server) speaks AMP without streams (a stock peer?): files cannot go over it"
        case .badAnswer(let command, let reason): "the answer to \(command) is wrong: \(reason)"
        }
    }
}
