/// Twisted's `DateTime`: an instant with the offset from UTC that it was written in, always in
/// exactly 32 bytes, `2012-01-23T12:34:56.054321-01:30`; UTC itself is `-00:00`.
public struct DateTime: Hashable, Codable, Sendable {
    /// Microseconds since 1970-01-01T00:00:00Z.
    public var microseconds: Int64
    /// Minutes east of UTC, -1439...1439.
    public var offset: Int

    public init(microseconds: Int64, offset: Int = 0) {
        self.microseconds = microseconds
        self.offset = offset
    }

    /// From nanoseconds since 1970, as clocks and files have them, rounded down.
    public init(nanoseconds: Int64) {
        self.init(microseconds: nanoseconds.quotientRoundingDown(by: 1_000))
    }
}

extension DateTime: Argument {
    public static var wireForm: String { "a date and time, YYYY-MM-DDTHH:MM:SS.ffffff+HH:MM" }

    /// Years before 1 or after 9999, which the form cannot hold, are written as the nearest.
    public var wireBytes: [UInt8] {
        let minute: Int64 = 60_000_000
        let near = min(max(microseconds, Self.earliest - Self.day), Self.latest + Self.day)
        let local = min(max(near + Int64(offset) * minute, Self.earliest), Self.latest)
        let day = local.quotientRoundingDown(by: 1_440 * minute)
        let inDay = local - day * 1_440 * minute
        let date = CivilDate(day: Int(day))
        let seconds = Int(inDay / 1_000_000)

        var text = Self.padded(date.year, 4) + "-" + Self.padded(date.month, 2)
        text += "-" + Self.padded(date.day, 2) + "T" + Self.padded(seconds / 3_600, 2)
        text += ":" + Self.padded(seconds / 60 % 60, 2) + ":" + Self.padded(seconds % 60, 2)
        text += "." + Self.padded(Int(inDay % 1_000_000), 6) + (offset > 0 ? "+" : "-")
        text += Self.padded(abs(offset) / 60, 2) + ":" + Self.padded(abs(offset) % 60, 2)
        return Array(text.utf8)
    }

    public init?(wireBytes: ArraySlice<UInt8>) {
        let text = Array(wireBytes)
        guard text.count == 32, Self.hasSeparators(text) else { return nil }
        guard let year = Self.digits(text[0..<4]), let month = Self.digits(text[5..<7]),
            let day = Self.digits(text[8..<10]), let hour = Self.digits(text[11..<13]),
            let minute = Self.digits(text[14..<16]), let second = Self.digits(text[17..<19]),
            let micros = Self.digits(text[20..<26]), let offsetHours = Self.digits(text[27..<29]),
            let offsetMinutes = Self.digits(text[30..<32]),
            let date = CivilDate(year: year, month: month, day: day),
            hour < 24, minute < 60, second < 60, offsetMinutes < 60, offsetHours < 24
        else { return nil }
        let magnitude = offsetHours * 60 + offsetMinutes
        offset = text[26] == UInt8(ascii: "-") ? -magnitude : magnitude
        let seconds =
            date.daysSince1970 * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60
        microseconds = Int64(seconds) * 1_000_000 + Int64(micros)
    }

    /// 0001-01-01T00:00:00.000000 and 9999-12-31T23:59:59.999999, where the date is written.
    private static let earliest: Int64 = -62_135_596_800_000_000
    private static let latest: Int64 = 253_402_300_799_999_999
    private static let day: Int64 = 86_400_000_000

    private static func hasSeparators(_ text: [UInt8]) -> Bool {
        zip([4, 7, 10, 13, 16, 19, 29], "--T::.:".utf8).allSatisfy { text[$0] == $1 }
            && (text[26] == UInt8(ascii: "+") || text[26] == UInt8(ascii: "-"))
    }

    private static func digits(_ text: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for byte in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

/// A day of the proleptic Gregorian calendar, years 1 to 9999, as Python's `datetime` has them.
struct CivilDate {
    var year: Int
    var month: Int
    var day: Int

    /// nil if there is no such day.
    init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month) else { return nil }
        guard (1...Self.days(in: month, of: year)).contains(day) else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
    }

    /// The date `day` days after 1970-01-01, by counting in years that begin in March.
    init(day number: Int) {
        let shifted = number + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Int64 {
    func quotientRoundingDown(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
