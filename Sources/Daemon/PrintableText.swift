/// Text of any origin, made safe for a terminal and for a log of lines.
///
/// Control characters (C0, DEL, C1), line and paragraph separators and format characters, among
/// them all that change the direction of writing, become `\u{…}`, and a backslash becomes two,
/// so that no text can pretend to be another. Long text is cut.
public struct PrintableText: CustomStringConvertible {
    public let description: String

    /// - Parameter limit: code points that are kept.
    public init(_ text: String, limit: Int = 256) {
        description = Self.safe(text, limit, isQuoted: false)
    }

    /// The same in quotes, a quote in it escaped too.
    public static func quoted(_ text: String, limit: Int = 256) -> String {
        "\"\(safe(text, limit, isQuoted: true))\""
    }

    private static func safe(_ text: String, _ limit: Int, isQuoted: Bool) -> String {
        var safe = ""
        var kept = 0
        for scalar in text.unicodeScalars {
            guard kept < limit else { return safe + "…" }
            kept += 1
            if scalar == "\\" || isQuoted && scalar == "\"" {
                safe += "\\"
                safe.unicodeScalars.append(scalar)
            } else if isPlain(scalar) {
                safe.unicodeScalars.append(scalar)
            } else {
                safe += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return safe
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (0x20..<0x7F).contains(scalar.value) }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned,
            .surrogate:
            return false
        default:
            return true
        }
    }
}
