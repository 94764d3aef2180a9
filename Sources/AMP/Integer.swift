/// Twisted's `Integer`, as far as it fits the Swift type.
///
/// Written in plain decimal digits; read as Python's `int()` reads: ASCII white space around,
/// a sign directly before the digits, leading zeros, single underscores between digits.
extension Argument where Self: FixedWidthInteger {
    public var wireBytes: [UInt8] { Array(String(self).utf8) }

    public init?(wireBytes: ArraySlice<UInt8>) {
        var text = wireBytes.trimmingWhiteSpace()
        let isNegative = text.first == UInt8(ascii: "-")
        if isNegative || text.first == UInt8(ascii: "+") { text = text.dropFirst() }

        var value: Self = 0
        var isAfterDigit = false
        for byte in text {
            if byte == UInt8(ascii: "_"), isAfterDigit {
                isAfterDigit = false
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let digit = Self(byte - UInt8(ascii: "0"))
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) =
                isNegative
                ? shifted.subtractingReportingOverflow(digit)
                : shifted.addingReportingOverflow(digit)
            if overflow || carry { return nil }
            value = next
            isAfterDigit = true
        }
        guard isAfterDigit else { return nil }
        self = value
    }

    public static var wireForm: String { "an integer from \(Self.min) to \(Self.max)" }
}

extension Int: Argument {}
extension Int64: Argument {}
extension UInt64: Argument {}
extension UInt32: Argument {}

extension ArraySlice<UInt8> {
    /// Without the ASCII white space that Python's `int()` and `float()` ignore at both ends.
    func trimmingWhiteSpace() -> ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        guard let first = firstIndex(where: { !isSpace($0) }),
            let last = lastIndex(where: { !isSpace($0) })
        else { return [] }
        return self[first...last]
    }
}
