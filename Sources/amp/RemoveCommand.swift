import AMPClient
import ArgumentParser

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Removes files and empty directories.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "Names on the server.")
    var names: [String]

    func run() async throws {
        let store = try server.store()
        try await NamedCalls(names).run(on: store) { try await store.remove($0) }
    }
}
