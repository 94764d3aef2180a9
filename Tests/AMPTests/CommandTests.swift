import Testing

@testable import AMP

/// Commands as structs, compared with the calls and answers of a Twisted client and server.
struct CommandTests {
    struct Sum: Command {
        static let name = "Sum"
        var a: Int
        var b: Int
        struct Response: Codable, Sendable { var total: Int }
    }

    struct Divide: Command {
        static let name = "Divide"
        static let errors: Set = ["ZERO_DIVISION"]
        var numerator: Int
        var denominator: Int
    }

    struct Note: Command {
        static let name = "Note"
        static let requiresAnswer = false
        var text: String
        var inReplyTo: [UInt8]?
        enum CodingKeys: String, CodingKey {
            case text
            case inReplyTo = "in-reply-to"
        }
    }

    struct Ping: Command {
        static let name = "Ping"
    }

    struct Twice: Command {
        static let name = "a command, with spaces"
        var when: DateTime
        var really: Bool
    }

    static let commands: [any Command.Type] = [
        Sum.self, Divide.self, Note.self, Ping.self, Twice.self,
    ]

    @Test(
        "Calls of a Twisted client are read, and written again with the same arguments",
        arguments: Vectors.load("calls", kind: "call"))
    func calls(vector: Vector) throws {
        let wire = try #require(vector.wire).bytes
        let box = try #require(try Box.parse(wire))
        let name = box.text(of: "_command")
        let command = try #require(Self.commands.first { $0.name == name })
        #expect(command.requiresAnswer == vector.asks)
        #expect((box["_ask"] != nil) == vector.asks)

        func again<C: Command>(_: C.Type) throws -> Box {
            try Box(arguments: try box.decode(C.self))
        }
        #expect(try again(command).asPairs == vector.pairs?.asPairs)
    }

    @Test("A Twisted server's sums come as numbers")
    func answers() throws {
        var sums = 0
        for vector in Vectors.load("replies", kind: "exchange") {
            guard let request = vector.request.flatMap({ try? Box.parse($0.bytes) }),
                request.text(of: "_command") == Sum.name, let pairs = vector.pairs,
                let wire = vector.wire, let answer = try Box.parse(wire.bytes)
            else { continue }
            let call = try request.decode(Sum.self)
            #expect(try answer.decode(Sum.Response.self).total == call.a + call.b)
            var expected = pairs.asPairs
            expected[Array("_answer".utf8)] = vector.ask?.bytes
            #expect(answer.asPairs == expected)
            sums += 1
        }
        #expect(sums >= 4)
    }

    @Test("An absent or wrong argument is an error that names the key")
    func errors() throws {
        var box = Box()
        try box.append("a", "1".utf8)
        #expect(throws: ArgumentError("b", "is missing")) { try box.decode(Sum.self) }
        try box.append("b", "1.0".utf8)
        let error = #expect(throws: ArgumentError.self) { try box.decode(Sum.self) }
        #expect(error?.key == "b")
        try box.append("b", "2".utf8)
        #expect(try box.decode(Sum.self).b == 2)
    }
}
