import Kernel
import Runtime
import Simulation

/// A server that sends back what it gets, one buffer a connection, as simple as the reactor allows.
final class EchoServer: ListenerDelegate {
    private let reactor: Reactor
    private(set) var listener: Listener?
    private(set) var shortages = 0
    fileprivate var connections: [ObjectIdentifier: EchoConnection] = [:]

    var isIdle: Bool { connections.isEmpty }

    init(at address: SocketAddress, on reactor: Reactor) throws(Errno) {
        self.reactor = reactor
        listener = try Listener(address, on: reactor, delegate: self)
    }

    func close() {
        listener?.close(removingPath: true)
        listener = nil
    }

    func accepted(_ socket: consuming Descriptor, peer: SocketAddress, on listener: Listener) {
        let connection = EchoConnection(socket, server: self, reactor: reactor)
        connections[ObjectIdentifier(connection)] = connection
        connection.begin()
    }

    func cannotAccept(_ reason: Errno, on listener: Listener) { shortages += 1 }
}

final class EchoConnection: EventHandler {
    private var socket: Descriptor?
    private let number: Int32
    private unowned let server: EchoServer
    private let reactor: Reactor
    private var token: Token?
    private var buffer: [UInt8] = []
    private var hasEnded = false

    init(_ socket: consuming Descriptor, server: EchoServer, reactor: Reactor) {
        number = socket.number
        self.socket = consume socket
        self.server = server
        self.reactor = reactor
    }

    func begin() {
        token = try? reactor.add(self, descriptor: number, interest: .readable)
        if token == nil { end() }
    }

    func ready(_ readiness: Readiness) {
        do throws(Errno) {
            if !hasEnded, buffer.count < 4_096 {
                hasEnded = try !reactor.kernel.receiveMore(number, into: &buffer)
            }
            try reactor.kernel.sendMore(number, from: &buffer)
        } catch {
            return end()
        }
        if hasEnded && buffer.isEmpty { return end() }
        var interest: Readiness = hasEnded || buffer.count >= 4_096 ? [] : .readable
        if !buffer.isEmpty { interest.insert(.writable) }
        if let token { reactor.modify(token, interest: interest) }
    }

    private func end() {
        if let token { reactor.remove(token) }
        token = nil
        socket = nil
        server.connections[ObjectIdentifier(self)] = nil
    }
}

/// A client that sends a message and wants exactly it back.
final class EchoClient: EventHandler {
    enum Outcome: Equatable {
        case echoed
        case ended(Errno?)
        /// At this byte or after it.
        case differs(at: Int)
    }

    private let reactor: Reactor
    private var socket: Descriptor?
    private let number: Int32
    private var token: Token?
    private let message: [UInt8]
    private var unsent: [UInt8]
    private var received: [UInt8] = []
    private var checked = 0
    private var isConnected = false
    private(set) var outcome: Outcome?

    init(to address: SocketAddress, saying message: [UInt8], on reactor: Reactor) throws(Errno) {
        self.reactor = reactor
        self.message = message
        unsent = message
        let socket = Descriptor(try reactor.kernel.socket(for: address), of: reactor.kernel)
        number = socket.number
        self.socket = consume socket
        do { try reactor.kernel.connect(number, to: address) } catch  where error == .inProgress {
        }
        token = try reactor.add(self, descriptor: number, interest: .writable)
    }

    func ready(_ readiness: Readiness) {
        do throws(Errno) {
            if !isConnected {
                if let error = reactor.kernel.socketError(number) { throw error }
                isConnected = true
            }
            let isOpen = try reactor.kernel.receiveMore(number, into: &received)
            guard received.count <= message.count,
                received[checked...] == message[checked..<received.count]
            else { return end(.differs(at: checked)) }
            checked = received.count
            if received.count == message.count { return end(.echoed) }
            if !isOpen { return end(.ended(nil)) }
            try reactor.kernel.sendMore(number, from: &unsent)
        } catch {
            return end(.ended(error))
        }
        if let token {
            reactor.modify(token, interest: unsent.isEmpty ? .readable : [.readable, .writable])
        }
    }

    private func end(_ outcome: Outcome) {
        self.outcome = outcome
        if let token { reactor.remove(token) }
        token = nil
        socket = nil
    }
}

extension Kernel {
    /// Appends what has arrived, if anything; false at the end of the stream.
    func receiveMore(_ socket: Int32, into buffer: inout [UInt8]) throws(Errno) -> Bool {
        var part = [UInt8](repeating: 0, count: 4_096)
        let count: Int
        do {
            count = try part.withUnsafeMutableBytes { try receive(socket, into: $0) }
        } catch {
            guard let error = error as? Errno else { throw .invalid }
            if error == .again { return true }
            throw error
        }
        buffer += part[..<count]
        return count > 0
    }

    /// Sends what there is room for and takes it off the buffer.
    func sendMore(_ socket: Int32, from buffer: inout [UInt8]) throws(Errno) {
        guard !buffer.isEmpty else { return }
        let count: Int
        do {
            count = try buffer.withUnsafeBytes { bytes in
                let vector = IOVector(base: bytes.baseAddress, count: bytes.count)
                return try withUnsafePointer(to: vector) { pointer in
                    let vectors = UnsafeBufferPointer(start: pointer, count: 1)
                    return try send(socket, vectors, more: false)
                }
            }
        } catch {
            guard let error = error as? Errno else { throw .invalid }
            if error == .again { return }
            throw error
        }
        buffer.removeFirst(count)
    }
}
