import AMPClient
import ArgumentParser

struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Stores files; done when they are durable on the server.",
        usage: "amp put [options] FILE... [REMOTE]",
        discussion: """
            Each file is stored under its base name. A last argument that ends in / is the \
            directory on the server to put them into. Of two arguments, the second is the name \
            on the server, unless a file here bears it: then both are put (--as says otherwise).

            A directory is put with everything in it, under its own name; symbolic links, \
            devices and empty directories are left out. A FILE of - is standard input, and \
            needs a name.

            An interrupted put of 8 MiB or more goes on where it was when the same command is \
            run again; what it needs for that is kept in \
            ${XDG_STATE_HOME:-~/.local/state}/amp.
            """)

    @OptionGroup var server: ServerOptions
    @OptionGroup var transfer: TransferOptions

    @Option(name: .customLong("as"), help: ArgumentHelp("The name on the server, for one FILE."))
    var name: String?

    @Flag(help: "Store nothing under a name that exists already.")
    var ifAbsent = false

    @Argument(help: ArgumentHelp("Files, directories or -, and where to.", valueName: "file"))
    var files: [String]

    func validate() throws {
        if name != nil, files.count != 1 { throw ValidationError("--as takes exactly one FILE") }
        if name == nil, files == ["-"] {
            throw ValidationError("standard input needs a name: amp put - NAME")
        }
    }

    func run() async throws {
        let store = try server.store()
        let kernel = store.loop.kernel
        let (files, name) = (files, name)
        let plan = try await store.loop.blocking(on: .scans) {
            UploadPlan(files, as: name, kernel: kernel)
        }
        for problem in plan.problems { Output.fail(problem) }
        for note in plan.notes { Output.note(note) }
        if plan.uploads.isEmpty {
            throw plan.problems.isEmpty ? ExitStatus.done : .failed
        }
        let options = await putOptions(store)
        let transfers = plan.uploads.map { upload in
            Transfer(label: upload.label) { progress in
                try await Self.put(upload, store, options, progress)
            }
        }
        try await Transfers(store: store, options: transfer, total: plan.size)
            .run(transfers, failedBefore: plan.problems.count)
    }

    private static func put(
        _ upload: UploadPlan.Upload, _ store: StoreClient, _ options: PutOptions,
        _ progress: TransferProgress
    ) async throws {
        switch upload.origin {
        case .standardInput:
            let reader = PipeReader(0, kernel: store.loop.kernel)
            try await store.put(pipe: reader, as: upload.name, options: options, progress: progress)
        case .file(let path):
            try await store.put(file: path, as: upload.name, options: options, progress: progress)
        }
    }

    private func putOptions(_ store: StoreClient) async -> PutOptions {
        var options = PutOptions()
        options.ifAbsent = ifAbsent
        guard let path = StateFolder.uploads else { return options }
        let kernel = store.loop.kernel
        do {
            options.journal = try await store.loop.blocking {
                try UploadJournal(in: path, kernel: kernel)
            }
        } catch {
            Output.note("\(path): \(error); an interrupted put will begin anew")
        }
        return options
    }
}

/// Where the program keeps what it needs from one run to the next (XDG Base Directory).
enum StateFolder {
    /// nil if there is no home.
    static var uploads: String? {
        if let state = CurrentProcess.environment("XDG_STATE_HOME"), state.hasPrefix("/") {
            return state + "/amp/uploads"
        }
        guard let home = CurrentProcess.environment("HOME"), home.hasPrefix("/") else { return nil }
        return home + "/.local/state/amp/uploads"
    }
}
