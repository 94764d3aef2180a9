import AMPClient
import ArgumentParser

/// What several transfers have in common.
struct TransferOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "How many files travel at once, on one connection.")
    var jobs = 16

    @Flag(
        help: """
            Measure Ping on the same connection: 200 times while it is idle, then every 5 ms \
            beside the transfers; print both at the end.
            """)
    var latency = false

    @Flag(help: "Print the result as one JSON object on standard output.")
    var json = false

    @Flag(name: .shortAndLong, help: "No progress, even on a terminal.")
    var quiet = false

    func validate() throws {
        guard (1...1_000).contains(jobs) else {
            throw ValidationError("--jobs \(jobs): 1 to 1000 are allowed")
        }
    }
}

/// One file on its way.
struct Transfer: Sendable {
    /// What people call it.
    let label: String
    let progress = TransferProgress()
    let run: @Sendable (TransferProgress) async throws -> Void
}

/// Runs transfers, some at once; one that fails stops no other.
struct Transfers {
    let store: StoreClient
    let options: TransferOptions
    /// Bytes of all together, if known beforehand.
    let total: UInt64?

    /// - Parameter failed: how many had failed before they could begin.
    /// - Throws: an ``ExitStatus`` unless all succeeded; each failure has been told.
    func run(_ transfers: [Transfer], failedBefore failed: Int = 0) async throws {
        // The first connection is made alone: if the server is not there, one error says so.
        let probe = LatencyProbe(store)
        if options.latency { try await probe.begin() } else { _ = try await store.client() }

        let clock = store.loop.kernel
        let began = clock.now()
        let failures = await runWithDisplay(transfers)
        let time = clock.now() - began
        if options.latency { await probe.end() }

        let bytes = transfers.reduce(UInt64(0)) { $0 + $1.progress.bytes }
        let moved = transfers.reduce(UInt64(0)) { $0 + $1.progress.moved }
        let done = transfers.count - failures
        await report(
            done: done, failed: failures + failed, bytes, moved: moved, time, probe)
        guard failures + failed > 0 else { return }
        throw done == 0 ? ExitStatus.failed : .someFailed
    }

    private func runWithDisplay(_ transfers: [Transfer]) async -> Int {
        let isTerminal = Terminal.isTerminal(Output.Channel.errors.rawValue)
        guard isTerminal, !options.quiet else { return await runAll(transfers, nil) }
        let display = ProgressDisplay(
            of: transfers.count, total: total, clock: store.loop.kernel)
        Output.display.withLock { $0 = display }
        let drawing = Task { await display.run() }
        let failures = await runAll(transfers, display)
        Output.display.withLock { $0 = nil }
        display.finish()
        await drawing.value
        return failures
    }

    private func runAll(_ transfers: [Transfer], _ display: ProgressDisplay?) async -> Int {
        await withTaskGroup(of: Bool.self) { group in
            var failures = 0
            for (number, transfer) in transfers.enumerated() {
                if number >= options.jobs, await group.next() == false { failures += 1 }
                group.addTask { await Self.run(transfer, number, display) }
            }
            for await succeeded in group where !succeeded { failures += 1 }
            return failures
        }
    }

    private static func run(
        _ transfer: Transfer, _ number: Int, _ display: ProgressDisplay?
    ) async -> Bool {
        display?.begin(number, transfer.label, transfer.progress)
        defer { display?.end(number) }
        do {
            try await transfer.run(transfer.progress)
            return true
        } catch {
            Output.fail(transfer.label, error)
            return false
        }
    }

    private func report(
        done: Int, failed: Int, _ bytes: UInt64, moved: UInt64, _ time: Interval,
        _ probe: LatencyProbe
    ) async {
        let (idle, beside) = (await probe.idle, await probe.beside)
        if options.json {
            var object = JSONObject()
            object.add("files", UInt64(done))
            object.add("failed", UInt64(failed))
            object.add("bytes", bytes)
            object.add("seconds", time.seconds)
            if options.latency {
                idle.add(to: &object, prefix: "idle-")
                beside.add(to: &object, prefix: "beside-")
            }
            return Output.line(object.text)
        }
        if options.latency {
            Output.note("Ping while idle: \(idle.text)")
            Output.note("Ping beside the transfers: \(beside.text)")
        }
        guard Terminal.isTerminal(Output.Channel.errors.rawValue), !options.quiet else { return }
        let rate = Amount.rate(Double(moved) / max(time.seconds, 1e-9))
        let files = done == 1 ? "1 file" : "\(done) files"
        let size = Amount.bytes(bytes)
        let resumed = moved < bytes ? " (\(Amount.bytes(bytes - moved)) of it earlier)" : ""
        Output.note("\(files), \(size)\(resumed) in \(Amount.fixed(time.seconds, 1)) s, \(rate)")
    }
}
