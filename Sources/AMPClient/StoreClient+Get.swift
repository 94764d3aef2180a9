import Digests
import Runtime

/// How a file is fetched.
public struct GetOptions: Sendable {
    /// How soon it is to come, compared with others on the connection.
    public var priority: Urgency?

    public init() {}
}

extension StoreClient {
    /// Fetches a file into one of this machine's, which it replaces once everything is there and
    /// verified; until then it is `PATH.part`, which a later call goes on with.
    ///
    /// - Throws: ``RemoteError``, ``ConnectionError``, ``TransferError``, ``StreamFault``.
    @discardableResult
    public func get(
        _ name: String, into path: String, options: GetOptions = GetOptions(),
        progress: TransferProgress = TransferProgress()
    ) async throws -> FileVersion {
        let (server, kernel) = (server, loop.kernel)
        let part = try await loop.blocking(on: .scans) {
            try PartialFile(becoming: path, from: server, name, kernel: kernel)
        }
        return try await get(name, part, options, progress)
    }

    /// Fetches a file into a writer, which gets each byte once, in order, before the whole is
    /// verified.
    @discardableResult
    public func get(
        _ name: String, to writer: any BlockingWriter & Sendable,
        options: GetOptions = GetOptions(), progress: TransferProgress = TransferProgress()
    ) async throws -> FileVersion {
        try await get(name, WriterTarget(writer, name: name), options, progress)
    }

    /// Fetches a file of at most `limit` bytes into memory.
    public func get(_ name: String, upTo limit: Int) async throws -> [UInt8] {
        let memory = MemoryWriter(limit: limit)
        let target = WriterTarget(memory, name: name)
        _ = try await get(name, target, GetOptions(), TransferProgress())
        return memory.bytes
    }

    // MARK: Attempts

    private func get(
        _ name: String, _ target: some GetTarget, _ options: GetOptions,
        _ progress: TransferProgress
    ) async throws -> FileVersion {
        await gets.enter()
        defer { gets.leave() }
        var hasStartedOver = false
        while true {
            let isWhole = try await retrying(progress) {
                try await attempt(name, target, options, progress)
            }
            if isWhole, let version = target.version {
                try await loop.blocking { try target.finish() }
                return version
            }
            // What was here did not go together with what is there.
            guard !hasStartedOver else { throw TransferError.changed(name) }
            hasStartedOver = true
            try await loop.blocking { try target.startOver() }
        }
    }

    /// True when everything is there and verified, false if it is to be begun anew.
    private func attempt(
        _ name: String, _ target: some GetTarget, _ options: GetOptions,
        _ progress: TransferProgress
    ) async throws -> Bool {
        let client = try await streamingClient()
        let offset = target.position
        let reply: Reply<Get.Response>
        do {
            let command = Get(
                filename: name, offset: offset == 0 ? nil : offset, digest: "xxh3",
                priority: options.priority)
            reply = try await client.request(command)
        } catch let error as RemoteError where error.code == "BAD_OFFSET" && offset > 0 {
            return false
        }
        let response = reply.response
        let version = FileVersion(size: response.size, modified: response.modified)
        if offset > 0, target.version != version { return false }
        guard let stream = reply.stream(response.download), version.size >= offset else {
            throw ConnectionError.badAnswer(command: Get.name, reason: "it carries no such stream")
        }
        if offset == 0 { try await loop.blocking { try target.begin(version) } }
        progress.reset(to: offset, of: version.size)
        let digest = try await stream.write(to: CountingWriter(target, progress))
        guard target.position == version.size else {
            throw TransferError.wrongLength(name, expected: version.size, got: target.position)
        }
        return try await verify(target, name, segment: offset == 0 ? digest : nil, of: client)
    }

    /// Compares the whole with what the server says of it: in the end of the stream, if that
    /// carried everything, and else when asked.
    private func verify(
        _ target: some GetTarget, _ name: String, segment: String?, of client: Client
    ) async throws -> Bool {
        let here = target.digest().description
        if let segment {
            guard segment == here else {
                throw TransferError.mismatch(name, here: here, there: segment)
            }
            return true
        }
        let stored = try await client.call(Stat(filename: name, digest: "xxh3"))
        return stored.digest == here
    }
}
