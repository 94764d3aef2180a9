import Testing

@testable import AMP

/// Boxes, compared with what Twisted read and wrote.
struct BoxTests {
    /// A connection's reading side, as far as boxes go.
    struct Reader {
        var parser: BoxParser
        var unread: [UInt8] = []
        var boxes: [Pairs] = []
        var violation: Violation?

        init(limits: BoxParser.Limits = .init()) { parser = BoxParser(limits: limits) }

        mutating func receive(_ bytes: some Collection<UInt8>) {
            let input = unread + bytes
            var rest = input.span
            do throws(Violation) {
                while violation == nil, let length = try parser.next(rest) {
                    boxes.append(Box(parser.pairs, of: rest).asPairs)
                    rest = rest.extracting(length...)
                }
            } catch {
                violation = error
            }
            unread = Array(input.suffix(rest.count))
        }
    }

    static let recorded = Vectors.load("boxes", kind: "parse")

    /// Twisted hands an empty box on and its dispatcher then drops the connection; for us it
    /// ends where it stands. Nothing else differs.
    static func isRefusedByUs(_ vector: Vector) -> Bool {
        vector.outcome == "closed" || vector.boxes?.contains(where: \.isEmpty) == true
    }

    @Test("Twisted's boxes are read the same, however they are split", arguments: recorded)
    func everySplit(vector: Vector) throws {
        let wire = try #require(vector.wire).bytes
        let expected = try #require(vector.boxes).prefix { !$0.isEmpty }.map(\.asPairs)
        // All cuts of what is short; where a value is long, those near the ends and the lengths.
        let cuts = (0...wire.count).filter { $0 < 400 || $0 > wire.count - 400 }
        for cut in cuts {
            var reader = Reader()
            reader.receive(wire[..<cut])
            reader.receive(wire[cut...])
            expect(reader, expected, vector)
        }
        if wire.count < 2_000 {
            var reader = Reader()
            for byte in wire { reader.receive([byte]) }
            expect(reader, expected, vector)
        }
    }

    func expect(_ reader: Reader, _ expected: [Pairs], _ vector: Vector) {
        #expect(reader.boxes == expected)
        if Self.isRefusedByUs(vector) {
            #expect(reader.violation != nil)
        } else {
            #expect(reader.violation == nil)
            #expect(reader.unread.isEmpty == (vector.outcome == "whole"))
        }
    }

    @Test(
        "What we write, in Twisted's order, is what Twisted writes",
        arguments: Vectors.load("boxes", kind: "encode"))
    func encode(vector: Vector) throws {
        let pairs = try #require(vector.pairs).asPairs.sorted {
            $0.key.lexicographicallyPrecedes($1.key)
        }
        // Keys are text in our programs; Twisted's may be any bytes, and are only ever read.
        guard pairs.allSatisfy({ String(validating: $0.key, as: UTF8.self) != nil }) else { return }

        let longest = pairs.map(\.value.count).max() ?? 0
        var box = Box()
        do throws(ArgumentError) {
            for (key, value) in pairs {
                try box.append(String(decoding: key, as: UTF8.self), value)
            }
        } catch {
            // One length more than Twisted refuses: it writes 65,535, which is never sent.
            #expect(vector.outcome == "refused" || longest == 65_535)
            return
        }
        #expect(vector.outcome == "accepted")
        var wire: [UInt8] = []
        box.write(to: &wire)
        #expect(wire == vector.wire?.bytes)
    }

    @Test("A box may be as large as the limits say, and no larger")
    func limits() {
        let limits = BoxParser.Limits(pairs: 3, bytes: 40)
        func read(_ pairs: [(String, Int)]) -> Reader {
            var reader = Reader(limits: limits)
            var box = Box()
            for (key, count) in pairs {
                do { try box.append(key, repeatElement(7, count: count)) } catch {
                    Issue.record(error)
                }
            }
            var wire: [UInt8] = []
            box.write(to: &wire)
            reader.receive(wire)
            return reader
        }
        #expect(read([("a", 0), ("b", 0), ("c", 0)]).boxes.count == 1)
        #expect(read([("a", 0), ("b", 0), ("c", 0), ("d", 0)]).violation?.code == .limit)
        // 2 + 1 + 2 + 33 + 2 = 40
        #expect(read([("a", 33)]).boxes.count == 1)
        #expect(read([("a", 34)]).violation?.code == .limit)
    }

    @Test("A box past the limits is refused before it has all arrived")
    func early() {
        var reader = Reader(limits: .init(pairs: 64, bytes: 1_000))
        reader.receive([0, 1, 0x61, 0xFF, 0xFF])
        #expect(reader.violation?.code == .limit)

        var garbage = Reader()
        garbage.receive(Array("G".utf8))
        #expect(garbage.violation != nil)
    }
}
