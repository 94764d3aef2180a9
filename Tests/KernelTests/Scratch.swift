import Foundation
import LinuxKernel

/// A kernel and a directory of its own, both gone with it.
final class Scratch {
    let kernel = LinuxKernel()
    let path: String
    let directory: Descriptor

    init() throws {
        path = NSTemporaryDirectory() + "/kernel-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        directory = Descriptor(
            try kernel.open(path, in: nil, .directory, mode: 0), of: kernel)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String = "file", _ contents: String = "") throws -> Descriptor {
        let file = Descriptor(
            try kernel.open(
                name, in: directory.number, [.readWrite, .create], mode: 0o600),
            of: kernel)
        if !contents.isEmpty { try write(contents, to: file.number) }
        return file
    }

    @discardableResult
    func write(_ text: String, to file: Int32, at offset: Int64 = 0) throws -> Int {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBytes { bytes in
            var vector = IOVector(base: bytes.baseAddress, count: bytes.count)
            return try withUnsafePointer(to: &vector) { pointer in
                try kernel.write(
                    file, UnsafeBufferPointer(start: pointer, count: 1), at: offset)
            }
        }
    }

    func read(_ file: Int32, at offset: Int64 = 0) throws -> String {
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = try bytes.withUnsafeMutableBytes { bytes in
            try kernel.read(file, into: bytes, at: offset)
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// A loopback socket that listens, and where.
    func listener() throws -> Listening {
        let anyPort = SocketAddress.v4([127, 0, 0, 1], port: 0)
        let socket = Descriptor(try kernel.socket(for: anyPort), of: kernel)
        try kernel.bind(socket.number, to: anyPort)
        try kernel.listen(socket.number, backlog: 8)
        let address = try kernel.localAddress(socket.number)
        return Listening(socket: socket, address: address)
    }

    /// Two ends of a loopback connection.
    func connection() throws -> Pair {
        let listener = try listener()
        let client = try connect(to: listener.address)
        try wait(for: listener.socket.number, .readable)
        let (server, _) = try kernel.accept(listener.socket.number)
        try wait(for: client.number, .writable)
        return Pair(client: client, server: Descriptor(server, of: kernel))
    }

    func connect(to address: SocketAddress) throws -> Descriptor {
        Descriptor(try kernel.dial(address), of: kernel)
    }

    @discardableResult
    func send(_ text: String, to socket: Int32) throws -> Int {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBytes { bytes in
            var vector = IOVector(base: bytes.baseAddress, count: bytes.count)
            return try withUnsafePointer(to: &vector) { pointer in
                try kernel.send(
                    socket, UnsafeBufferPointer(start: pointer, count: 1), more: false)
            }
        }
    }

    func receive(_ socket: Int32) throws -> String {
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = try bytes.withUnsafeMutableBytes { bytes in
            try kernel.receive(socket, into: bytes)
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// What the descriptor is ready for; waits for one of `interest`, at most ten seconds.
    @discardableResult
    func wait(for descriptor: Int32, _ interest: Readiness) throws -> Readiness {
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        try kernel.epollAdd(
            epoll.number, descriptor, interest, Token(slot: 0, generation: 0))
        return try events(of: epoll.number, within: .seconds(10)).first?.readiness ?? []
    }

    func events(of epoll: Int32, within interval: Interval) throws -> [Event] {
        let none = Event(readiness: [], token: Token(slot: 0, generation: 0))
        var events = [Event](repeating: none, count: 16)
        let count = try events.withUnsafeMutableBufferPointer { events in
            let deadline = interval == .zero ? .start : kernel.now() + interval
            return try kernel.epollWait(epoll, into: events, until: deadline)
        }
        return Array(events[..<count])
    }
}

struct Listening: ~Copyable {
    let socket: Descriptor
    let address: SocketAddress
}

struct Pair: ~Copyable {
    let client: Descriptor
    let server: Descriptor
}

extension LinuxKernel {
    /// A socket that connects to `address`, or has.
    func dial(_ address: SocketAddress) throws(Errno) -> Int32 {
        let socket = try socket(for: address)
        do throws(Errno) {
            try connect(socket, to: address)
        } catch {
            guard error == .inProgress else {
                close(socket)
                throw error
            }
        }
        return socket
    }
}
