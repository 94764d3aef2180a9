import AMPClient
import Foundation
import Testing

@Suite("The program amp")
struct ProgramTests {
    private let workspace: Workspace
    private let daemon: RunningDaemon
    private let amp: AmpProgram

    init() throws {
        workspace = try Workspace()
        daemon = try RunningDaemon(in: workspace)
        amp = AmpProgram(server: daemon.endpoint, workspace: workspace)
    }

    @Test("A file goes under its base name, or where one says")
    func names() async throws {
        _ = try workspace.write([1], to: "here/a")
        _ = try workspace.write([2], to: "b")
        #expect(try await amp("put", "here/a").status == 0)
        #expect(try await amp("put", "b", "other").status == 0)
        #expect(try await amp("put", "here/a", "b", "dir/").status == 0)
        #expect(try await amp("put", "b", "--as", "as/c").status == 0)
        let listed = try await amp("ls", "-r").output.split(separator: "\n").sorted()
        #expect(listed == ["a", "as/", "as/c", "dir/", "dir/a", "dir/b", "other"])
    }

    @Test("A directory goes with all that is in it, links left out")
    func directories() async throws {
        _ = try workspace.write([1], to: "tree/a")
        _ = try workspace.write([2], to: "tree/sub/b")
        try FileManager.default.createSymbolicLink(
            atPath: workspace.file("tree/link"), withDestinationPath: "/etc/passwd")
        let run = try await amp("put", "tree", "in/")
        #expect(run.status == 0)
        #expect(run.errors.contains("tree/link: left out"))
        let listed = try await amp("ls", "-r", "in/").output.split(separator: "\n").sorted()
        #expect(listed == ["in/tree/", "in/tree/a", "in/tree/sub/", "in/tree/sub/b"])
    }

    @Test("Standard input and output, and nothing else in them")
    func pipes() async throws {
        let text = String(repeating: "line\n", count: 100_000)
        let put = try await amp("put", "-", "text", input: Array(text.utf8))
        #expect(put.status == 0)
        #expect(put.output.isEmpty && put.errors.isEmpty, "no progress where no terminal is")
        let get = try await amp("get", "text", "-o", "-")
        #expect(get.output == text)
        #expect(get.errors.isEmpty)
    }

    @Test("Exit statuses: done, failed, usage, some failed")
    func statuses() async throws {
        _ = try workspace.write([1], to: "a")
        #expect(try await amp("put", "a").status == 0)
        #expect(try await amp("get", "none").status == 1)
        #expect(try await amp("get", "none", "nor-this").status == 1)
        #expect(try await amp("frobnicate").status == 2)
        #expect(try await amp("put", "-").status == 2)
        #expect(try await amp("ping", "--server", "host:99999").status == 2)
        #expect(try await amp("stat", "a", "none").status == 3)
        #expect(try await amp("--help").status == 0)

        let some = try await amp("put", "a", "missing", "dir/")
        #expect(some.status == 3)
        #expect(some.errors == "amp: missing: no such file or directory\n")
        #expect(try await amp("stat", "dir/a").status == 0)

        let exists = try await amp("put", "--if-absent", "a")
        #expect(exists.status == 1)
        #expect(exists.errors.contains("EXISTS"))
    }

    @Test("A server that is not there is one error that says what to do")
    func noServer() async throws {
        _ = try workspace.write([1], to: "a")
        daemon.kill()
        let run = try await amp("put", "a", "a", "a", "dir/")
        #expect(run.status == 1)
        #expect(
            run.errors == "amp: cannot connect to \(daemon.endpoint): connection refused; "
                + "is ampd running? (systemctl start ampd, or --server)\n")
    }

    @Test("Ping and transfers tell numbers to programs")
    func numbers() async throws {
        _ = try workspace.write(testBytes(100_000), to: "a")
        let ping = try await amp("ping", "--count", "20", "--interval", "0", "--json")
        let pinged = try object(ping.output)
        #expect(pinged["pings"] as? Int == 20)
        let put = try object(try await amp("put", "--json", "--latency", "a").output)
        #expect(put["files"] as? Int == 1)
        #expect(put["bytes"] as? Int == 100_000)
        #expect(put["idle-pings"] as? Int == 200)
        #expect(put["beside-p99-ms"] != nil)
        let status = try object(try await amp("status", "--json").output)
        #expect(status["connections"] as? Int == 1)
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(
            JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("Both programs have one version")
    func version() async throws {
        let ampd = Process()
        ampd.executableURL = URL(fileURLWithPath: Programs.folder + "/ampd")
        ampd.arguments = ["--version"]
        let output = Pipe()
        ampd.standardOutput = output
        try ampd.run()
        ampd.waitUntilExit()
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        #expect(text == "ampd " + (try await amp("--version").output))
    }
}
