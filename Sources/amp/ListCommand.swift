import AMPClient
import ArgumentParser

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists what is stored.",
        discussion: "Names come as the server finds them: pipe through sort for an order.")

    @OptionGroup var server: ServerOptions

    @Flag(name: .short, help: "Sizes in bytes, and times of the last change in UTC.")
    var long = false

    @Flag(name: .short, help: "Go down into directories.")
    var recursive = false

    @Argument(help: "Only names that begin so; films/ for what is in a directory.")
    var prefix = ""

    func run() async throws {
        for try await entry in try server.store().list(prefix: prefix, recursive: recursive) {
            let name = entry.kind == "directory" ? entry.name + "/" : entry.name
            guard long else {
                Output.line(name)
                continue
            }
            let size = entry.kind == "directory" ? "-" : "\(entry.size)"
            let padding = String(repeating: " ", count: max(0, 15 - size.count))
            Output.line("\(padding)\(size)  \(entry.modified.readable)  \(name)")
        }
    }
}

extension DateTime {
    /// To the second, in UTC: `2012-01-24 14:26:56`.
    var readable: String {
        let text = String(decoding: DateTime(microseconds: microseconds).wireBytes, as: UTF8.self)
        return text.prefix(10) + " " + text.dropFirst(11).prefix(8)
    }
}
