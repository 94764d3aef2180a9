/// A command as both sides declare it: a struct whose properties are its arguments.
///
///     struct Sum: Command {
///         static let name = "Sum"
///         var a: Int
///         var b: Int
///         struct Response: Codable, Sendable { var total: Int }
///     }
///
/// Keys that are not Swift names are given by `CodingKeys`; an optional property is an optional
/// argument. What a property's type may be: ``Argument`` types, ``Upload`` in a command and
/// ``Download`` in a response.
public protocol Command: Codable, Sendable {
    associatedtype Response: Codable & Sendable = NoResponse

    /// The name on the wire; ASCII, since others crash stock peers.
    static var name: String { get }

    /// The codes of the errors that a responder may answer with; others reach the peer as
    /// `UNKNOWN`.
    static var errors: Set<String> { get }

    /// Whether the asker wants an answer; a command without one that its receiver does not know
    /// makes a stock peer close the connection.
    static var requiresAnswer: Bool { get }
}

extension Command {
    public static var errors: Set<String> { [] }
    public static var requiresAnswer: Bool { true }
}

/// The response of a command that answers with an empty box.
public struct NoResponse: Codable, Sendable, Equatable {
    public init() {}
}

/// An answer that says that the call failed.
public struct RemoteError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The declared code, `NOT_FOUND`, or one of AMP's own, `UNHANDLED` and `UNKNOWN`.
    public var code: String
    public var reason: String

    public init(code: String, reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The peer does not know the command.
    public static let unhandled = "UNHANDLED"
    /// The peer failed in a way that it had not declared.
    public static let unknown = "UNKNOWN"

    public var description: String { "\(code): \(reason)" }
}
