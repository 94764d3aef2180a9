import AMPClient
import ArgumentParser

/// On a command line, an argument is the parser's, not AMP's.
typealias Argument = ArgumentParser.Argument

/// `amp`: files to and from an ampd, from the command line.
struct Amp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amp",
        abstract: "Stores files in an ampd, and fetches them.",
        discussion: """
            The server is --server, else the environment's AMP_SERVER, else 127.0.0.1:2673.

            Exit status: 0 done, 1 failed, 2 the command line was wrong, 3 some of several \
            failed.
            """,
        version: version,
        subcommands: [
            PutCommand.self, GetCommand.self, ListCommand.self, StatCommand.self,
            RemoveCommand.self, PingCommand.self, StatusCommand.self,
        ])

    @OptionGroup var server: ServerOptions

    /// The same as ampd's: the two are released together.
    static let version = "0.1.0"
}

/// How the program ends.
enum ExitStatus: Int32, Error {
    case done = 0
    case failed = 1
    case usage = 2
    case someFailed = 3
}

enum Program {
    static func run() async -> Never {
        CurrentProcess.prepare()
        let status = await runCommand()
        Output.flush()
        CurrentProcess.exit(status.rawValue)
    }

    private static func runCommand() async -> ExitStatus {
        do {
            var command = try Amp.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return .done
        } catch let status as ExitStatus {
            return status
        } catch  where isAboutArguments(error) {
            let isAnswer = Amp.exitCode(for: error) == .success  // --help, --version
            Output.write(Amp.fullMessage(for: error), to: isAnswer ? .output : .errors)
            return isAnswer ? .done : .usage
        } catch {
            Output.fail(Failure.words(for: error))
            return .failed
        }
    }

    /// Whether the parser has thrown it: its errors have no type in common but exit codes.
    private static func isAboutArguments(_ error: any Error) -> Bool {
        let code = Amp.exitCode(for: error)
        return code == .success || code == .validationFailure
    }
}
