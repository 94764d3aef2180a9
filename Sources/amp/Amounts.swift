import AMPClient

/// Numbers as people read them.
enum Amount {
    /// `1.4 GiB`: three digits or so of the largest binary unit that leaves one before the point.
    static func bytes(_ count: UInt64) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        guard count >= 1_024 else { return "\(count) B" }
        var value = Double(count) / 1_024
        var unit = 0
        while value >= 999.5, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return (value < 99.95 ? fixed(value, 1) : fixed(value, 0)) + " " + units[unit]
    }

    static func rate(_ bytesPerSecond: Double) -> String {
        guard bytesPerSecond.isFinite, bytesPerSecond >= 0, bytesPerSecond < 1e18 else {
            return "-"
        }
        return bytes(UInt64(bytesPerSecond)) + "/s"
    }

    /// `0:07`, `12:30`, `3:00:00`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 3_600_000 else { return "-" }
        let total = Int(max(0, seconds.rounded()))
        let (hours, minutes, rest) = (total / 3_600, total / 60 % 60, total % 60)
        let tail = (rest < 10 ? "0" : "") + "\(rest)"
        guard hours > 0 else { return "\(minutes):\(tail)" }
        return "\(hours):" + (minutes < 10 ? "0" : "") + "\(minutes):\(tail)"
    }

    static func milliseconds(_ nanoseconds: UInt64) -> String {
        fixed(Double(nanoseconds) / 1e6, 3) + " ms"
    }

    /// With so many digits after the point.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        guard let scaled = Int64(exactly: (value * scale).rounded()) else { return "\(value)" }
        let (whole, rest) = scaled.magnitude.quotientAndRemainder(dividingBy: UInt64(scale))
        let sign = scaled < 0 ? "-" : ""
        guard digits > 0 else { return sign + "\(whole)" }
        let text = String(rest)
        return sign + "\(whole)." + String(repeating: "0", count: digits - text.count) + text
    }
}

/// An object of JSON (RFC 8259), a line, for programs that read what this one found.
struct JSONObject {
    private var members: [String] = []

    mutating func add(_ key: String, _ value: String) {
        members.append(Self.quoted(key) + ": " + Self.quoted(value))
    }

    mutating func add(_ key: String, _ value: UInt64) {
        members.append(Self.quoted(key) + ": \(value)")
    }

    /// With three digits after the point.
    mutating func add(_ key: String, _ value: Double) {
        members.append(Self.quoted(key) + ": " + Amount.fixed(value, 3))
    }

    var text: String { "{" + members.joined(separator: ", ") + "}" }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
