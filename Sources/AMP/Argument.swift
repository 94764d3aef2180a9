/// A value that AMP can carry under a key: how it is written, and what is read as one.
///
/// The texts are byte-exact with Twisted's argument types; conforming types are listed beside
/// the Twisted type that they stand for.
public protocol Argument: Sendable {
    /// The value as it goes over the wire.
    var wireBytes: [UInt8] { get }

    /// Reads a value; nil if the bytes are not one.
    init?(wireBytes: ArraySlice<UInt8>)

    /// What is allowed, for the error about one that is not: "an integer".
    static var wireForm: String { get }
}

/// An argument that is missing, is not what its type allows, or does not fit into a box.
public struct ArgumentError: Error, Equatable, Sendable, CustomStringConvertible {
    public var key: String
    public var reason: String

    public init(_ key: String, _ reason: String) {
        self.key = key
        self.reason = reason
    }

    public var description: String { "argument \"\(key)\": \(reason)" }
}

/// Twisted's `String`: bytes.
extension [UInt8]: Argument {
    public var wireBytes: [UInt8] { self }
    public init?(wireBytes: ArraySlice<UInt8>) { self = Array(wireBytes) }
    public static var wireForm: String { "bytes" }
}

/// Twisted's `Unicode`: strict UTF-8, without overlong forms or surrogates; BOM and NUL stay.
extension String: Argument {
    public var wireBytes: [UInt8] { Array(utf8) }
    public init?(wireBytes: ArraySlice<UInt8>) {
        guard let text = String(validating: wireBytes, as: UTF8.self) else { return nil }
        self = text
    }
    public static var wireForm: String { "UTF-8 text" }
}

/// Twisted's `Boolean`: exactly `True` or `False`.
extension Bool: Argument {
    public var wireBytes: [UInt8] { Array((self ? "True" : "False").utf8) }
    public init?(wireBytes: ArraySlice<UInt8>) {
        if wireBytes.elementsEqual("True".utf8) {
            self = true
        } else if wireBytes.elementsEqual("False".utf8) {
            self = false
        } else {
            return nil
        }
    }
    public static var wireForm: String { "\"True\" or \"False\"" }
}
