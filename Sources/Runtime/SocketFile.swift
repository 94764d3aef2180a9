import Kernel

/// The file that a Unix socket leaves behind: bind(2) makes it, nothing takes it away.
struct SocketFile: ~Copyable {
    private let path: String
    private let name: String
    private let directory: Descriptor

    init(_ path: String, kernel: any Kernel) throws(Errno) {
        self.path = path
        let slash = path.lastIndex(of: "/")
        name = String(slash.map { path[path.index(after: $0)...] } ?? path[...])
        let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        directory = Descriptor(
            try kernel.open(parent, in: nil, .directory, mode: 0), of: kernel)
    }

    /// Removes the file if it is a socket's behind which nobody listens; `.addressInUse` if
    /// somebody does or it is something else.
    borrowing func removeIfStale() throws(Errno) {
        do throws(Errno) {
            let status = try directory.kernel.status(of: name, in: directory.number)
            guard status.kind == .socket, try !isAlive() else { throw .addressInUse }
            try remove()
        } catch {
            guard error == .notFound else { throw error }
        }
    }

    borrowing func remove() throws(Errno) {
        try directory.kernel.remove(name, in: directory.number, isDirectory: false)
    }

    /// A refused connection says that nobody listens; a full backlog, that somebody does.
    private borrowing func isAlive() throws(Errno) -> Bool {
        let kernel = directory.kernel
        let probe = Descriptor(try kernel.socket(for: .unix(path)), of: kernel)
        do {
            try kernel.connect(probe.number, to: .unix(path))
            return true
        } catch {
            if error == .connectionRefused { return false }
            if error == .again || error == .inProgress { return true }
            throw error
        }
    }
}
