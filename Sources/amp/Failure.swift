import AMPClient
import Runtime

/// Errors in words: what, where, and what can be done.
enum Failure {
    static func words(for error: any Error) -> String {
        switch error {
        case ConnectionError.cannotConnect(let server, let reason):
            "cannot connect to \(server): \(reason)" + hint(for: reason)
        case let error as RemoteError: words(for: error)
        case let fault as StreamFault: "\(fault.reason) (\(fault.code))"
        case is CancellationError: "cancelled"
        default: "\(error)"
        }
    }

    private static func hint(for reason: String) -> String {
        switch reason {
        case Errno.connectionRefused.description, Errno.notFound.description:
            "; is ampd running? (systemctl start ampd, or --server)"
        case Errno.timedOut.description, "no route to host":
            "; is the address right, and is a firewall in between?"
        case _ where reason.contains("resolve"): "; is the name right?"
        case _ where reason.contains("protocol") || reason.contains("hello"):
            "; does something other than AMP listen there?"
        default: ""
        }
    }

    private static func words(for error: RemoteError) -> String {
        let advice =
            switch error.code {
            case "UNHANDLED": "; the server is no ampd"
            case "NO_SPACE": "; make room on the server, then run the same command again"
            case "NOT_EMPTY": "; remove what is in it first"
            case "GOAWAY": "; the server is shutting down: try again in a moment"
            case "DENIED": "; ask whoever runs the server"
            default: ""
            }
        return "\(error.reason) (\(error.code))" + advice
    }
}
