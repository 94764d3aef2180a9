import AMPClient
import ArgumentParser

struct StatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat", abstract: "Tells size, time of the last change and digest of files.")

    @OptionGroup var server: ServerOptions

    @Flag(help: "The digest too (XXH3-128); the server may have to read the file for it.")
    var digest = false

    @Argument(help: "Names on the server.")
    var names: [String]

    func run() async throws {
        let store = try server.store()
        let digest = digest
        try await NamedCalls(names).run(on: store) { name in
            let stat = try await store.stat(name, withDigest: digest)
            Output.line(
                "\(name): \(stat.size) bytes, changed \(stat.modified.readable) UTC"
                    + (stat.digest.map { ", " + $0 } ?? ""))
        }
    }
}

/// The same call for each of some names; one that fails stops no other.
struct NamedCalls {
    private let names: [String]

    init(_ names: [String]) { self.names = names }

    func run(on store: StoreClient, _ call: (String) async throws -> Void) async throws {
        _ = try await store.client()  // a server that is not there is one error, not many
        var failures = 0
        for name in names {
            do {
                try await call(name)
            } catch {
                Output.fail(name, error)
                failures += 1
            }
        }
        guard failures > 0 else { return }
        throw failures == names.count ? ExitStatus.failed : .someFailed
    }
}
