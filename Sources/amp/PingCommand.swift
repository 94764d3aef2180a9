import AMPClient
import ArgumentParser

struct PingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping", abstract: "Measures how long a call takes.")

    @OptionGroup var server: ServerOptions

    @Option(name: .shortAndLong, help: "How many calls.")
    var count = 5

    @Option(name: .shortAndLong, help: "Seconds between them; 0 for one right after another.")
    var interval = 1.0

    @Flag(help: "Print p50, p99 and the longest as one JSON object, and nothing else.")
    var json = false

    func validate() throws {
        guard count >= 1 else { throw ValidationError("--count \(count): 1 or more are allowed") }
        guard (0...86_400).contains(interval) else {
            throw ValidationError("--interval \(interval): 0 to 86400 seconds are allowed")
        }
    }

    func run() async throws {
        let store = try server.store()
        let latency = try await measure(store)
        if json {
            var object = JSONObject()
            object.add("server", "\(store.server)")
            latency.add(to: &object)
            Output.line(object.text)
        } else {
            Output.line(latency.text)
        }
    }

    private func measure(_ store: StoreClient) async throws -> Latency {
        let (count, json) = (count, json)
        let pause = UInt64(interval * 1e9)
        // On the loop itself, so that no hop between threads is measured.
        return try await Task(executorPreference: store.loop) {
            let client = try await store.client()
            var latency = Latency()
            for number in 1...count {
                let time = try await Latency.roundTrip(client)
                latency.record(time)
                if !json {
                    let text = Amount.milliseconds(time.nanoseconds)
                    Output.line("answer \(number) from \(store.server) after \(text)")
                    Output.flush()
                }
                if number < count, pause > 0 { try await Task.sleep(nanoseconds: pause) }
            }
            return latency
        }.value
    }
}
