import Digests
import Runtime

/// Remembers the tokens of uploads, each in a file of its own, so that a process that is run
/// again can go on where one that was killed had come to. Everything here may block.
public struct UploadJournal: Sendable {
    private let folder: LocalFolder

    /// What makes an upload the same: whence, whither, and that the file has not changed.
    public struct Key: Sendable {
        fileprivate let text: String

        public init(server: Endpoint, name: String, file: FileStatus) {
            text = [
                "\(server)", name, "\(file.size)", "\(file.modified)", "\(file.device)",
                "\(file.inode)",
            ].joined(separator: "\0")
        }

        fileprivate var fileName: String {
            Hexadecimal.text(Digest(of: Array(text.utf8), by: .xxh3).bytes)
        }
    }

    /// - Parameter path: an absolute path; what is missing of it is made.
    public init(in path: String, kernel: any Kernel) throws(Errno) {
        folder = try .make(path, kernel: kernel)
    }

    /// The token kept for `key`; if there is none, `fresh`, which is kept.
    func token(for key: Key, orKeep fresh: [UInt8]) throws(Errno) -> [UInt8] {
        if let bytes = try folder.contents(of: key.fileName),
            let token = Hexadecimal.bytes(bytes.prefix { $0 != UInt8(ascii: "\n") }),
            token.count == fresh.count
        {
            return token
        }
        // The second line is for people who wonder what the file is.
        let server = key.text.split(separator: "\0").prefix(2).map { $0.debugDescription }
        let text = Hexadecimal.text(fresh) + "\n" + server.joined(separator: " ") + "\n"
        try folder.replaceContents(of: key.fileName, with: Array(text.utf8))
        return fresh
    }

    /// The upload is done. A file that cannot be removed does no harm: its token is unknown to
    /// the server from now on.
    func forget(_ key: Key) { try? folder.remove(key.fileName) }
}
