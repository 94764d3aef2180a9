/// The commands that a server answers, by name.
struct Registry {
    private var entries: [String: any Entry] = [:]

    mutating func register(_ responder: some Responder) {
        let entry = TypedEntry(responder)
        entries[entry.name] = entry
    }

    func entry(for command: String) -> (any Entry)? { entries[command] }
}

/// A responder with its command's type put away.
protocol Entry {
    var errors: Set<String> { get }
    /// Reads the arguments, opens their streams and has the responder answer.
    func respond(to call: Call, _ request: Request) throws(Violation)
}

private struct TypedEntry<R: Responder>: Entry {
    private let responder: R

    init(_ responder: R) { self.responder = responder }

    var name: String { R.Called.name }
    var errors: Set<String> { R.Called.errors }

    func respond(to call: Call, _ request: Request) throws(Violation) {
        var streams: [StreamID] = []
        let command: R.Called
        do throws(ArgumentError) {
            command = try call.box.decode(R.Called.self, streams: &streams)
        } catch {
            // A declared error, so that one bad argument does not cost the other streams of
            // the connection; without the declaration it is UNKNOWN, as in stock AMP.
            return request.fail("BAD_ARGUMENT", error.description)
        }
        guard try request.connection.open(streams) else {
            return request.fail("LIMIT", "more streams than this server allows at once")
        }
        responder.respond(to: command, request)
    }
}

extension Call {
    /// The name as Python's `repr(bytes)` has it, which Twisted puts into `UNHANDLED`.
    var pythonName: String {
        let bytes = box["_command"] ?? []
        let quote: UInt8 =
            bytes.contains(0x27) && !bytes.contains(0x22) ? 0x22 : 0x27
        var text = "b" + String(UnicodeScalar(quote))
        for byte in bytes {
            switch byte {
            case 0x09: text += "\\t"
            case 0x0A: text += "\\n"
            case 0x0D: text += "\\r"
            case 0x5C: text += "\\\\"
            case quote: text += "\\" + String(UnicodeScalar(quote))
            case 0x20..<0x7F: text += String(UnicodeScalar(byte))
            default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + String(UnicodeScalar(quote))
    }
}
