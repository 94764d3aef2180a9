/// A document of TOML 1.0 (toml.io) as a flat list: every value with its path and its place.
///
/// A configuration is checked against a table of keys, with the line of each fault, so a list
/// of located values is all that is wanted of a parser; no tree is built. Dates are recognised
/// but not decoded, since no key of ours is one.
///
/// Any bytes are safe to parse: text is bounded, nesting is bounded, and what is not TOML is a
/// ``SyntaxError``.
struct TOMLDocument {
    /// The values in the order in which they stand in the text. A table has an entry of its own
    /// at its header and one for each of its values. Elements of an array of tables have the
    /// array's path and their number.
    private(set) var entries: [Entry] = []

    struct Entry: Equatable {
        let path: [String]
        let value: TOMLValue
        /// Where the key stands.
        let place: TOMLPlace
    }

    /// Bytes that a document may have, and keys that a path may have.
    static let maximumSize = 1 << 20
    static let maximumDepth = 16

    private var cursor: TOMLCursor
    /// The table that the last header opened.
    private var table: [String] = []
    private var definitions: [[String]: Definition] = [:]

    /// How a path came to be, which decides whether it may be opened or extended again.
    private enum Definition {
        case value, inlineTable
        /// By a header of its own, or by the header of a table below it.
        case header, parentOfHeader
        /// By a dotted key, `path.more = …`.
        case dottedKey
        case arrayOfTables(count: Int)
    }

    init(parsing text: [UInt8]) throws(TOMLCursor.SyntaxError) {
        cursor = try TOMLCursor(text)
        while true {
            cursor.skipWhitespace()
            if cursor.peek() == UInt8(ascii: "[") {
                try parseHeader()
            } else if !cursor.isAtLineEnd {
                try parsePair(in: table)
            }
            if try !cursor.finishLine() { break }
        }
    }

    /// `[table]` or `[[array of tables]]`.
    private mutating func parseHeader() throws(TOMLCursor.SyntaxError) {
        cursor.advance()
        let isArray = cursor.take("[")
        cursor.skipWhitespace()
        let place = cursor.place
        let names = try parsePath()
        try cursor.expect(isArray ? "]]" : "]", "to end the table's name")
        var path: [String] = []
        for name in names.dropLast() {
            path.append(name)
            switch definitions[path] {
            case nil: definitions[path] = .parentOfHeader
            case .header, .parentOfHeader, .dottedKey: break
            case .arrayOfTables(let count): path.append("\(count - 1)")
            case .value, .inlineTable: throw cursor.error("\(shown(path)) is no table", place)
            }
        }
        path.append(contentsOf: names.suffix(1))
        table = path
        switch (definitions[path], isArray) {
        case (nil, true):
            definitions[path] = .arrayOfTables(count: 1)
            table.append("0")
        case (.arrayOfTables(let count), true):
            definitions[path] = .arrayOfTables(count: count + 1)
            table.append("\(count)")
        case (nil, false), (.parentOfHeader, false):
            definitions[path] = .header
        default:
            throw cursor.error("\(shown(path)) is defined twice", place)
        }
        entries.append(Entry(path: path, value: .table, place: place))
    }

    /// `key = value`, the key relative to `base`.
    private mutating func parsePair(in base: [String]) throws(TOMLCursor.SyntaxError) {
        let place = cursor.place
        let names = try parsePath()
        try cursor.expect("=", "after the key")
        var path = base
        for name in names.dropLast() {
            path.append(name)
            switch definitions[path] {
            case nil: definitions[path] = .dottedKey
            case .dottedKey: break
            default: throw cursor.error("\(shown(path)) is defined already", place)
            }
        }
        path.append(contentsOf: names.suffix(1))
        guard definitions[path] == nil else {
            throw cursor.error("\(shown(path)) is defined twice", place)
        }
        cursor.skipWhitespace()
        if cursor.peek() == UInt8(ascii: "{") {
            definitions[path] = .inlineTable
            entries.append(Entry(path: path, value: .table, place: place))
            try parseInlineTable(path)
        } else {
            definitions[path] = .value
            entries.append(Entry(path: path, value: try cursor.takeValue(), place: place))
        }
    }

    /// `{ key = value, … }` on one line.
    private mutating func parseInlineTable(_ path: [String]) throws(TOMLCursor.SyntaxError) {
        guard path.count < Self.maximumDepth else { throw cursor.error("nested too deeply") }
        cursor.advance()
        cursor.skipWhitespace()
        if cursor.take("}") { return }
        repeat {
            cursor.skipWhitespace()
            try parsePair(in: path)
            cursor.skipWhitespace()
        } while cursor.take(",")
        try cursor.expect("}", "to end the inline table")
    }

    /// Keys joined by dots, and the white space around them.
    private mutating func parsePath() throws(TOMLCursor.SyntaxError) -> [String] {
        var path: [String] = []
        repeat {
            cursor.skipWhitespace()
            path.append(try cursor.takeKey())
            guard path.count <= Self.maximumDepth else { throw cursor.error("too many dots") }
            cursor.skipWhitespace()
        } while cursor.take(".")
        return path
    }

    private func shown(_ path: [String]) -> String {
        "\"" + path.joined(separator: ".") + "\""
    }
}

/// A value as it stands in the text.
enum TOMLValue: Equatable {
    case string(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    case date
    case array([Element])
    case table

    struct Element: Equatable {
        let value: TOMLValue
        let place: TOMLPlace
    }

    /// What it is, for people.
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a float"
        case .boolean: "a boolean"
        case .date: "a date"
        case .array: "a list"
        case .table: "a table"
        }
    }
}

/// A line and a column of it, in code points, both from 1.
struct TOMLPlace: Hashable, Sendable {
    var line: Int
    var column: Int
}
