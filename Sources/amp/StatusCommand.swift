import AMPClient
import ArgumentParser

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Tells what the server is and does.")

    @OptionGroup var server: ServerOptions

    @Flag(help: "Print it as one JSON object.")
    var json = false

    func run() async throws {
        let store = try server.store()
        let status = try await store.status()
        if json { return Output.line(object(store, status).text) }
        let lines: [(String, String)] = [
            ("server", "\(store.server), ampd \(status.version)"),
            ("up", Amount.duration(Double(status.uptime))),
            ("connections", "\(status.connections) open, \(status.accepted) since the start"),
            ("streams", "\(status.streams) open"),
            ("calls", "\(status.calls) answered, \(status.failures) of them with an error"),
            ("received", Amount.bytes(status.bytesIn)),
            ("sent", Amount.bytes(status.bytesOut)),
            ("jobs", "\(status.jobs) waiting or under way"),
            ("longest turn", Amount.milliseconds(status.longestTurn &* 1_000)),
        ]
        for (name, value) in lines {
            Output.line(name + String(repeating: " ", count: 14 - name.count) + value)
        }
    }

    private func object(_ store: StoreClient, _ status: Status.Response) -> JSONObject {
        var object = JSONObject()
        object.add("server", "\(store.server)")
        object.add("version", status.version)
        object.add("uptime", status.uptime)
        object.add("connections", status.connections)
        object.add("accepted", status.accepted)
        object.add("streams", status.streams)
        object.add("calls", status.calls)
        object.add("failures", status.failures)
        object.add("bytes-in", status.bytesIn)
        object.add("bytes-out", status.bytesOut)
        object.add("jobs", status.jobs)
        object.add("longest-turn-us", status.longestTurn)
        return object
    }
}
