import AMPClient
import ArgumentParser
import Synchronization

/// Whom to talk to.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server: HOST:PORT, HOST (port 2673), [V6]:PORT or unix:PATH.",
            valueName: "address"))
    var server: String?

    static let defaultPort = 2673

    func validate() throws { _ = try endpoint() }

    /// - Throws: a `ValidationError` that says what an address is.
    func endpoint() throws -> Endpoint {
        let variable = CurrentProcess.environment("AMP_SERVER").flatMap { $0.isEmpty ? nil : $0 }
        let text = server ?? variable ?? "127.0.0.1"
        do {
            return try Self.parse(text)
        } catch {
            let origin = server == nil ? "AMP_SERVER" : "--server"
            throw ValidationError("\(origin) \(text.debugDescription): \(error)")
        }
    }

    private static func parse(_ text: String) throws(AddressTextError) -> Endpoint {
        do throws(AddressTextError) {
            return try Endpoint(text)
        } catch {
            guard error == .missingPort else { throw error }
            return try Endpoint("\(text):\(defaultPort)")
        }
    }

    /// A client of the store there, which tells on standard error when it connects again.
    func store(policy: RetryPolicy = RetryPolicy()) throws -> StoreClient {
        let last = Mutex("")
        return try StoreClient(endpoint(), policy: policy) { event in
            // An outage is told once, not with each attempt.
            let text = "\(event)"
            let isNews = last.withLock { last in
                defer { last = text }
                return last != text
            }
            if isNews { Output.note(text) }
        }
    }
}
