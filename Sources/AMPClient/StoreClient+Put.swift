import Digests
import Runtime

/// How a file is put.
public struct PutOptions: Sendable {
    /// Only if nothing bears the name: else `EXISTS`.
    public var ifAbsent = false
    /// How soon it is to go, compared with others on the connection.
    public var priority: Urgency?
    /// Where tokens of uploads are kept, so that another process can go on with them.
    public var journal: UploadJournal?

    public init() {}
}

extension StoreClient {
    /// Files from here on are worth a token: smaller ones are sent again faster than the server
    /// makes the checkpoint that an upload can go on from.
    public static let resumableSize: UInt64 = 8 << 20

    /// Stores a file of this machine; returns once it is durable under its name.
    ///
    /// An interrupted upload goes on at the server's durable offset.
    ///
    /// - Throws: ``RemoteError``, ``ConnectionError``, ``TransferError``, ``StreamFault``.
    @discardableResult
    public func put(
        file path: String, as name: String, options: PutOptions = PutOptions(),
        progress: TransferProgress = TransferProgress()
    ) async throws -> Put.Response {
        let kernel = loop.kernel
        let file = try await loop.blocking {
            do throws(Errno) {
                return try LocalFile(path, kernel: kernel)
            } catch {
                throw TransferError.local(path, error)
            }
        }
        progress.reset(to: 0, of: file.size)
        var upload = FileUpload(file, as: name, options: options)
        if file.size >= Self.resumableSize {
            let fresh = randomToken()
            let token = try await token(for: file, name, options.journal, orKeep: fresh)
            upload.token = token
            upload.mayResume = token != fresh
        }
        let response = try await send(&upload, progress)
        if let journal = options.journal {
            let key = UploadJournal.Key(server: server, name: name, file: file.status)
            try await loop.blocking { journal.forget(key) }
        }
        return response
    }

    /// Stores what a pipe holds, up to its end. It cannot be sent again: an interruption is
    /// ``TransferError/cannotRepeat(_:cause:)``.
    @discardableResult
    public func put(
        pipe: PipeReader, as name: String, options: PutOptions = PutOptions(),
        progress: TransferProgress = TransferProgress()
    ) async throws -> Put.Response {
        progress.reset(to: 0, of: nil)
        let command = Put(
            upload: Upload(priority: options.priority), filename: name, digest: "xxh3",
            ifAbsent: options.ifAbsent ? true : nil)
        let body = UploadBody.producer(pipe).counted(in: progress)
        let response: Put.Response
        do {
            let client = try await streamingClient()
            response = try await client.call(command, uploads: [\.upload: body])
        } catch {
            guard progress.bytes > 0, await isInterruption(error) else { throw error }
            throw TransferError.cannotRepeat(name, cause: "\(error)")
        }
        let (count, digest) = pipe.finish()
        try compare(response, size: count, digest: digest, name)
        return response
    }

    /// Stores bytes of memory.
    @discardableResult
    public func put(
        bytes: [UInt8], as name: String, options: PutOptions = PutOptions()
    ) async throws -> Put.Response {
        let command = Put(
            upload: Upload(priority: options.priority), filename: name, digest: "xxh3",
            ifAbsent: options.ifAbsent ? true : nil)
        let client = try await streamingClient()
        let response = try await client.call(command, uploads: [\.upload: .bytes(bytes)])
        try compare(
            response, size: UInt64(bytes.count), digest: Digest(of: bytes, by: .xxh3), name)
        return response
    }

    // MARK: Attempts

    private struct FileUpload {
        let file: LocalFile
        let name: String
        let options: PutOptions
        var token: [UInt8]?
        /// Whether an earlier attempt may have left something on the server.
        var mayResume = false
        /// Whether going on from what is there has been given up.
        var hasStartedOver = false
        /// Whether an attempt may have been published, its answer lost.
        var mayBePublished = false

        init(_ file: LocalFile, as name: String, options: PutOptions) {
            (self.file, self.name, self.options) = (file, name, options)
        }
    }

    private func send(
        _ upload: inout FileUpload, _ progress: TransferProgress
    ) async throws -> Put.Response {
        try await retrying(progress) {
            do {
                return try await attempt(&upload, progress)
            } catch let error as RemoteError
                where ["BAD_OFFSET", "BAD_TOKEN", "MISMATCH"].contains(error.code)
                && upload.mayResume && upload.token != nil && !upload.hasStartedOver
            {
                // What is there does not fit what is here, or is not ours.
                upload.hasStartedOver = true
                upload.token = randomToken()
                return try await attempt(&upload, progress)
            }
        }
    }

    private func attempt(
        _ upload: inout FileUpload, _ progress: TransferProgress
    ) async throws -> Put.Response {
        let client = try await streamingClient()
        let file = upload.file
        if upload.mayBePublished, let done = try await published(upload, client) { return done }
        let offset = try await durableOffset(of: upload, client)
        guard try await loop.blocking({ file.isUnchanged }) else {
            throw TransferError.changed(file.path)
        }
        progress.reset(to: offset, of: file.size)
        let command = Put(
            upload: Upload(priority: upload.options.priority), filename: upload.name,
            digest: "xxh3", ifAbsent: upload.options.ifAbsent ? true : nil, token: upload.token,
            offset: upload.token == nil ? nil : offset)
        let body = UploadBody.file(file, offset..<file.size, digest: .xxh3).counted(in: progress)
        upload.mayResume = true
        let response: Put.Response
        do {
            response = try await client.call(command, uploads: [\.upload: body])
        } catch {
            upload.mayBePublished = progress.bytes >= file.size
            throw error
        }
        let digest = try await loop.blocking(on: .scans) { try file.digest() }
        try compare(response, size: file.size, digest: digest, upload.name)
        return response
    }

    /// Where the server can go on.
    private func durableOffset(of upload: FileUpload, _ client: Client) async throws -> UInt64 {
        guard upload.mayResume, !upload.hasStartedOver, let token = upload.token else { return 0 }
        do {
            let offset = try await client.call(UploadStatus(token: token)).offset
            return offset <= upload.file.size ? offset : 0
        } catch let error as RemoteError where error.code == "NOT_FOUND" {
            return 0
        }
    }

    /// Whether the name bears just this file already: the answer of an earlier attempt was lost.
    private func published(
        _ upload: FileUpload, _ client: Client
    ) async throws -> Put.Response? {
        let file = upload.file
        let digest = try await loop.blocking(on: .scans) { try file.digest() }
        do {
            let stored = try await client.call(Stat(filename: upload.name, digest: "xxh3"))
            let isSame = stored.size == file.size && stored.digest == digest.description
            return isSame ? Put.Response(size: stored.size, digest: stored.digest) : nil
        } catch is RemoteError {
            return nil
        }
    }

    private func compare(
        _ response: Put.Response, size: UInt64, digest: Digest, _ name: String
    ) throws(TransferError) {
        guard response.size == size else {
            throw .wrongLength(name, expected: size, got: response.size)
        }
        guard response.digest == digest.description else {
            throw .mismatch(name, here: digest.description, there: response.digest ?? "no digest")
        }
    }

    // MARK: Tokens

    /// The token that an earlier process left for just this upload, or the new one, kept.
    private func token(
        for file: LocalFile, _ name: String, _ journal: UploadJournal?, orKeep fresh: [UInt8]
    ) async throws -> [UInt8] {
        guard let journal else { return fresh }
        let key = UploadJournal.Key(server: server, name: name, file: file.status)
        return try await loop.blocking { try journal.token(for: key, orKeep: fresh) }
    }

    private func randomToken() -> [UInt8] {
        var token = [UInt8](repeating: 0, count: 16)
        token.withUnsafeMutableBytes { loop.kernel.random(into: $0) }
        return token
    }
}
