import AMPServer
import Foundation
import LinuxKernel
import Testing

@testable import Daemon

@Suite("Configuration")
struct ConfigurationTests {
    private let kernel = LinuxKernel()

    /// Loads `text` from a real file, which is gone afterwards.
    private func load(_ text: String, _ change: (inout Options) -> Void = { _ in }) throws
        -> Configuration
    {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("ampd-\(UUID().uuidString).toml")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var options = Options()
        options.config = file.path
        change(&options)
        do throws(ConfigurationError) {
            return try Configuration.load(options, kernel: kernel)
        } catch {
            // So that what is expected below need not know the file's path.
            throw Complaints(
                lines: error.problems.map {
                    $0.description.replacingOccurrences(of: file.path, with: "FILE")
                })
        }
    }

    private struct Complaints: Error {
        let lines: [String]
    }

    private func complaints(_ text: String, _ change: (inout Options) -> Void = { _ in })
        -> [String]
    {
        #expect(throws: Complaints.self) { try load(text, change) }?.lines ?? []
    }

    @Test("an empty file leaves the defaults")
    func empty() throws {
        let configuration = try load("")
        #expect(configuration == Configuration())
        #expect(configuration.listen == [.host("127.0.0.1", port: 2673)])
        #expect(configuration.limits.chunk == 61_440)
    }

    @Test("every kind of key is read")
    func kinds() throws {
        let configuration = try load(
            """
            listen = ["[::1]:0", "unix:/run/ampd/ampd.sock"]
            root = "/srv/größe"
            file_mode = "0600"
            directory_mode = 0o755
            workers.writes = 8
            [limits]
            drain_timeout = "2 min"
            chunk = 32_768
            """)
        #expect(configuration.listen == [.host("::1", port: 0), .unix("/run/ampd/ampd.sock")])
        #expect(configuration.root == "/srv/größe")
        #expect(configuration.fileMode == 0o600)
        #expect(configuration.directoryMode == 0o755)
        #expect(configuration.workers.writes == 8)
        #expect(configuration.limits.drainTimeout == 120)
        #expect(configuration.limits.chunk == 32_768)
    }

    @Test("all that is wrong is told at once, with line, key and what is allowed")
    func problems() {
        let lines = complaints(
            """
            lisen = ["127.0.0.1:1"]
            root = 5
            file_mode = "0040"
            directory_mode = 750
            listen = [
              "127.0.0.1:1",
              "localhost",
              7,
            ]
            chunk = 1
            [limits]
            chunk = 70000
            outbox = "1 MB "
            box_seconds = 1.5
            max_streams = true
            [limit]
            anything = 1
            [frobnicate]
            """)
        let expected: [String] = [
            "FILE:1: unknown key \"lisen\"; did you mean \"listen\"?",
            "FILE:2: root: 5 cannot be taken; allowed: a path in quotes",
            "FILE:3: file_mode: \"0040\" cannot be taken; allowed: "
                + "octal digits in quotes, \"0600\" to \"0777\", with all bits of 0600",
            "FILE:4: directory_mode: 750 cannot be taken; allowed: "
                + "octal digits in quotes, \"0700\" to \"0777\", with all bits of 0700",
            "FILE:7: listen: \"localhost\": no port; an address is "
                + "HOST:PORT, [V6]:PORT or unix:PATH",
            "FILE:8: listen: 7 cannot be taken; allowed: "
                + "HOST:PORT, [V6]:PORT or unix:PATH, in a list",
            "FILE:10: unknown key \"chunk\"; did you mean \"limits.chunk\"?",
            "FILE:12: limits.chunk: 70000 is out of range; allowed: 1024 to 65534 bytes",
            "FILE:13: limits.outbox: \"1 MB \" cannot be taken; allowed: 131072 bytes to 1 GiB",
            "FILE:14: limits.box_seconds: a float cannot be taken; allowed: 1 to 3600 seconds",
            "FILE:15: limits.max_streams: a boolean cannot be taken; allowed: 1 to 65536 streams",
            "FILE:16: unknown key \"limit\"; see ampd limits",
            "FILE:18: unknown key \"frobnicate\"; see ampd limits",
        ]
        #expect(lines == expected)
    }

    @Test("a table where a value belongs, and a value where a table belongs")
    func shapes() {
        #expect(
            complaints("limits = 5\n[root]\nx = 1") == [
                "FILE:1: unknown key \"limits\"; see ampd limits",
                "FILE:2: root: a table cannot be taken; allowed: a path in quotes",
            ])
    }

    @Test("a syntax error has line and column")
    func syntax() {
        #expect(
            complaints("# ampd\n[limits&]") == [
                "FILE:2: column 8: expected \"]\" to end the table's name, not \"&\""
            ])
    }

    @Test("the bounds of every range hold, and one beyond does not")
    func ranges() throws {
        for setting in Setting.all {
            guard case .number(let path, let range, _) = setting.kind else { continue }
            for (number, isAllowed) in [
                (range.lowerBound, true), (range.upperBound, true),
                (range.lowerBound - 1, false), (range.upperBound + 1, false),
            ] {
                var configuration = Configuration()
                let problems = setting.apply(.integer(number), to: &configuration)
                #expect(problems.isEmpty == isAllowed, "\(setting.key) = \(number)")
                if isAllowed { #expect(configuration[keyPath: path] == number) }
            }
            #expect(range.contains(Configuration()[keyPath: path]), "\(setting.key)'s default")
        }
    }

    @Test("options win over the file, the last --set over those before it")
    func options() throws {
        let text = "root = \"/a\"\nlisten = [\"127.0.0.1:1\"]\nlimits.chunk = 2048"
        let configuration = try load(text) {
            $0.root = "/b"
            $0.listen = ["127.0.0.1:2", "unix:/s"]
            $0.assignments = [
                .init(key: "limits.chunk", value: "3000"),
                .init(key: "limits.chunk", value: "4 KiB"),
            ]
        }
        #expect(configuration.root == "/b")
        #expect(configuration.listen == [.host("127.0.0.1", port: 2), .unix("/s")])
        #expect(configuration.limits.chunk == 4_096)
    }

    @Test("what is wrong with an option is told with the option")
    func optionProblems() {
        let lines = complaints("") {
            $0.listen = ["127.0.0.1:1", "127.0.0.1:70000"]
            $0.assignments = [
                .init(key: "limits.chunk", value: "70000"),
                .init(key: "limts.chunk", value: "2048"),
            ]
        }
        #expect(
            lines == [
                "--set limits.chunk=70000: 70000 is out of range; allowed: 1024 to 65534 bytes",
                "--set limts.chunk=2048: unknown key \"limts.chunk\"; did you mean "
                    + "\"limits.chunk\"?",
                "--listen: \"127.0.0.1:70000\": \"70000\" is no port; 0 to 65535 are allowed",
            ])
    }

    @Test("the defaults are those of a connection")
    func connectionDefaults() {
        let (own, theirs) = (ConnectionLimits(Configuration.Limits()), ConnectionLimits())
        #expect(own.session.settings == theirs.session.settings)
        #expect(own.session.box.pairs == theirs.session.box.pairs)
        #expect(own.session.box.bytes == theirs.session.box.bytes)
        #expect(own.session.sharedWindow == theirs.session.sharedWindow)
        #expect(own.session.outboxBytes == theirs.session.outboxBytes)
        #expect(own.session.unreadBytes == theirs.session.unreadBytes)
        #expect(own.boxTime == theirs.boxTime)
    }

    @Test("no default is below the convention's, on which peers may count before a hello")
    func conventionDefaults() {
        let (own, least) = (ConnectionLimits(Configuration.Limits()).session.settings, Settings())
        #expect(own.chunk >= least.chunk)
        #expect(own.window >= least.window)
        #expect(own.connectionWindow >= least.connectionWindow)
        #expect(own.maxStreams >= least.maxStreams)
        #expect(own.maxAsks >= least.maxAsks)
    }

    @Test("what is set reaches the connections")
    func connectionLimits() {
        var set = Configuration.Limits()
        set.boxPairs = 17
        set.boxBytes = 70_001
        set.boxSeconds = 7
        set.maxAsks = 19
        set.maxStreams = 23
        set.chunk = 2_048
        set.streamWindow = 4_097
        set.sharedWindow = 1_025
        set.outbox = 16 << 20
        let limits = ConnectionLimits(set)
        #expect(limits.session.box.pairs == 17)
        #expect(limits.session.box.bytes == 70_001)
        #expect(limits.boxTime == .seconds(7))
        #expect(limits.session.settings.maxAsks == 19)
        #expect(limits.session.settings.maxStreams == 23)
        #expect(limits.session.settings.chunk == 2_048)
        #expect(limits.session.settings.window == 4_097)
        #expect(limits.session.settings.connectionWindow == 23 * 4_097 + 2 * 1_025)
        #expect(limits.session.sharedWindow == 1_025)
        #expect(limits.session.outboxBytes == 16 << 20)
        #expect(limits.session.unreadBytes > 16 << 20)
    }

    @Test("the largest settings together overflow nothing")
    func largest() {
        var configuration = Configuration()
        for setting in Setting.all {
            guard case .number(let path, let range, _) = setting.kind else { continue }
            configuration[keyPath: path] = range.upperBound
        }
        let limits = configuration.limits
        #expect(limits.connectionWindow == limits.maxStreams << 24 + 2 << 30)
    }

    @Test("a file that is named has to be there, and to be a file")
    func files() throws {
        var options = Options()
        options.config = "/nonexistent/ampd\u{1B}.toml"
        let absent = #expect(throws: ConfigurationError.self) {
            try Configuration.load(options, kernel: kernel)
        }
        #expect(
            absent?.description
                == "ampd: /nonexistent/ampd\\u{1b}.toml: no such file or directory")
        options.config = "/dev/zero"
        let endless = #expect(throws: ConfigurationError.self) {
            try Configuration.load(options, kernel: kernel)
        }
        #expect(endless?.description == "ampd: /dev/zero: not a regular file")
    }

    @Test("text of the file is safe to print")
    func printable() {
        #expect(
            complaints("\"a\\u001B[2J\" = 1") == [
                "FILE:1: unknown key \"a\\u{1b}[2J\"; see ampd limits"
            ])
    }

    @Test("ampd limits prints every number in force")
    func limits() throws {
        let configuration = try load("limits.chunk = 2048")
        let table = LimitsTable(configuration).description
        let lines = table.split(separator: "\n")
        let numbers = Setting.all.filter { if case .number = $0.kind { true } else { false } }
        #expect(lines.count == numbers.count + 1)
        let chunk = try #require(lines.first { $0.hasPrefix("limits.chunk ") })
        #expect(chunk.contains("2048 bytes  "))
        #expect(chunk.contains("  1024 to 65534 bytes  "))
    }
}

@Suite("etc/ampd/ampd.toml")
struct ShippedConfigurationTests {
    private let lines: [String]

    init() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = root.appendingPathComponent("etc/ampd/ampd.toml")
        lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
    }

    /// A key that is commented out: `# key = value`.
    private func assignment(_ line: String) -> String? {
        guard line.hasPrefix("# "), line.contains(" = ") else { return nil }
        let key = line.dropFirst(2).prefix { $0 != " " }
        return key.allSatisfy { $0.isLowercase || $0 == "_" } ? String(line.dropFirst(2)) : nil
    }

    @Test("as shipped and with every key uncommented it says the defaults, each key once")
    func defaults() throws {
        let text = lines.map { assignment($0) ?? $0 }.joined(separator: "\n")
        for text in [lines.joined(separator: "\n"), text] {
            var reader = ConfigurationReader()
            reader.take(Array(text.utf8), from: "ampd.toml")
            #expect(reader.problems.map(\.description) == [])
            #expect(reader.configuration == Configuration())
        }
        let keys = try TOMLDocument(parsing: Array(text.utf8)).entries
            .filter { $0.value != .table }.map { $0.path.joined(separator: ".") }
        #expect(keys == Setting.all.map(\.key))
    }

    @Test("every key has its meaning above it, and what is allowed with its unit")
    func explained() throws {
        for setting in Setting.all {
            let name = setting.key.split(separator: ".").last.map(String.init) ?? ""
            let index = try #require(
                lines.firstIndex { assignment($0)?.hasPrefix("\(name) = ") == true })
            let above = lines[..<index].reversed().prefix { $0.hasPrefix("# ") }.reversed()
            #expect(above.first == "# \(setting.meaning)")
            let allowed = "# Allowed: \(setting.allowed)."
            #expect(above.contains { $0.hasPrefix(allowed) }, "\(setting.key)")
        }
    }
}
