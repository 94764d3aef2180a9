import AMPServer
import LinuxKernel

/// A server on a loop that the test turns, and callers that are raw sockets of the same thread.
final class Bench {
    let kernel = LinuxKernel()
    let workers: any Workers
    let reactor: Reactor
    let server: Server
    let events = Events()
    private let address: SocketAddress

    /// What the server told.
    final class Events: ServerDelegate {
        var closed: [CloseReason] = []
        var order: [String] = []

        func accepted(_ connection: Connection) {}
        func closed(_ connection: Connection, _ reason: CloseReason) { closed.append(reason) }
        func answered(_ request: Request, error: RemoteError?) { order.append(request.command) }
        func ignored(_ call: Call, on connection: Connection) {}
        func cannotAccept(_ reason: Errno, on listener: Listener) {}
        func drained() {}
    }

    init(
        _ change: (inout ConnectionLimits) -> Void = { _ in },
        workers: ((LinuxKernel) throws -> any Workers)? = nil
    ) throws {
        CurrentProcess.prepare()
        var limits = ConnectionLimits()
        change(&limits)
        self.workers = try workers?(kernel) ?? ThreadWorkers(kernel: kernel)
        reactor = try Reactor(kernel: kernel, workers: self.workers)
        server = Server(on: reactor, limits: limits, maxConnections: 100, delegate: events)
        address = try server.listen(on: .v4([127, 0, 0, 1], port: 0)).address
        server.register(EchoResponder())
    }

    deinit {
        server.drain(reason: "the test is over")
        server.closeAll(reason: "the test is over")
    }

    func call() throws -> Caller { try Caller(to: address, kernel) }

    /// Takes turns until `condition` holds, which it is not asked to do for ever.
    func turn(until condition: () throws -> Bool) throws -> Bool {
        let deadline = kernel.now() + .seconds(10)
        while try !condition() {
            guard kernel.now() < deadline else { return false }
            try reactor.turn(waitUntil: kernel.now() + .milliseconds(2))
        }
        return true
    }

    /// Takes turns for a while, for what is not to happen.
    func turn(for interval: Interval) throws {
        let end = kernel.now() + interval
        while kernel.now() < end { try reactor.turn(waitUntil: end) }
    }
}

/// The peer: a socket, and boxes written by hand.
final class Caller {
    private let kernel: LinuxKernel
    private var socket: Descriptor?
    private var output: [UInt8] = []
    private(set) var input: [UInt8] = []
    private(set) var hasEnded = false

    init(to address: SocketAddress, _ kernel: LinuxKernel) throws {
        self.kernel = kernel
        let socket = Descriptor(try kernel.socket(for: address), of: kernel)
        do throws(Errno) {
            try kernel.connect(socket.number, to: address)
        } catch {
            guard error == .inProgress else { throw error }
        }
        self.socket = consume socket
    }

    /// Queues boxes; ``work()`` sends them.
    func say(_ boxes: [(String, String)]...) { for box in boxes { output += wire(box) } }
    func say(bytes: [UInt8]) { output += bytes }

    /// Sends and receives as much as goes; true once all is sent.
    @discardableResult
    func work(receiving: Bool = true) throws -> Bool {
        guard let number = socket?.number else { return true }
        var sent = 0
        // A server that has closed takes no more, which is not what is looked at here.
        while sent < output.count {
            let count = output.withUnsafeBytes {
                try? kernel.send(number, UnsafeRawBufferPointer(rebasing: $0[sent...]), more: false)
            }
            guard let count else { break }
            sent += count
        }
        output.removeFirst(sent)
        if receiving { try receive(number) }
        return output.isEmpty
    }

    private func receive(_ number: Int32) throws {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 1)
        defer { room.deallocate() }
        do throws(Errno) {
            while !hasEnded {
                let count = try kernel.receive(number, into: room)
                hasEnded = count == 0
                input += room[..<count]
            }
        } catch {
            if error != .again { hasEnded = true }
        }
    }

    func halfClose() throws { if let number = socket?.number { try kernel.shutdownWrites(number) } }

    func close() { socket = nil }

    /// The boxes that came.
    var boxes: [[String: [UInt8]]] {
        var (boxes, box): ([[String: [UInt8]]], [String: [UInt8]]) = ([], [:])
        var rest = input[...]
        while let key = rest.takeValue() {
            if key.isEmpty {
                boxes.append(box)
                box = [:]
            } else if let value = rest.takeValue() {
                box[String(decoding: key, as: UTF8.self)] = Array(value)
            }
        }
        return boxes
    }

    func boxes(of command: String) -> [[String: [UInt8]]] {
        boxes.filter { $0["_command"].map { $0.elementsEqual(command.utf8) } ?? false }
    }

    var answers: Int { boxes.count { $0["_answer"] != nil } }
    var errors: [String] {
        boxes.compactMap { $0["_error_code"] }.map { String(decoding: $0, as: UTF8.self) }
    }
}

extension ArraySlice<UInt8> {
    fileprivate mutating func takeValue() -> ArraySlice<UInt8>? {
        guard count >= 2 else { return nil }
        let length = Int(self[startIndex]) << 8 | Int(self[startIndex + 1])
        guard count >= 2 + length else { return nil }
        defer { removeFirst(2 + length) }
        return self[startIndex + 2..<startIndex + 2 + length]
    }
}

func wire(_ pairs: [(String, String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for text in pairs.flatMap({ [$0.0, $0.1] }) {
        bytes += [UInt8(text.utf8.count >> 8), UInt8(text.utf8.count & 255)] + text.utf8
    }
    return bytes + [0, 0]
}

// MARK: Commands

struct Echo: Command {
    static let name = "Echo"
    var text: String
    struct Response: Codable, Sendable { var text: String }
}

final class EchoResponder: Responder {
    func respond(to echo: Echo, _ request: Request) {
        request.answer(Echo.Response(text: echo.text))
    }
}

/// Takes an upload.
struct Store: Command {
    static let name = "Store"
    static let errors: Set<String> = ["FULL", "CANCELLED"]
    var upload: Upload
}

/// Hands uploads to a writer when the test says so.
final class StoreResponder: Responder, WriterSinkDelegate {
    private(set) var sinks: [WriterSink] = []
    private var requests: [StreamID: Request] = [:]
    /// Faults that uploads failed with.
    private(set) var faults: [StreamFault] = []
    var requestCount: Int { requests.count }

    func respond(to store: Store, _ request: Request) {
        let sink = WriterSink(store.upload.id, of: request.connection, lane: .writes)
        sink.delegate = self
        sinks.append(sink)
        requests[sink.stream] = request
        request.connection.receive(store.upload.id, into: sink)
    }

    func written(_ sink: WriterSink, digest: String?) {
        requests.removeValue(forKey: sink.stream)?.answer(NoResponse())
    }

    func aborted(_ sink: WriterSink, _ fault: StreamFault) { failed(sink, fault) }

    func failed(_ sink: WriterSink, _ fault: StreamFault) {
        faults.append(fault)
        requests.removeValue(forKey: sink.stream)?.fail("FULL", fault.reason)
    }
}

/// Sends a download.
struct Fetch: Command {
    static let name = "Fetch"
    var count: UInt64
    struct Response: Codable, Sendable { var download: Download }
}

final class FetchResponder: Responder {
    private let file: () -> any ReadableFile

    init(_ file: @escaping () -> any ReadableFile) { self.file = file }

    func respond(to fetch: Fetch, _ request: Request) {
        guard let stream = try? request.connection.openStream() else { return }
        request.answer(Fetch.Response(download: Download(id: stream)))
        FileSource(file(), 0..<fetch.count, digest: nil, as: stream, on: request.connection)
            .start()
    }
}
