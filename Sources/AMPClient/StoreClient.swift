import Runtime
@_exported import StoreCommands

/// A client of ampd's store: files in and out by name, through lost connections.
///
///     let store = try StoreClient(Endpoint("127.0.0.1:2673"))
///     try await store.put(file: "movie.mkv", as: "films/movie.mkv")
///     try await store.get("films/movie.mkv", into: "copy.mkv")
///     for try await entry in store.list(prefix: "films/") { print(entry.name) }
///
/// Everything goes over one connection. When it is lost, transfers connect again and go on where
/// the server, or the local file, had come to; they give up when the ``RetryPolicy`` says so.
/// A server that cannot be reached the first time is an error at once. Digests are compared at
/// the end of every transfer.
public actor StoreClient {
    public nonisolated let server: Endpoint
    public nonisolated let loop: EventLoop
    let policy: RetryPolicy
    private let report: @Sendable (StoreEvent) -> Void
    private var current: Client?
    private var connecting: Task<Client, any Error>?
    private var hasConnected = false
    /// Gets under way. The server may send as many streams at once as a hello of ours allows;
    /// listings, which go at their reader's pace, have a few of them.
    let gets = Turnstile(Int(clamping: SessionLimits().settings.maxStreams) - 8)

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    /// Connects when something is first asked of it.
    ///
    /// - Parameter report: told when the connection is lost and made again.
    public init(
        _ server: Endpoint, on loop: EventLoop? = nil, policy: RetryPolicy = RetryPolicy(),
        report: @escaping @Sendable (StoreEvent) -> Void = { _ in }
    ) throws(Errno) {
        self.server = server
        self.loop = if let loop { loop } else { try .shared() }
        self.policy = policy
        self.report = report
    }

    /// Closes the connection, if there is one; what is under way fails.
    public func close() async {
        await current?.close()
        current = nil
    }

    // MARK: Calls

    public func ping() async throws { try await client().call(Ping()) }

    public func status() async throws -> Status.Response { try await client().call(Status()) }

    /// - Parameter withDigest: whether the server is to read it all and tell its XXH3.
    public func stat(_ name: String, withDigest: Bool = false) async throws -> Stat.Response {
        try await client().call(Stat(filename: name, digest: withDigest ? "xxh3" : nil))
    }

    /// Removes a file or an empty directory. When the connection is lost meanwhile, it may be
    /// removed all the same.
    public func remove(_ name: String) async throws {
        try await client().call(Remove(filename: name))
    }

    /// The names that begin with `prefix`, in no promised order; asked for when it is iterated.
    public nonisolated func list(prefix: String = "", recursive: Bool = false) -> NameSequence {
        NameSequence(of: self, List(prefix: prefix, recursive: recursive))
    }

    // MARK: The connection

    /// The connection that there is, or a new one. All who ask meanwhile wait for the same.
    public func client() async throws -> Client {
        while let candidate = current {
            let fault = await candidate.fault
            if fault == nil { return candidate }
            guard current === candidate else { continue }  // somebody else was faster
            current = nil
            if let fault { report(.lost(fault)) }
        }
        if let connecting { return try await connecting.value }
        let (server, loop) = (server, loop)
        let task = Task(executorPreference: loop) { try await Client.connect(to: server, on: loop) }
        connecting = task
        defer { connecting = nil }
        do {
            let client = try await task.value
            if hasConnected { report(.connectedAgain(server)) }
            hasConnected = true
            current = client
            return client
        } catch let error as ConnectionError {
            if hasConnected { report(.stillLost(error)) }
            throw error
        }
    }

    /// A connection that knows streams.
    func streamingClient() async throws -> Client {
        let client = try await client()
        guard await client.hasStreams else { throw ConnectionError.noStreams(server) }
        return client
    }

    /// Whether a transfer that failed so may go on over a new connection.
    func isInterruption(_ error: any Error) async -> Bool {
        switch error {
        case ConnectionError.lost: return true
        case ConnectionError.cannotConnect: return hasConnected
        case let error as RemoteError:
            if error.code == "GOAWAY" { return true }
            // Without our asking: because the server goes, or because somebody took over.
            let isConnected = await isConnected
            return error.code == "CANCELLED" && !isConnected
        case let fault as StreamFault: return ["CANCELLED", "GOAWAY"].contains(fault.code)
        default: return false
        }
    }

    private var isConnected: Bool {
        get async { await current?.fault == nil && current != nil }
    }

    /// Attempts `body` until it succeeds, fails for good, or patience ends.
    func retrying<Result: Sendable>(
        _ progress: TransferProgress, _ body: () async throws -> Result
    ) async throws -> Result {
        var patience = Patience(policy)
        while true {
            do {
                return try await body()
            } catch {
                try Task.checkCancellation()
                guard await isInterruption(error),
                    let delay = patience.delay(at: loop.kernel.now(), having: progress.bytes)
                else { throw error }
                try await Task.sleep(nanoseconds: delay.nanoseconds)
            }
        }
    }
}
