import AMPClient
import ArgumentParser

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Fetches files; done when they are verified.",
        discussion: """
            A file goes to its base name in the current directory, or where -o says. Until it is \
            whole and verified it is NAME.part; an interrupted get goes on with that when the \
            same command is run again.
            """)

    @OptionGroup var server: ServerOptions
    @OptionGroup var transfer: TransferOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The file to write, a directory (for several files always), or - for standard output.",
            valueName: "path"))
    var output: String?

    @Argument(help: "Names on the server.")
    var names: [String]

    func validate() throws {
        if output == "-", names.count > 1 {
            throw ValidationError("-o -: only one file fits on standard output")
        }
        if output == "-", transfer.json {
            throw ValidationError("--json and -o - both want standard output")
        }
    }

    func run() async throws {
        let store = try server.store()
        let (names, output) = (names, output)
        let kernel = store.loop.kernel
        if output == "-", let name = names.first {
            let writer = DescriptorWriter(1, kernel: kernel)
            return try await run(
                store,
                [
                    Transfer(label: name) { try await store.get(name, to: writer, progress: $0) }
                ])
        }
        let paths = try await store.loop.blocking {
            try Self.paths(for: names, output, kernel)
        }
        let transfers = zip(names, paths).map { (name, path) in
            Transfer(label: name) { try await store.get(name, into: path, progress: $0) }
        }
        try await run(store, transfers)
    }

    private func run(_ store: StoreClient, _ transfers: [Transfer]) async throws {
        try await Transfers(store: store, options: transfer, total: nil).run(transfers)
    }

    /// Where each goes: chosen by whoever typed the command, never by the server.
    private static func paths(
        for names: [String], _ output: String?, _ kernel: any Kernel
    ) throws -> [String] {
        let isDirectory = output.map { $0.hasSuffix("/") || self.isDirectory($0, kernel) } ?? false
        if let output, !isDirectory {
            if names.count == 1 { return [output] }
            throw ValidationError("-o \(output): for several files it has to be a directory")
        }
        let folder = output.map { $0.hasSuffix("/") ? $0 : $0 + "/" } ?? ""
        var paths: [String] = []
        for name in names {
            guard let base = UploadPlan.baseName(of: name) else {
                throw ValidationError("\(name): say with -o where it is to go")
            }
            guard !paths.contains(folder + base) else {
                throw ValidationError("two of the files would become \(folder + base)")
            }
            paths.append(folder + base)
        }
        return paths
    }

    private static func isDirectory(_ path: String, _ kernel: any Kernel) -> Bool {
        do throws(Errno) {
            let folder = try kernel.open(path, in: nil, .directory, mode: 0)
            _ = Descriptor(folder, of: kernel)
            return true
        } catch {
            return false
        }
    }
}
