import AMPClient

/// Which files of this machine are to be put under which names. Making it may block.
struct UploadPlan: Sendable {
    enum Origin: Sendable {
        case file(String)
        case standardInput
    }

    struct Upload: Sendable {
        let origin: Origin
        let name: String

        var label: String {
            switch origin {
            case .file(let path): path
            case .standardInput: name
            }
        }
    }

    private(set) var uploads: [Upload] = []
    /// Bytes of them all; nil if that cannot be known.
    private(set) var size: UInt64? = 0
    /// What cannot be put.
    private(set) var problems: [String] = []
    /// What was left out, as it is meant to be.
    private(set) var notes: [String] = []

    private let kernel: any Kernel

    /// From the arguments of `amp put`, whose help says what they mean.
    init(_ arguments: [String], as name: String?, kernel: any Kernel) {
        self.kernel = kernel
        guard name == nil, let last = arguments.last, isTarget(last, of: arguments) else {
            for file in arguments { add(file, target: name) }
            return
        }
        for file in arguments.dropLast() { add(file, target: last) }
    }

    private func isTarget(_ last: String, of arguments: [String]) -> Bool {
        guard arguments.count > 1 else { return false }
        if last.hasSuffix("/") { return true }
        return arguments.count == 2 && (arguments[0] == "-" || !isHere(last))
    }

    private mutating func add(_ file: String, target: String?) {
        guard file != "-" else { return addStandardInput(target) }
        guard let base = Self.baseName(of: file) else {
            return problems.append("\(file): give it a name with --as NAME")
        }
        let name =
            switch target {
            case nil: base
            case let target? where target.hasSuffix("/"): target + base
            case let target?: target
            }
        let status: FileStatus
        do throws(Errno) {
            status = try self.status(of: file)
        } catch {
            return problems.append("\(file): \(error)")
        }
        switch status.kind {
        case .directory: addDirectory(file, as: name)
        case .regular: addFile(file, as: name, status)
        case .symbolicLink, .socket, .other:
            problems.append("\(file): neither file nor directory; amp put - NAME < \(file)")
        }
    }

    private mutating func addStandardInput(_ target: String?) {
        guard let target, !target.hasSuffix("/") else {
            return problems.append("-: standard input needs a name: amp put - NAME")
        }
        uploads.append(Upload(origin: .standardInput, name: target))
        size = nil
    }

    private mutating func addFile(_ path: String, as name: String, _ status: FileStatus) {
        uploads.append(Upload(origin: .file(path), name: name))
        size = size.map { $0 + UInt64(max(0, status.size)) }
    }

    /// Everything below a directory, in the order of names. A loop instead of recursion: trees
    /// are as deep as somebody made them.
    private mutating func addDirectory(_ path: String, as name: String) {
        var waiting = [(path: path, name: name)]
        while let directory = waiting.popLast() {
            do throws(Errno) {
                for entry in try entries(of: directory.path) {
                    guard let text = String(validating: entry.name, as: UTF8.self) else {
                        let shown = String(decoding: entry.name, as: UTF8.self)
                        problems.append("\(directory.path)/\(shown): its name is not UTF-8")
                        continue
                    }
                    let slash = directory.path.hasSuffix("/") ? "" : "/"
                    let path = directory.path + slash + text
                    let name = directory.name + "/" + text
                    switch entry.kind {
                    case .directory: waiting.append((path, name))
                    case .regular:
                        do throws(Errno) {
                            addFile(path, as: name, try status(of: path))
                        } catch {
                            problems.append("\(path): \(error)")
                        }
                    case nil, .symbolicLink, .socket, .other:
                        notes.append("\(path): left out; it is neither file nor directory")
                    }
                }
            } catch {
                problems.append("\(directory.path): \(error)")
            }
        }
    }

    private func entries(of path: String) throws(Errno) -> [DirectoryEntry] {
        let directory = Descriptor(
            try kernel.open(path, in: nil, .directory, mode: 0), of: kernel)
        var entries: [DirectoryEntry] = []
        while try kernel.readDirectory(directory.number, into: &entries) {}
        for index in entries.indices where entries[index].kind == nil {
            let bytes = entries[index].name
            guard let name = String(validating: bytes, as: UTF8.self) else { continue }
            entries[index].kind = try? kernel.status(of: name, in: directory.number).kind
        }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// Of what a path leads to, links followed.
    private func status(of path: String) throws(Errno) -> FileStatus {
        let file = Descriptor(try kernel.open(path, in: nil, .nonBlocking, mode: 0), of: kernel)
        return try kernel.status(file.number)
    }

    /// Whether something of this name is on this machine, be it readable or not.
    private func isHere(_ path: String) -> Bool {
        do throws(Errno) {
            _ = try status(of: path)
            return true
        } catch {
            return error != .notFound
        }
    }

    /// The last component; nil for a path that ends in none that is a name.
    static func baseName(of path: String) -> String? {
        guard let last = path.split(separator: "/").last, last != ".", last != ".." else {
            return nil
        }
        return String(last)
    }
}
