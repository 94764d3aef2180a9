import Kernel

extension Setting {
    /// The setting of that key.
    static func named(_ key: String) -> Setting? { all.first { $0.key == key } }

    /// Puts `value` into `configuration` if it is of the right type and in range; else says
    /// what is wrong and what is allowed, and where if a part of the value is to blame.
    func apply(
        _ value: TOMLValue, to configuration: inout Configuration
    ) -> [(problem: String, place: TOMLPlace?)] {
        var problems: [(problem: String, place: TOMLPlace?)] = []
        switch kind {
        case .number(let path, let range, let unit):
            switch Self.number(value, range, unit) {
            case .success(let number): configuration[keyPath: path] = number
            case .failure(let wrong): problems.append((wrong.text, nil))
            }
        case .mode(let path, let required):
            switch Self.mode(value, required) {
            case .success(let mode): configuration[keyPath: path] = mode
            case .failure(let wrong): problems.append((wrong.text, nil))
            }
        case .directory(let path):
            if case .string(let text) = value, !text.isEmpty, !text.utf8.contains(0) {
                configuration[keyPath: path] = text
            } else {
                problems.append(("\(Self.shown(value)); allowed: \(allowed)", nil))
            }
        case .addresses(let path):
            var endpoints: [Endpoint] = []
            for (value, place) in Self.elements(value) {
                do throws(Wrong) {
                    endpoints.append(try Self.endpoint(value))
                } catch {
                    problems.append((error.text, place))
                }
            }
            if case .array([]) = value { problems.append(("empty; allowed: \(allowed)", nil)) }
            if problems.isEmpty { configuration[keyPath: path] = endpoints }
        }
        return problems
    }

    /// What values there may be, for people.
    var allowed: String {
        switch kind {
        case .number(_, let range, let unit): Quantity.text(range, unit)
        case .mode(_, let required): Self.allowedModes(required)
        case .directory: "a path in quotes"
        case .addresses: Self.allowedAddresses
        }
    }

    private struct Wrong: Error {
        let text: String
    }

    private static func number(
        _ value: TOMLValue, _ range: ClosedRange<Int>, _ unit: Unit
    ) -> Result<Int, Wrong> {
        let number: Int? =
            switch value {
            case .integer(let number): number
            case .string(let text): Quantity.parse(text, unit)
            default: nil
            }
        let allowed = "allowed: \(Quantity.text(range, unit))"
        guard let number else { return .failure(Wrong(text: "\(shown(value)); \(allowed)")) }
        guard range.contains(number) else {
            return .failure(Wrong(text: "\(number) is out of range; \(allowed)"))
        }
        return .success(number)
    }

    private static func mode(_ value: TOMLValue, _ required: UInt32) -> Result<UInt32, Wrong> {
        let mode: UInt32? =
            switch value {
            case .integer(let number): UInt32(exactly: number)
            case .string(let text):
                text.utf8.allSatisfy(\.isASCIIDigit) ? UInt32(text, radix: 8) : nil
            default: nil
            }
        guard let mode, mode <= 0o777, mode & required == required else {
            return .failure(Wrong(text: "\(shown(value)); allowed: \(allowedModes(required))"))
        }
        return .success(mode)
    }

    private static func allowedModes(_ required: UInt32) -> String {
        let least = "0" + String(required, radix: 8)
        return "octal digits in quotes, \"\(least)\" to \"0777\", with all bits of \(least)"
    }

    private static let allowedAddresses = "HOST:PORT, [V6]:PORT or unix:PATH, in a list"

    /// One address alone needs no list.
    private static func elements(_ value: TOMLValue) -> [(TOMLValue, TOMLPlace?)] {
        guard case .array(let elements) = value else { return [(value, nil)] }
        return elements.map { ($0.value, $0.place) }
    }

    private static func endpoint(_ value: TOMLValue) throws(Wrong) -> Endpoint {
        guard case .string(let text) = value else {
            throw Wrong(text: "\(shown(value)); allowed: \(allowedAddresses)")
        }
        do throws(AddressTextError) {
            return try Endpoint(text)
        } catch {
            throw Wrong(text: "\(PrintableText.quoted(text)): \(error)")
        }
    }

    /// A value that cannot be taken, for people.
    private static func shown(_ value: TOMLValue) -> String {
        switch value {
        case .string(let text): "\(PrintableText.quoted(text)) cannot be taken"
        case .integer(let number): "\(number) cannot be taken"
        case .float, .boolean, .date, .array, .table: "\(value.kind) cannot be taken"
        }
    }
}
