/// Numbers with units, as people write them: `61440`, `"256 MiB"`, `"2 min"`.
enum Quantity {
    /// The number that `text` is, in bytes or seconds or pieces; nil if it is none.
    static func parse(_ text: String, _ unit: Setting.Unit) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "_" }
        let suffix = text[digits.endIndex...].drop { $0 == " " }
        guard digits.first != "_", digits.last != "_", let count = Int(digits.filter { $0 != "_" }),
            let factor = suffix.isEmpty ? 1 : factors(unit)[String(suffix)]
        else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    /// `number` with its unit; whole multiples of 1 MiB in such.
    static func text(_ number: Int, _ unit: Setting.Unit) -> String {
        guard unit == .bytes, number > 0, number % (1 << 20) == 0 else {
            return "\(number) \(unit)"
        }
        for (name, shift) in [("TiB", 40), ("GiB", 30)] where number % (1 << shift) == 0 {
            return "\(number >> shift) \(name)"
        }
        return "\(number >> 20) MiB"
    }

    /// `1024 to 65534 bytes`, `16 MiB to 1 TiB`.
    static func text(_ range: ClosedRange<Int>, _ unit: Setting.Unit) -> String {
        let (low, high) = (text(range.lowerBound, unit), text(range.upperBound, unit))
        let ending = " \(unit)"
        guard low.hasSuffix(ending), high.hasSuffix(ending) else { return "\(low) to \(high)" }
        return "\(low.dropLast(ending.count)) to \(high)"
    }

    private static func factors(_ unit: Setting.Unit) -> [String: Int] {
        switch unit {
        case .bytes:
            [
                "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
                "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
            ]
        case .seconds: ["s": 1, "min": 60, "h": 3_600]
        case .connections, .pairs, .asks, .streams, .threads: [:]
        }
    }
}
