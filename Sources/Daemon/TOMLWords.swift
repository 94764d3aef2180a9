extension TOMLValue {
    /// The value that an unquoted word is: a boolean, a number or a date; nil if it is none.
    init?(word: String) {
        switch word {
        case "true": self = .boolean(true)
        case "false": self = .boolean(false)
        case "inf", "+inf": self = .float(.infinity)
        case "-inf": self = .float(-.infinity)
        case "nan", "+nan", "-nan": self = .float(.nan)
        default:
            if let number = Self.integer(word) {
                self = .integer(number)
            } else if let number = Self.float(word) {
                self = .float(number)
            } else if Self.isDate(word) {
                self = .date
            } else {
                return nil
            }
        }
    }

    /// `1_000`, `-5`, `0o640`; nil too if 64 bits do not hold it.
    private static func integer(_ word: String) -> Int? {
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where word.hasPrefix(prefix) {
            let digits = word.dropFirst(2)
            guard digits.utf8.first.map(\.isASCIILetterOrDigit) == true else { return nil }
            return withoutUnderscores(digits, hex: true).flatMap { Int($0, radix: radix) }
        }
        guard let digits = withoutUnderscores(word[...]), isDecimal(digits) else { return nil }
        return Int(digits)
    }

    /// `3.14`, `-1e6`, `6.022_140_76e+23`.
    private static func float(_ word: String) -> Double? {
        guard let text = withoutUnderscores(word[...]) else { return nil }
        let exponent = text.firstIndex { $0 == "e" || $0 == "E" } ?? text.endIndex
        let parts = text[..<exponent].split(
            separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard isDecimal(String(parts[0])), parts.count == 1 || isDigits(parts[1]) else {
            return nil
        }
        if exponent < text.endIndex {
            let power = text[text.index(after: exponent)...]
            let signed = power.hasPrefix("+") || power.hasPrefix("-")
            guard isDigits(signed ? power.dropFirst() : power) else { return nil }
        } else if parts.count == 1 {
            return nil  // an integer, of more than 64 bits
        }
        return Double(text)
    }

    /// The shape of a date, a time of day or both (RFC 3339); its numbers are not looked at.
    private static func isDate(_ word: String) -> Bool {
        let shape = String(word.map { $0.isASCII && $0.isWholeNumber ? "0" : $0 })
        guard shape.hasPrefix("0000-00-00") else { return isTime(shape[...]) }
        let rest = shape.dropFirst(10)
        if rest.isEmpty { return true }
        guard "Tt ".contains(rest.first ?? "?") else { return false }
        let time = rest.dropFirst()
        if time.hasSuffix("Z") || time.hasSuffix("z") { return isTime(time.dropLast()) }
        if time.hasSuffix("+00:00") || time.hasSuffix("-00:00") { return isTime(time.dropLast(6)) }
        return isTime(time)
    }

    private static func isTime(_ shape: Substring) -> Bool {
        guard shape.hasPrefix("00:00:00") else { return false }
        let fraction = shape.dropFirst(8)
        return fraction.isEmpty || fraction.first == "." && isDigits(fraction.dropFirst())
    }

    /// The digits of a number joined; nil unless each underscore stands between two digits.
    private static func withoutUnderscores(_ word: Substring, hex: Bool = false) -> String? {
        let bytes = Array(word.utf8)
        let isDigit = { (byte: UInt8) in hex ? byte.isASCIIHexDigit : byte.isASCIIDigit }
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
            guard index > 0, index + 1 < bytes.count, isDigit(bytes[index - 1]),
                isDigit(bytes[index + 1])
            else { return nil }
        }
        return String(word.filter { $0 != "_" })
    }

    /// A sign or none, and digits without a leading zero.
    private static func isDecimal(_ text: String) -> Bool {
        let digits = text.hasPrefix("+") || text.hasPrefix("-") ? text.dropFirst() : text[...]
        return isDigits(digits) && (digits.count == 1 || digits.first != "0")
    }

    private static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(\.isASCIIDigit)
    }
}

extension UInt8 {
    var isASCIIDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }

    var isASCIIHexDigit: Bool {
        isASCIIDigit || UInt8(ascii: "a")...UInt8(ascii: "f") ~= self | 0x20
    }

    var isASCIILetterOrDigit: Bool {
        isASCIIDigit || UInt8(ascii: "a")...UInt8(ascii: "z") ~= self | 0x20
    }
}
