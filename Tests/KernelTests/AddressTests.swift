import Foundation
import LinuxKernel
import Testing

@Suite("An address in text")
struct AddressTests {
    @Test(
        "is read as it is written, and written as it is read",
        arguments: [
            ("localhost:2673", Endpoint.host("localhost", port: 2673)),
            ("127.0.0.1:0", .host("127.0.0.1", port: 0)),
            ("[::1]:65535", .host("::1", port: 65535)),
            ("[fe80::1%eth0]:80", .host("fe80::1%eth0", port: 80)),
            ("bücher.example:1", .host("bücher.example", port: 1)),
            ("unix:/run/ampd.sock", .unix("/run/ampd.sock")),
            ("unix:relative:8", .unix("relative:8")),
        ])
    func wellFormed(text: String, endpoint: Endpoint) throws {
        #expect(try Endpoint(text) == endpoint)
        #expect(endpoint.description == text)
    }

    @Test(
        "that is malformed is refused for what is wrong with it",
        arguments: [
            ("", AddressTextError.missingPort), ("localhost", .missingPort),
            ("localhost:", .missingPort), ("[::1]", .missingPort), ("[::1]2673", .missingPort),
            (":2673", .emptyHost), ("::1:2673", .bareV6), ("[::1:2673", .missingBracket),
            ("unix:", .emptyPath), ("unix:/a\0b", .nulInPath),
            ("unix:" + String(repeating: "p", count: 108), .pathTooLong),
            ("a b:1", .badHost("a b")), ("http://host:80", .bareV6), ("a/b:80", .badHost("a/b")),
            ("a:65536", .badPort("65536")), ("a:-1", .badPort("-1")), ("a:+1", .badPort("+1")),
            ("a:07", .badPort("07")), ("a:1x", .badPort("1x")), ("a:٣", .badPort("٣")),
            ("256.0.0.1:1", .badV4("256.0.0.1")), ("1.2.3:1", .badV4("1.2.3")),
            ("127.0.0.01:1", .badV4("127.0.0.01")), ("[1.2.3.4]:1", .badV6("1.2.3.4")),
            ("[::1::2]:1", .badV6("::1::2")), ("[]:1", .badV6("")),
        ])
    func malformed(text: String, error: AddressTextError) {
        #expect(throws: error) { try Endpoint(text) }
        #expect(!error.description.isEmpty)
    }

    @Test("of the longest path a Unix socket can have is read and bound")
    func longestPath() throws {
        let text = "unix:" + String(repeating: "p", count: AddressTextError.longestPath)
        let address = try #require(try Endpoint(text).address)
        let kernel = LinuxKernel()
        kernel.close(try kernel.socket(for: address))
    }

    /// Against inet_pton(3), which knows RFC 4291 too.
    @Test(
        "of v6 means what the C library says",
        arguments: [
            "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
            "2001:db8::ff00:42:8329", "::ffff:192.0.2.1", "64:ff9b::192.0.2.33", "FE80::A",
            "1:2:3:4:5:6:1.2.3.4", "", ":", ":::", "1", "1:2", "1::2::3", "12345::", "g::",
            "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:",
            "::1.2.3", "::1.2.3.256", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
            "::0001", "::00001", " ::1", "::1 ", "::-1", "::+1", "::１",
        ])
    func v6(text: String) {
        var raw = in6_addr()
        let isValid = inet_pton(AF_INET6, text, &raw) == 1
        let bytes = withUnsafeBytes(of: raw) { Array($0) }
        let expected = isValid ? SocketAddress.v6(bytes, port: 5, scope: 0) : nil
        #expect(SocketAddress(numericHost: text, port: 5) == expected)
    }

    @Test("with a scope keeps its number; a name of one is for the resolver") func scope() {
        let address = SocketAddress(numericHost: "fe80::1%3", port: 1)
        #expect(address?.description == "[fe80::1%3]:1")
        #expect(SocketAddress(numericHost: "fe80::1%lo", port: 1) == nil)
        #expect(SocketAddress(numericHost: "fe80::1%", port: 1) == nil)
        #expect(SocketAddress(numericHost: "localhost", port: 1) == nil)
    }
}

@Suite("The resolver")
struct ResolverTests {
    @Test("asks nobody for numeric addresses and paths") func numeric() throws {
        for text in ["127.0.0.1:5", "[::1]:5", "unix:/run/a"] {
            let addresses = try AddressResolver.addresses(of: Endpoint(text))
            #expect(addresses.map(\.description) == [text])
        }
    }

    @Test("knows localhost, and an interface's name in a scope") func localhost() throws {
        let addresses = try AddressResolver.addresses(of: .host("localhost", port: 80))
        #expect(addresses.contains(.v4([127, 0, 0, 1], port: 80)))
        #expect(Set(addresses).count == addresses.count)
        let scoped = try AddressResolver.addresses(of: .host("fe80::1%lo", port: 80))
        #expect(scoped.map(\.description) == ["[fe80::1%1]:80"])
    }

    @Test("says which host has no address, and why") func unknown() {
        // Too long a label to be asked of any server.
        let host = String(repeating: "x", count: 64)
        let error = #expect(throws: ResolutionError.self) {
            try AddressResolver.addresses(of: .host(host, port: 80))
        }
        #expect(error?.host == host)
        #expect(error?.description.hasPrefix("cannot resolve \(host): ") == true)
    }
}

@Suite("The process")
struct CurrentProcessTests {
    @Test("knows itself and its environment") func itself() {
        #expect(CurrentProcess.identifier == ProcessInfo.processInfo.processIdentifier)
        #expect(CurrentProcess.environment("PATH") == ProcessInfo.processInfo.environment["PATH"])
        #expect(CurrentProcess.environment("NO SUCH VARIABLE") == nil)
    }

    @Test("knows a terminal from a file") func terminal() throws {
        let scratch = try Scratch()
        let file = try scratch.file()
        #expect(!Terminal.isTerminal(file.number))
        #expect(Terminal.width(of: file.number) == nil)
        let (kernel, path) = (scratch.kernel, "/dev/ptmx")
        let terminal = Descriptor(
            try kernel.open(path, in: nil, .readWrite, mode: 0), of: kernel)
        #expect(Terminal.isTerminal(terminal.number))
        #expect(Terminal.width(of: terminal.number) == nil)  // nobody has set it
    }

    @Test("is prepared: more descriptors, and writes to closed pipes are errors")
    func prepared() async {
        await #expect(processExitsWith: .exitCode(7)) {
            var limit = rlimit(rlim_cur: 64, rlim_max: 0)
            var hard = rlimit()
            getrlimit(__rlimit_resource_t(7), &hard)
            limit.rlim_max = hard.rlim_max
            setrlimit(__rlimit_resource_t(7), &limit)
            let raised = try CurrentProcess.raiseDescriptorLimit()
            precondition(raised == Int(hard.rlim_max))
            getrlimit(__rlimit_resource_t(7), &limit)
            precondition(limit.rlim_cur == hard.rlim_max)

            signal(SIGPIPE, SIG_DFL)
            CurrentProcess.prepare()
            let kernel = LinuxKernel()
            var ends: [Int32] = [0, 0]
            precondition(pipe(&ends) == 0)
            kernel.close(ends[0])
            do {
                _ = try [UInt8(0)].withUnsafeBytes { try kernel.write(ends[1], $0) }
            } catch {
                precondition(error as? Errno == .brokenPipe)
                CurrentProcess.exit(7)
            }
        }
    }
}
