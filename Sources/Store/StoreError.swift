import Kernel

/// Why the store refused or failed: a word for programs, and for people what and where.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    public let code: Code
    public let description: String

    /// The words as they travel in `_error_code`.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        case notFound = "NOT_FOUND"
        case exists = "EXISTS"
        case badName = "BAD_NAME"
        case badArgument = "BAD_ARGUMENT"
        case badToken = "BAD_TOKEN"
        case badOffset = "BAD_OFFSET"
        case isDirectory = "IS_DIRECTORY"
        case notEmpty = "NOT_EMPTY"
        case noSpace = "NO_SPACE"
        case mismatch = "MISMATCH"
        case limit = "LIMIT"
        case denied = "DENIED"
        case io = "IO"
    }

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension StoreError {
    /// The one mapping from error numbers of the system to words.
    init(_ error: Errno, at place: String) {
        let code: Code =
            switch error {
            case .notFound, .notDirectory: .notFound
            case .exists: .exists
            case .isDirectory: .isDirectory
            case .notEmpty: .notEmpty
            case .nameTooLong: .badName
            case .notPermitted, .accessDenied, .readOnly, .symbolicLinks, .crossDevice,
                .noSuchDevice:
                .denied
            case .tooManyFiles, .tooManyFilesInSystem, .noMemory, .noBuffers: .limit
            case _ where error.isFull: .noSpace
            default: .io
            }
        let words = error == .symbolicLinks ? "a symbolic link is in the way" : error.description
        self.init(code, place + ": " + words)
    }
}

extension Errno {
    /// ENXIO: `open(2)` of a socket, or of a device that is not there.
    static let noSuchDevice = Errno(6)
}

/// Runs system calls about one place and words what they throw.
func naming<Result: ~Copyable>(
    _ place: @autoclosure () -> String, _ body: () throws(Errno) -> Result
) throws(StoreError) -> Result {
    do {
        return try body()
    } catch {
        throw StoreError(error, at: place())
    }
}
