/// An address as people write it: `HOST:PORT`, `[V6]:PORT` or `unix:PATH`.
public enum Endpoint: Hashable, Sendable {
    /// A name or a numeric address, which has no brackets here; port 0 lets the system pick.
    case host(String, port: UInt16)
    case unix(String)

    /// Reads `text`; every part must be there.
    public init(_ text: String) throws(AddressTextError) {
        if text.hasPrefix("unix:") {
            self = .unix(try Self.path(text.dropFirst("unix:".count)))
            return
        }
        let (host, port) =
            text.hasPrefix("[") ? try Self.bracketed(text) : try Self.plain(text)
        self = .host(host, port: try Self.port(port))
    }

    /// The address, where it can be told without asking a resolver: all but a host's name.
    public var address: SocketAddress? {
        switch self {
        case .unix(let path): .unix(path)
        case .host(let host, let port): SocketAddress(numericHost: host, port: port)
        }
    }

    private static func path(_ path: Substring) throws(AddressTextError) -> String {
        guard !path.isEmpty else { throw .emptyPath }
        guard !path.utf8.contains(0) else { throw .nulInPath }
        guard path.utf8.count <= AddressTextError.longestPath else { throw .pathTooLong }
        return String(path)
    }

    private static func bracketed(
        _ text: String
    ) throws(AddressTextError) -> (String, Substring) {
        guard let end = text.firstIndex(of: "]") else { throw .missingBracket }
        let host = String(text[text.index(after: text.startIndex)..<end])
        let address = host.prefix { $0 != "%" }
        guard IPText.v6(address) != nil else { throw .badV6(host) }
        let rest = text[text.index(after: end)...]
        guard rest.hasPrefix(":") else { throw .missingPort }
        return (host, rest.dropFirst())
    }

    private static func plain(_ text: String) throws(AddressTextError) -> (String, Substring) {
        guard let colon = text.lastIndex(of: ":") else { throw .missingPort }
        let host = text[..<colon]
        guard !host.isEmpty else { throw .emptyHost }
        guard !host.contains(":") else { throw .bareV6 }
        guard !host.contains("/") else { throw .badHost(String(host)) }
        let isNumeric = host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2e }
        guard !isNumeric || IPText.v4(host) != nil else { throw .badV4(String(host)) }
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw .badHost(String(host))
        }
        return (String(host), text[text.index(after: colon)...])
    }

    private static func port(_ text: Substring) throws(AddressTextError) -> UInt16 {
        guard !text.isEmpty else { throw .missingPort }
        guard let port = IPText.decimal(text, as: UInt16.self) else {
            throw .badPort(String(text))
        }
        return port
    }
}

extension Endpoint: CustomStringConvertible {
    /// As it is read.
    public var description: String {
        switch self {
        case .unix(let path): "unix:" + path
        case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// What is wrong with an address's text, and what is allowed.
public enum AddressTextError: Error, Hashable, Sendable, CustomStringConvertible {
    case missingPort, emptyHost, bareV6, missingBracket, emptyPath, nulInPath, pathTooLong
    case badHost(String)
    case badPort(String)
    case badV4(String)
    case badV6(String)

    /// Bytes of a Unix socket's path, without its NUL (`unix(7)`).
    public static let longestPath = 107

    public var description: String {
        switch self {
        case .missingPort: "no port; an address is HOST:PORT, [V6]:PORT or unix:PATH"
        case .emptyHost: "no host before the port; 0.0.0.0 or [::] is every interface"
        case .bareV6: "a v6 address stands in brackets: [::1]:2673"
        case .missingBracket: "the bracket is not closed; a v6 address is [V6]:PORT"
        case .emptyPath: "no path after unix:"
        case .nulInPath: "the path holds a NUL byte"
        case .pathTooLong: "the path has more than \(Self.longestPath) bytes"
        case .badHost(let host): "\(host.debugDescription) is no host; an address is HOST:PORT"
        case .badPort(let port): "\(port.debugDescription) is no port; 0 to 65535 are allowed"
        case .badV4(let host): "\(host) is no v4 address; it has four numbers of 0 to 255"
        case .badV6(let host): "\(host.debugDescription) is no v6 address"
        }
    }
}

extension SocketAddress {
    /// A v4 or v6 address in text; nil for a name and for a v6 address whose scope (`%eth0`) is
    /// an interface's name.
    public init?(numericHost host: String, port: UInt16) {
        if let bytes = IPText.v4(host[...]) {
            self = .v4(bytes, port: port)
            return
        }
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let bytes = IPText.v6(first) else { return nil }
        if parts.count == 1 {
            self = .v6(bytes, port: port, scope: 0)
        } else if let scope = IPText.decimal(parts[1], as: UInt32.self) {
            self = .v6(bytes, port: port, scope: scope)
        } else {
            return nil
        }
    }
}

/// The texts of RFC 4291, section 2.2, and of RFC 6943, section 3.1.1 (strict).
private enum IPText {
    /// Digits only, no sign, no zero in front: `010` is 8 to some and 10 to others.
    static func decimal<Number: FixedWidthInteger>(
        _ text: Substring, as: Number.Type
    ) -> Number? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        guard text.utf8.count == 1 || text.utf8.first != 0x30 else { return nil }
        return Number(text)
    }

    static func v4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { decimal($0, as: UInt8.self) }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }

    static func v6(_ text: Substring) -> [UInt8]? {
        guard let gap = firstGap(of: text) else {
            let bytes = groups(text, mayEndInV4: true)
            return bytes?.count == 16 ? bytes : nil
        }
        let (head, tail) = (text[..<gap.lowerBound], text[gap.upperBound...])
        guard let left = head.isEmpty ? [] : groups(head, mayEndInV4: false),
            let right = tail.isEmpty ? [] : groups(tail, mayEndInV4: true),
            left.count + right.count <= 14  // "::" stands for one group at least
        else { return nil }
        return left + [UInt8](repeating: 0, count: 16 - left.count - right.count) + right
    }

    private static func firstGap(of text: Substring) -> Range<Substring.Index>? {
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(after: index)
            if text[index] == ":", next < text.endIndex, text[next] == ":" {
                return index..<text.index(after: next)
            }
            index = next
        }
        return nil
    }

    private static func groups(_ text: Substring, mayEndInV4: Bool) -> [UInt8]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if mayEndInV4, index == parts.count - 1, part.contains("."), let v4 = v4(part) {
                bytes += v4
                continue
            }
            let isHex = part.allSatisfy { $0.isASCII && $0.isHexDigit }
            guard isHex, (1...4).contains(part.utf8.count), let group = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(truncatingIfNeeded: group)]
        }
        return bytes
    }
}
