import AMPServer
import Daemon
import LinuxKernel
import Store

/// The program around the daemon: what the command line asks for, on a real machine.
struct Program {
    private let kernel = LinuxKernel()

    /// Returns the exit status: 0 done, 1 failed, 2 the command line or the configuration is
    /// wrong. Trying again helps after 1, perhaps, but not after 2: ampd.service relies on it.
    func run(_ arguments: [String]) -> Int32 {
        do throws(UsageError) {
            switch try CommandLine.parse(arguments) {
            case .help: write(CommandLine.help, to: 1)
            case .version: write("ampd \(ampdVersion)\n", to: 1)
            case .check(let options): return check(options)
            case .limits(let options): return limits(options)
            case .serve(let options): return serve(options)
            }
            return 0
        } catch {
            complain("\(error); see ampd --help")
            return 2
        }
    }

    private func check(_ options: Options) -> Int32 {
        guard load(options) != nil else { return 2 }
        let path = options.config ?? Configuration.defaultPath
        let source = isThere(path) ? path : "no \(path): the defaults hold"
        write("the configuration is good (\(source))\n", to: 1)
        return 0
    }

    private func isThere(_ path: String) -> Bool {
        guard let number = try? kernel.open(path, in: nil, .nonBlocking, mode: 0) else {
            return false
        }
        kernel.close(number)
        return true
    }

    private func limits(_ options: Options) -> Int32 {
        guard let configuration = load(options) else { return 2 }
        write(LimitsTable(configuration).description, to: 1)
        return 0
    }

    private func load(_ options: Options) -> Configuration? {
        do throws(ConfigurationError) {
            return try Configuration.load(options, kernel: kernel)
        } catch {
            for problem in error.problems { complain("\(problem)") }
            return nil
        }
    }

    private func serve(_ options: Options) -> Int32 {
        guard let configuration = load(options) else { return 2 }
        let journal = CurrentProcess.environment("JOURNAL_STREAM")
        let log = Log(to: Log.defaultSink(journalStream: journal, kernel: kernel), kernel: kernel)
        do {
            try serve(configuration, log)
            return 0
        } catch {
            log.error(.fault, "\(error)")
            return 1
        }
    }

    private func serve(_ configuration: Configuration, _ log: Log) throws {
        _ = try? CurrentProcess.raiseDescriptorLimit()
        let manager = ServiceManager()
        let workers = try ThreadWorkers(
            kernel: kernel, metadata: configuration.workers.metadata,
            writes: configuration.workers.writes, scans: configuration.workers.scans)
        let reactor = try Reactor(kernel: kernel, workers: workers)
        let driver = try open(configuration)
        let daemon = Daemon(
            configuration, driver: driver, on: reactor, log: log, manager: manager)
        let signals = try Signals([.terminate, .interrupt], on: reactor, delegate: daemon)
        defer { signals.close() }

        try listen(configuration, manager, daemon.server)
        for listener in daemon.server.listeners {
            write("listening on \(listener.address)\n", to: 1)
        }
        daemon.ready()
        try reactor.run()
    }

    private func open(_ configuration: Configuration) throws(RootError) -> DirectoryDriver {
        do throws(StoreError) {
            return try DirectoryDriver(
                root: configuration.root, over: kernel, fileMode: configuration.fileMode,
                directoryMode: configuration.directoryMode)
        } catch {
            throw RootError(root: configuration.root, reason: error.description)
        }
    }

    /// Sockets handed over by the service manager are served instead of the configured
    /// addresses: whoever made them has said where to listen.
    private func listen(
        _ configuration: Configuration, _ manager: ServiceManager, _ server: Server
    ) throws {
        let handedOver = try manager.takeListeners()
        for listener in handedOver {
            _ = try server.adopt(Descriptor(listener.descriptor, of: kernel))
        }
        guard handedOver.isEmpty else { return }
        for endpoint in configuration.listen {
            for address in try AddressResolver.addresses(of: endpoint) {
                try listen(on: address, server)
            }
        }
    }

    private func listen(on address: SocketAddress, _ server: Server) throws {
        do throws(Errno) {
            _ = try server.listen(on: address)
        } catch {
            throw ListenError(address: address, error: error)
        }
    }

    private func complain(_ text: String) { write("ampd: \(text)\n", to: 2) }

    /// Unbuffered, because whoever started the daemon waits for the line that says where it is.
    private func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { try? kernel.write(descriptor, $0) }
            guard let written, written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }
}

struct RootError: Error, CustomStringConvertible {
    let root: String
    let reason: String

    var description: String {
        let what = reason.hasPrefix("\(root): ") ? reason.dropFirst(root.count + 2) : reason[...]
        return "cannot serve \(root): \(what); --root names another directory, which must exist"
    }
}

struct ListenError: Error, CustomStringConvertible {
    let address: SocketAddress
    let error: Errno

    var description: String { "cannot listen on \(address): \(reason)" }

    private var reason: String {
        switch (error, address.isUnix) {
        case (.addressInUse, false): "something else listens there"
        case (.addressInUse, true): "something else listens there, or the file is no socket"
        case (.accessDenied, false): "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE"
        default: error.description
        }
    }
}
