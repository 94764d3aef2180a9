import Foundation
import LinuxKernel
import Testing

@testable import Runtime

/// Holds on to whom it accepted.
private final class Host: ListenerDelegate {
    var guests: [Guest] = []
    var shortages: [Errno] = []

    /// A class, because arrays take no descriptors.
    final class Guest {
        let socket: Descriptor
        let peer: SocketAddress

        init(_ socket: consuming Descriptor, peer: SocketAddress) {
            self.socket = socket
            self.peer = peer
        }
    }

    func accepted(_ socket: consuming Descriptor, peer: SocketAddress, on: Listener) {
        guests.append(Guest(socket, peer: peer))
    }

    func cannotAccept(_ reason: Errno, on: Listener) { shortages.append(reason) }
}

@Suite("A listener")
struct ListenerTests {
    let loop: Loop
    let scratch: Scratch
    private let host = Host()
    private let anyPort = SocketAddress.v4([127, 0, 0, 1], port: 0)

    init() throws {
        loop = try Loop()
        scratch = try Scratch()
    }

    private func listen(_ address: SocketAddress) throws -> Listener {
        try Listener(address, on: loop.reactor, delegate: host)
    }

    /// Connects `count` times; the sockets stay open until `body` returns.
    private func connected(
        _ count: Int, to address: SocketAddress, _ body: () throws -> Void
    ) throws {
        var guests: [Int32] = []
        defer { for guest in guests { loop.kernel.close(guest) } }
        for _ in 0..<count {
            guests.append(try loop.kernel.dial(address))
        }
        try body()
    }

    @Test("picks a port, says which, and tells who came", arguments: [false, true])
    func picksPort(isV6: Bool) throws {
        let v6 = SocketAddress.v6(
            [UInt8](repeating: 0, count: 15) + [1], port: 0, scope: 0)
        let listener = try listen(isV6 ? v6 : anyPort)
        let guest = try scratch.connect(to: listener.address)
        try loop.run { host.guests.count == 1 }
        #expect(try host.guests[0].peer == loop.kernel.localAddress(guest.number))
        #expect(throws: Errno.addressInUse) { try listen(listener.address) }
        listener.close()
        #expect(throws: Errno.connectionRefused) {
            let late = try scratch.connect(to: listener.address)
            try scratch.wait(for: late.number, .writable)
            if let error = scratch.kernel.socketError(late.number) { throw error }
        }
    }

    @Test("accepts at most 64 in a turn, and the others later") func bounded() throws {
        let listener = try listen(anyPort)
        try connected(200, to: listener.address) {
            var before = 0
            try loop.run {
                #expect(host.guests.count - before <= 64)
                before = host.guests.count
                return host.guests.count == 200
            }
        }
        listener.close()
    }

    @Test("leaves connections in the backlog while it is paused") func pause() throws {
        let listener = try listen(anyPort)
        listener.pause()
        try connected(3, to: listener.address) {
            try loop.turn()
            #expect(host.guests.isEmpty)
            listener.resume()
            try loop.run { host.guests.count == 3 }
        }
        listener.close()
    }

    @Test("stops in the middle of a turn when it is paused or closed by its delegate")
    func closedWhileAccepting() throws {
        final class Bouncer: ListenerDelegate {
            var count = 0
            var react: (Listener) -> Void = { $0.pause() }
            func accepted(
                _ socket: consuming Descriptor, peer: SocketAddress, on listener: Listener
            ) {
                count += 1
                react(listener)
            }
            func cannotAccept(_ reason: Errno, on listener: Listener) {}
        }
        let bouncer = Bouncer()
        let listener = try Listener(anyPort, on: loop.reactor, delegate: bouncer)
        try connected(3, to: listener.address) {
            try loop.run { bouncer.count > 0 }
            try loop.turn()
            #expect(bouncer.count == 1)
            bouncer.react = { $0.close() }
            listener.resume()
            try loop.run { bouncer.count > 1 }
            try loop.turn()
            #expect(bouncer.count == 2)
        }
    }

    @Test("replaces the file of a Unix socket behind which nobody listens") func stale() throws {
        let address = SocketAddress.unix(scratch.path + "/socket")
        let first = try listen(address)
        #expect(first.address == address)
        try connected(1, to: address) { try loop.run { host.guests.count == 1 } }
        #expect(throws: Errno.addressInUse) { try listen(address) }
        try loop.run { host.guests.count == 2 }  // it asked whether somebody listens
        first.close()
        #expect(FileManager.default.fileExists(atPath: scratch.path + "/socket"))
        let second = try listen(address)
        try connected(1, to: address) { try loop.run { host.guests.count == 3 } }
        second.close(removingPath: true)
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/socket"))
    }

    @Test("spares a file that is no socket, and a symbolic link") func noSocket() throws {
        _ = try scratch.file("precious", "text")
        symlink("nowhere", scratch.path + "/link")
        mkfifo(scratch.path + "/fifo", 0o600)
        for name in ["precious", "link", "fifo"] {
            #expect(throws: Errno.addressInUse) {
                try listen(.unix(scratch.path + "/" + name))
            }
        }
        let file = try scratch.file("precious")
        #expect(try scratch.read(file.number) == "text")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).count == 3)
        #expect(throws: Errno.notFound) { try listen(.unix(scratch.path + "/none/socket")) }
    }

    @Test("takes over a socket that listens, blocking or not, and leaves its file alone")
    func adopted() throws {
        let path = scratch.path + "/socket"
        let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try loop.kernel.bind(raw, to: .unix(path))
        try loop.kernel.listen(raw, backlog: 8)
        let listener = try Listener(
            adopting: Descriptor(raw, of: loop.kernel), on: loop.reactor, delegate: host)
        #expect(listener.address == .unix(path))
        // A blocking socket would hold the turn after its last connection.
        try connected(2, to: .unix(path)) { try loop.run { host.guests.count == 2 } }
        listener.close(removingPath: true)
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test("that runs out of descriptors says so once, and accepts when there are some again")
    func shortOfDescriptors() async throws {
        await #expect(processExitsWith: .success) {
            let loop = try Loop()
            let host = Host()
            let listener = try Listener(
                .v4([127, 0, 0, 1], port: 0), on: loop.reactor, delegate: host)
            var guests: [Int32] = []
            for _ in 0..<8 { guests.append(try loop.kernel.dial(listener.address)) }
            // The lowest number that is free becomes the limit: no more can be opened.
            let free = dup(0)
            close(free)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(7), &limit)
            let before = limit.rlim_cur
            limit.rlim_cur = rlim_t(free)
            setrlimit(__rlimit_resource_t(7), &limit)
            let start = loop.kernel.now()
            // Over two tries; the loop sleeps between them instead of spinning.
            while loop.kernel.now() - start < .milliseconds(250) {
                try loop.reactor.turn(waitUntil: start + .milliseconds(250))
            }
            // The test library's threads may close a descriptor meanwhile: then somebody gets in,
            // and the shortage after that is another. The parent sees the status alone.
            if Set(host.shortages) != [.tooManyFiles] { exit(2) }
            if host.shortages.count > 1 + host.guests.count { exit(3) }
            if loop.reactor.measures.turns > 20 { exit(4) }  // the loop spins
            limit.rlim_cur = before
            setrlimit(__rlimit_resource_t(7), &limit)
            let deadline = loop.kernel.now() + .seconds(10)
            while host.guests.count < 8, loop.kernel.now() < deadline {
                try loop.reactor.turn(waitUntil: deadline)
            }
            if host.guests.count != 8 { exit(5) }
            for guest in guests { loop.kernel.close(guest) }
        }
    }
}
