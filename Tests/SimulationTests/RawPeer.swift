import Kernel
import Runtime
import Simulation

/// Boxes made and read by hand, apart from the code under test.
enum RawBoxes {
    static func box(_ pairs: [(String, String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (key, value) in pairs {
            for part in [key, value] {
                bytes += [UInt8(part.utf8.count >> 8), UInt8(part.utf8.count & 255)] + part.utf8
            }
        }
        return bytes + [0, 0]
    }

    /// The whole boxes at the start of `bytes`.
    static func parse(_ bytes: [UInt8]) -> [[String: String]] {
        var boxes: [[String: String]] = []
        var box: [String: String] = [:]
        var key: String?
        var position = 0
        while position + 2 <= bytes.count {
            let length = Int(bytes[position]) << 8 | Int(bytes[position + 1])
            position += 2
            if key == nil, length == 0 {
                boxes.append(box)
                box = [:]
                continue
            }
            guard position + length <= bytes.count else { break }
            let text = String(decoding: bytes[position..<position + length], as: UTF8.self)
            if let name = key { box[name] = text }
            key = key == nil ? text : nil
            position += length
        }
        return boxes
    }
}

/// A stock peer that pings and calls what nobody knows, and may then send what is no AMP. Each
/// of its asks must be answered exactly once.
final class RawPeer: EventHandler {
    private let reactor: Reactor
    private var socket: Descriptor?
    private let number: Int32
    private var token: Token?
    private var unsent: [UInt8] = []
    private var received: [UInt8] = []
    private let asks: Int
    private let isRude: Bool
    private var isConnected = false
    private(set) var hasEnded = false
    /// What was wrong with the answers.
    private(set) var mistake: String?
    /// A connection that fails owes no answers.
    private(set) var error: Errno?

    init(to address: SocketAddress, on reactor: Reactor, _ chance: inout Chance) throws(Errno) {
        self.reactor = reactor
        asks = chance.number(in: 0...20)
        for ask in 0..<asks {
            let command = chance.oneIn(4) ? "NoSuchCommand" : "Ping"
            unsent += RawBoxes.box([("_ask", "tag \(ask)"), ("_command", command)])
        }
        isRude = chance.oneIn(2)
        if isRude { unsent += Self.rudeness(&chance) }
        let socket = Descriptor(try reactor.kernel.socket(for: address), of: reactor.kernel)
        number = socket.number
        self.socket = consume socket
        do { try reactor.kernel.connect(number, to: address) } catch  where error == .inProgress {
        }
        token = try reactor.add(self, descriptor: number, interest: .writable)
    }

    private static func rudeness(_ chance: inout Chance) -> [UInt8] {
        switch chance.below(5) {
        case 0: Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        case 1: [0, 0]
        case 2: [1, 44] + [UInt8](repeating: 65, count: 300)
        case 3: RawBoxes.box([("_command", "stream-data"), ("id", "x"), ("data", "y")])
        // The beginning of a box, and then silence: it is cut off after a while.
        default: [0, 4] + Array("_ask".utf8) + [0, 9, 1]
        }
    }

    func ready(_ readiness: Readiness) {
        do throws(Errno) {
            if !isConnected {
                if let error = reactor.kernel.socketError(number) { throw error }
                isConnected = true
            }
            let isOpen = try reactor.kernel.receiveMore(number, into: &received)
            let answered = RawBoxes.parse(received).count
            if !isOpen || (!isRude && answered >= asks && unsent.isEmpty) { return end() }
            do throws(Errno) {
                try reactor.kernel.sendMore(number, from: &unsent)
            } catch {
                // The server may have hung up on our rudeness; its answers are still to be read.
                if !isRude { throw error }
                unsent = []
            }
        } catch {
            self.error = error
            return end()
        }
        if let token {
            reactor.modify(token, interest: unsent.isEmpty ? .readable : [.readable, .writable])
        }
    }

    private func end() {
        hasEnded = true
        if let token { reactor.remove(token) }
        token = nil
        socket = nil
        var counts: [String: Int] = [:]
        for box in RawBoxes.parse(received) {
            if let tag = box["_answer"] ?? box["_error"] { counts[tag, default: 0] += 1 }
        }
        for ask in 0..<asks {
            let count = counts["tag \(ask)", default: 0]
            if count > 1 { mistake = "ask \(ask) of \(asks) was answered \(count) times" }
            if count == 0, error == nil { mistake = "ask \(ask) of \(asks) was not answered" }
        }
    }
}
