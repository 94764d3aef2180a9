import Testing

@testable import Daemon

@Suite("Command line")
struct CommandLineTests {
    @Test("no arguments: serve with the defaults")
    func none() throws {
        #expect(try CommandLine.parse([]) == .serve(Options()))
    }

    @Test("options take their value from the next argument or after =")
    func options() throws {
        var expected = Options()
        expected.config = "/etc/a=b.toml"
        expected.listen = ["127.0.0.1:0", "unix:/s"]
        expected.root = "/srv"
        expected.assignments = [
            .init(key: "limits.chunk", value: "2048"), .init(key: "root", value: "/a=b"),
        ]
        let arguments = [
            "--config=/etc/a=b.toml", "--listen", "127.0.0.1:0", "--root", "/srv",
            "--set", "limits.chunk=2048", "--listen=unix:/s", "--set=root=/a=b",
        ]
        #expect(try CommandLine.parse(arguments) == .serve(expected))
    }

    @Test("commands and their options, in either order")
    func commands() throws {
        var options = Options()
        options.config = "x"
        #expect(try CommandLine.parse(["check", "--config", "x"]) == .check(options))
        #expect(try CommandLine.parse(["--config", "x", "limits"]) == .limits(options))
        #expect(try CommandLine.parse(["check", "--help", "--nonsense"]) == .help)
        #expect(try CommandLine.parse(["--version"]) == .version)
    }

    @Test(
        "what cannot be understood is named",
        arguments: [
            (["--lisen", "x"], "unknown option \"--lisen\""),
            (["-x"], "unknown option \"-x\""),
            (["--root"], "--root needs a value"),
            (["--root="], "--root needs a value"),
            (["--set", "chunk"], "--set \"chunk\" is not KEY=VALUE"),
            (["--set", "=5"], "--set \"=5\" is not KEY=VALUE"),
            (["chekc"], "unknown command \"chekc\""),
            (["check", "file.toml"], "unexpected \"file.toml\""),
            (["a\u{1B}[2J"], "unknown command \"a\\u{1b}[2J\""),
        ])
    func errors(arguments: [String], message: String) {
        let error = #expect(throws: UsageError.self) { try CommandLine.parse(arguments) }
        #expect(error?.description == message)
    }

    @Test("the help names every option and fits a terminal")
    func help() {
        for option in ["--config", "--listen", "--root", "--set", "--version", "check", "limits"] {
            #expect(CommandLine.help.contains(option))
        }
        #expect(CommandLine.help.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
}
