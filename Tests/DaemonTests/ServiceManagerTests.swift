import Foundation
import Testing

@testable import Daemon

/// The environment is the process's own, so these run one after the other.
@Suite("Service manager", .serialized)
struct ServiceManagerTests {
    @Test("without one, nothing is handed over, nobody watches, and telling is harmless")
    func none() throws {
        for name in ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC"] {
            unsetenv(name)
        }
        let manager = ServiceManager()
        #expect(manager.watchdogInterval == nil)
        #expect(try manager.takeListeners() == [])
        manager.ready("listening")
        manager.keepAlive()
    }

    @Test("its state reaches the manager's socket, one message each")
    func notify() throws {
        let inbox = try NotifySocket()
        setenv("NOTIFY_SOCKET", inbox.path, 1)
        defer { unsetenv("NOTIFY_SOCKET") }
        let manager = ServiceManager()
        manager.ready("listening on 127.0.0.1:2673")
        manager.status("2 streams\nREADY=0")
        manager.keepAlive()
        manager.stopping("waiting for 2 streams")
        #expect(inbox.next() == "READY=1\nSTATUS=listening on 127.0.0.1:2673")
        #expect(inbox.next() == "STATUS=2 streams\\u{a}READY=0")
        #expect(inbox.next() == "WATCHDOG=1")
        #expect(inbox.next() == "STOPPING=1\nSTATUS=waiting for 2 streams")
    }

    @Test("the watchdog's interval, if this process is meant")
    func watchdog() {
        setenv("WATCHDOG_USEC", "30000000", 1)
        setenv("WATCHDOG_PID", "\(getpid())", 1)
        #expect(ServiceManager().watchdogInterval == .seconds(30))
        setenv("WATCHDOG_PID", "1", 1)
        #expect(ServiceManager().watchdogInterval == nil)
        unsetenv("WATCHDOG_USEC")
        unsetenv("WATCHDOG_PID")
    }
}

/// The manager's end of `NOTIFY_SOCKET`: a datagram socket in the file system.
private final class NotifySocket {
    let path = FileManager.default.temporaryDirectory
        .appendingPathComponent("ampd-\(UUID().uuidString).notify").path
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    func next() -> String {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
}
