/// The place in a TOML text where parsing stands, and the tokens that can follow it.
struct TOMLCursor {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var lineStart = 0
    /// Arrays and inline tables around the value under way; bounds the recursion.
    private var depth = 0

    struct SyntaxError: Error, Equatable {
        let message: String
        let place: TOMLPlace
    }

    init(_ text: [UInt8]) throws(SyntaxError) {
        bytes = text
        guard text.count <= TOMLDocument.maximumSize else { throw error("longer than 1 MiB") }
        do {
            _ = try UTF8Span(validating: text.span)
        } catch {
            let before = text[..<error.byteOffsets.lowerBound]
            let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
            throw SyntaxError(message: "not UTF-8", place: TOMLPlace(line: line, column: 1))
        }
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    // MARK: Single bytes

    func peek(_ distance: Int = 0) -> UInt8? {
        position + distance < bytes.count ? bytes[position + distance] : nil
    }

    mutating func advance(_ count: Int = 1) { position = min(position + count, bytes.count) }

    /// Steps over `token` if it comes next.
    mutating func take(_ token: StaticString) -> Bool {
        let count = token.utf8CodeUnitCount
        for index in 0..<count where peek(index) != token.utf8Start[index] { return false }
        advance(count)
        return true
    }

    mutating func expect(_ token: StaticString, _ purpose: String) throws(SyntaxError) {
        guard take(token) else { throw error("expected \"\(token)\" \(purpose), not \(next)") }
    }

    mutating func skipWhitespace() {
        while let byte = peek(), byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
            advance()
        }
    }

    var place: TOMLPlace {
        let column = bytes[lineStart..<position].count { $0 & 0xC0 != 0x80 } + 1
        return TOMLPlace(line: line, column: column)
    }

    func error(_ message: String, _ place: TOMLPlace? = nil) -> SyntaxError {
        SyntaxError(message: message, place: place ?? self.place)
    }

    /// What comes next, for people.
    var next: String {
        guard let byte = peek() else { return "the end of the file" }
        if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { return "the line's end" }
        let character =
            String(decoding: bytes[position...].prefix(4), as: UTF8.self)
            .unicodeScalars.first.map(String.init) ?? ""
        return byte < 0x20 || byte == 0x7F ? "a control character" : "\"\(character)\""
    }

    // MARK: Lines

    var isAtLineEnd: Bool {
        switch peek() {
        case nil, UInt8(ascii: "#"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): true
        default: false
        }
    }

    /// Steps over the rest of a line, which may hold only a comment; false at the end of the text.
    mutating func finishLine() throws(SyntaxError) -> Bool {
        skipWhitespace()
        if peek() == UInt8(ascii: "#") {
            while let byte = peek(), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") {
                try refuseControl(byte)
                advance()
            }
        }
        if try takeNewline() { return true }
        guard peek() == nil else { throw error("expected the line's end, not \(next)") }
        return false
    }

    mutating func takeNewline() throws(SyntaxError) -> Bool {
        if peek() == UInt8(ascii: "\r") {
            guard peek(1) == UInt8(ascii: "\n") else { throw error("a carriage return alone") }
            advance()
        }
        guard peek() == UInt8(ascii: "\n") else { return false }
        advance()
        line += 1
        lineStart = position
        return true
    }

    private func refuseControl(_ byte: UInt8) throws(SyntaxError) {
        if byte < 0x20 && byte != UInt8(ascii: "\t") || byte == 0x7F {
            throw error("a control character; in a string write it as an escape")
        }
    }

    // MARK: Keys and values

    /// One key of a path: bare or quoted.
    mutating func takeKey() throws(SyntaxError) -> String {
        if take("\"") { return try takeString(quote: UInt8(ascii: "\"")) }
        if take("'") { return try takeString(quote: UInt8(ascii: "'")) }
        let key = takeRun { byte in
            byte.isASCIILetterOrDigit || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        guard !key.isEmpty else { throw error("expected a key, not \(next)") }
        return key
    }

    /// Any value but an inline table of the top level, which the document takes apart itself.
    mutating func takeValue() throws(SyntaxError) -> TOMLValue {
        if take("\"\"\"") { return .string(try takeText(quote: UInt8(ascii: "\""))) }
        if take("'''") { return .string(try takeText(quote: UInt8(ascii: "'"))) }
        if take("\"") { return .string(try takeString(quote: UInt8(ascii: "\""))) }
        if take("'") { return .string(try takeString(quote: UInt8(ascii: "'"))) }
        if take("[") { return .array(try takeElements()) }
        let start = place
        var word = takeRun(Self.isPartOfWord)
        if word.count == 10, peek() == UInt8(ascii: " "), peek(3) == UInt8(ascii: ":") {
            advance()
            word += " " + takeRun(Self.isPartOfWord)  // a date, a space, a time of day
        }
        guard !word.isEmpty else { throw error("expected a value, not \(next)") }
        guard let value = TOMLValue(word: word) else {
            throw error("\"\(word)\" is no value; strings need quotes", start)
        }
        return value
    }

    /// The elements of an array, after its bracket; they may stand on several lines.
    private mutating func takeElements() throws(SyntaxError) -> [TOMLValue.Element] {
        depth += 1
        defer { depth -= 1 }
        guard depth <= TOMLDocument.maximumDepth else { throw error("nested too deeply") }
        var elements: [TOMLValue.Element] = []
        while true {
            try skipLines()
            if take("]") { return elements }
            let place = place
            if take("{") {
                try skipInlineTable()
                elements.append(.init(value: .table, place: place))
            } else {
                elements.append(.init(value: try takeValue(), place: place))
            }
            try skipLines()
            if take(",") { continue }
            try expect("]", "or \",\" after an element")
            return elements
        }
    }

    /// A table in an array: no key of ours holds one, so that only its form is checked.
    private mutating func skipInlineTable() throws(SyntaxError) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= TOMLDocument.maximumDepth else { throw error("nested too deeply") }
        skipWhitespace()
        if take("}") { return }
        repeat {
            repeat {
                skipWhitespace()
                _ = try takeKey()
                skipWhitespace()
            } while take(".")
            try expect("=", "after the key")
            skipWhitespace()
            if take("{") { try skipInlineTable() } else { _ = try takeValue() }
            skipWhitespace()
        } while take(",")
        try expect("}", "to end the inline table")
    }

    /// Steps over white space, line ends and comments.
    private mutating func skipLines() throws(SyntaxError) {
        skipWhitespace()
        while isAtLineEnd, try finishLine() { skipWhitespace() }
    }

    private mutating func takeRun(_ belongs: (UInt8) -> Bool) -> String {
        let start = position
        while let byte = peek(), belongs(byte) { advance() }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private static func isPartOfWord(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "_+-.:".utf8.contains(byte)
    }
}

// MARK: - Strings

extension TOMLCursor {
    /// A string of one line, after its first quote.
    private mutating func takeString(quote: UInt8) throws(SyntaxError) -> String {
        var text: [UInt8] = []
        while let byte = peek(), byte != UInt8(ascii: "\n") {
            if byte == quote {
                advance()
                return String(decoding: text, as: UTF8.self)
            }
            try takeCharacter(byte, quote, into: &text)
        }
        throw error("a string without its closing quote")
    }

    /// A string of several lines, after its first three quotes.
    private mutating func takeText(quote: UInt8) throws(SyntaxError) -> String {
        let start = place
        var text: [UInt8] = []
        _ = try takeNewline()
        while let byte = peek() {
            if byte == quote, peek(1) == quote, peek(2) == quote {
                // One or two quotes may stand right before the closing three.
                let extra = peek(3) != quote ? 0 : peek(4) != quote ? 1 : 2
                text.append(contentsOf: repeatElement(quote, count: extra))
                advance(3 + extra)
                return String(decoding: text, as: UTF8.self)
            }
            if try takeNewline() {
                text.append(UInt8(ascii: "\n"))
            } else if quote == UInt8(ascii: "\""), try skipFoldedLine() {
                continue
            } else {
                try takeCharacter(byte, quote, into: &text)
            }
        }
        throw error("a string without its closing quotes", start)
    }

    /// A backslash at the end of a line, with all white space and line ends after it.
    private mutating func skipFoldedLine() throws(SyntaxError) -> Bool {
        guard peek() == UInt8(ascii: "\\") else { return false }
        var ahead = self
        ahead.advance()
        ahead.skipWhitespace()
        guard try ahead.takeNewline() else { return false }
        repeat { ahead.skipWhitespace() } while try ahead.takeNewline()
        self = ahead
        return true
    }

    private mutating func takeCharacter(
        _ byte: UInt8, _ quote: UInt8, into text: inout [UInt8]
    ) throws(SyntaxError) {
        if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
            return text.append(contentsOf: String(try takeEscape()).utf8)
        }
        try refuseControl(byte)
        text.append(byte)
        advance()
    }

    private mutating func takeEscape() throws(SyntaxError) -> Unicode.Scalar {
        let start = place
        advance()
        let letter = peek()
        advance()
        switch letter {
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let count = letter == UInt8(ascii: "u") ? 4 : 8
            let digits = bytes[position...].prefix(count)
            guard digits.count == count, digits.allSatisfy(\.isASCIIHexDigit),
                let number = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(number)
            else { throw error("an escape that is no code point", start) }
            advance(count)
            return scalar
        default:
            throw error("an unknown escape; a backslash itself is \"\\\\\"", start)
        }
    }
}
