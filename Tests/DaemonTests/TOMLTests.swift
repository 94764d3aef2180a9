import Testing

@testable import Daemon

@Suite("TOML")
struct TOMLTests {
    private func parse(_ text: String) throws -> TOMLDocument {
        try TOMLDocument(parsing: Array(text.utf8))
    }

    private func value(_ text: String) throws -> TOMLValue {
        try #require(try parse("key = \(text)").entries.first).value
    }

    @Test("every value has its path and its place")
    func places() throws {
        let document = try parse(
            """
            root = "/srv"  # where

              [limits]
            chunk = 1
            deep.er = { "ü ü" = 2, b = 3 }
            """)
        let seen = document.entries.map {
            "\($0.path.joined(separator: "/")) \($0.place.line):\($0.place.column)"
        }
        #expect(
            seen == [
                "root 1:1", "limits 3:4", "limits/chunk 4:1", "limits/deep/er 5:1",
                "limits/deep/er/ü ü 5:13", "limits/deep/er/b 5:24",
            ])
    }

    @Test("unquoted words are booleans, numbers or dates")
    func words() throws {
        #expect(try value("true") == .boolean(true))
        #expect(try value("+1_000") == .integer(1_000))
        #expect(try value("-9223372036854775808") == .integer(.min))
        #expect(try value("0xDEAD_beef") == .integer(0xDEAD_BEEF))
        #expect(try value("0o640") == .integer(0o640))
        #expect(try value("0b101") == .integer(5))
        #expect(try value("6.5e-1") == .float(0.65))
        #expect(try value("-inf") == .float(-.infinity))
        #expect(try value("1979-05-27 07:32:00.5-08:00") == .date)
        #expect(try value("07:32:00") == .date)
    }

    @Test("strings: escapes, several lines, literals")
    func strings() throws {
        #expect(try value(#""a\t\"\\\u00e9\U0001F600""#) == .string("a\t\"\\é😀"))
        #expect(try value(#"'C:\new'"#) == .string(#"C:\new"#))
        #expect(try value("\"\"\"\none\r\ntwo \\\n   \n  three\"\"\"") == .string("one\ntwo three"))
        let three = "\"\"\""
        #expect(try value("\(three)\"\"two\"\"\(three)") == .string("\"\"two\"\""))
        #expect(try value("'''\n'a' \\'''") == .string("'a' \\"))
    }

    @Test("arrays go over lines, and each element has its place")
    func arrays() throws {
        let array = try value("[ # first\n  1,\n  [\"x\", {a.b = [2]}], # last\n]")
        guard case .array(let elements) = array else { return #expect(Bool(false)) }
        #expect(elements.map(\.place) == [.init(line: 2, column: 3), .init(line: 3, column: 3)])
        #expect(elements.first?.value == .integer(1))
    }

    @Test(
        "what is not TOML is told with its line and column",
        arguments: [
            ("a = 1\n[&", 2, 2, "expected a key, not \"&\""),
            ("a = 1\n[table\n", 2, 7, "to end the table's name, not the line's end"),
            ("a = 12 KiB", 1, 8, "expected the line's end, not \"K\""),
            ("a = yes", 1, 5, "\"yes\" is no value; strings need quotes"),
            ("a = 010", 1, 5, "\"010\" is no value"),
            ("a = 1__0", 1, 5, "\"1__0\" is no value"),
            ("a = 9223372036854775808", 1, 5, "is no value"),
            ("a = \"é", 1, 7, "without its closing quote"),
            ("a = '''\n\n", 1, 8, "without its closing quotes"),
            ("a = \"\\q\"", 1, 6, "unknown escape"),
            ("a = \"\\ud800\"", 1, 6, "no code point"),
            ("a = \"\u{1}\"", 1, 6, "control character"),
            ("a = [1 2]", 1, 8, "after an element"),
            ("a = 1\nb = 2\na = 3", 3, 1, "\"a\" is defined twice"),
            ("[t]\na.b = 1\n[t.a]", 3, 2, "\"t.a\" is defined twice"),
            ("a = {b = 1}\na.c = 2", 2, 1, "\"a\" is defined already"),
            ("a = 1\n[a.b]", 2, 2, "\"a\" is no table"),
            ("a\r= 1", 1, 2, "to end the"),
            ("# \r x", 1, 3, "carriage return"),
            ("=", 1, 1, "expected a key"),
        ])
    func errors(text: String, line: Int, column: Int, message: String) throws {
        let error = #expect(throws: TOMLCursor.SyntaxError.self) { try parse(text) }
        if text.contains("a\r=") {  // a bare carriage return is nowhere allowed
            #expect(error?.place.line == line)
            return
        }
        #expect(error?.place == TOMLPlace(line: line, column: column))
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test("bytes that are not UTF-8 are told with their line")
    func notUTF8() {
        let error = #expect(throws: TOMLCursor.SyntaxError.self) {
            try TOMLDocument(parsing: Array("a = 1\nb = \"".utf8) + [0xC3, 0x28, 0x22])
        }
        #expect(error?.message == "not UTF-8")
        #expect(error?.place.line == 2)
    }

    @Test("depth and size are bounded, so that no text can exhaust the stack")
    func bounds() {
        for hostile in [
            "a = " + String(repeating: "[", count: 100_000),
            "a = " + String(repeating: "{a=", count: 100_000),
            "a = " + String(repeating: "[{a=", count: 100_000),
            String(repeating: "a.", count: 100_000) + "a = 1",
            "[" + String(repeating: "a.", count: 100_000) + "a]",
            String(repeating: "#", count: TOMLDocument.maximumSize + 1),
        ] {
            #expect(throws: TOMLCursor.SyntaxError.self) { try parse(hostile) }
        }
    }

    @Test("20,000 mutations of a document are parsed or refused, and never trap")
    func mutations() throws {
        let seed = Array(
            """
            listen = ["127.0.0.1:2673", 'unix:/x']
            t = \"\"\"a\\
              b\"\"\"
            d = 1979-05-27T07:32:00Z
            [[a.b]]
            f = -1.5e+3
            i.j = {k = 0x1f, l = [true, [2]]}
            """.utf8)
        var pieces = "[]{}\"'\\=.,\n#".utf8.map { [$0] }
        pieces += ["\"\"\"", "'''"].map { Array($0.utf8) }
        pieces += [[0], [0xFF], [0xC3], [0xE2, 0x80], [0xEF, 0xBB, 0xBF]]
        var random = SplitMix(state: 2673)
        var parsed = 0
        for _ in 0..<20_000 {
            var text = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) where !text.isEmpty {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text.remove(at: place)
                case 1: text[place] = UInt8.random(in: 0...255, using: &random)
                default:
                    let piece = pieces.randomElement(using: &random) ?? []
                    text.insert(contentsOf: piece, at: place)
                }
            }
            if (try? TOMLDocument(parsing: text)) != nil { parsed += 1 }
        }
        #expect((1..<20_000).contains(parsed))  // both outcomes were met
    }
}

/// SplitMix64: a small generator whose sequence follows from its seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
