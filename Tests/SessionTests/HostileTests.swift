import AMP
import Testing

@testable import AMPSession

/// Whatever a peer sends: events or a violation, the same for every split, and never a trap.
struct HostileTests {
    @Test func anyInputHasAnAnswer() {
        var boxes = 0
        for seed in 0..<2_500 {
            var hostile = HostileInput(seed: UInt64(seed))
            let bytes = hostile.bytes(boxes: 40)
            boxes += 40
            let whole = outcome(of: bytes, splitBy: nil)
            let split = outcome(of: bytes, splitBy: UInt64(seed))
            #expect(whole == split, "seed \(seed)")
            if whole != split { return }
        }
        #expect(boxes == 100_000)
    }

    /// The events, and how it ended.
    private func outcome(of bytes: [UInt8], splitBy seed: UInt64?) -> [String] {
        let peer = Peer {
            $0.settings.window = 400
            $0.settings.connectionWindow = 1_000
            $0.settings.maxStreams = 4
            $0.outboxBytes = 1_500
        }
        _ = try? peer.put(pattern(3_000))
        var generator = SeededGenerator(seed: seed ?? 0)
        var rest = bytes[...]
        do {
            while !rest.isEmpty {
                let most = seed == nil ? rest.count : Int.random(in: 1...60, using: &generator)
                try peer.receive(rest.prefix(most))
                rest = rest.dropFirst(most)
            }
        } catch {
            return peer.events + ["violation \(error)"]
        }
        for call in peer.calls { peer.session.answer(call.id, Box()) }
        return peer.events + peer.sent().map { "\($0.sorted { $0.key < $1.key })" }
    }
}

/// Boxes that are almost right: valid ones with small numbers, some of them with bytes changed.
private struct HostileInput {
    private var generator: SeededGenerator

    private static let commands = [
        "stream-data", "stream-data", "stream-data", "stream-credit", "stream-end",
        "stream-reset", "stream-stop", "stream-ping", "stream-cancel", "stream-goaway",
        "stream-hello", "Put", "Put", "Get",
    ]
    private static let numbers = ["0", "1", "2", "3", "4", "9", "300", "9223372036854775807"]

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func bytes(boxes: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        if Bool.random(using: &generator) { bytes += wire(["_command": "stream-hello"]) }
        for _ in 0..<boxes { bytes += box() }
        // Every other input has a wrong byte somewhere.
        if Bool.random(using: &generator) {
            bytes[Int.random(in: bytes.indices, using: &generator)] = .random(
                in: 0...255, using: &generator)
        }
        return bytes
    }

    private mutating func box() -> [UInt8] {
        let number = pick(Self.numbers)
        switch Int.random(in: 0..<20, using: &generator) {
        case 0: return wire(["_answer": pick(["1", "2", "x"]), "download": number])
        case 1: return wire(["_error": pick(["1", "2", "x"]), "_error_code": "E"])
        case 2: return wire(["_command": "Put", "_ask": number, "upload": pick(Self.numbers)])
        default: break
        }
        let data = String(repeating: "d", count: Int.random(in: 0...120, using: &generator))
        switch pick(Self.commands) {
        case "stream-data": return wire(["_command": "stream-data", "id": number, "data": data])
        case "stream-credit":
            return wire(["_command": "stream-credit", "id": number, "limit": pick(Self.numbers)])
        case "stream-end":
            return wire(["_command": "stream-end", "id": number, "length": pick(Self.numbers)])
        case "stream-ping": return wire(["_command": "stream-ping", "_ask": "p", "nonce": data])
        case "stream-cancel": return wire(["_command": "stream-cancel", "ask": number])
        case "Put": return wire(["_command": "Put", "upload": number])
        case let other:
            return wire(["_command": other, "id": number, "code": data, "_ask": number])
        }
    }

    private mutating func pick(_ words: [String]) -> String {
        words[Int.random(in: words.indices, using: &generator)]
    }
}
