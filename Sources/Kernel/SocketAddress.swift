/// Where a stream socket listens or connects.
public enum SocketAddress: Hashable, Sendable {
    /// Four bytes of address in network order.
    case v4([UInt8], port: UInt16)
    /// Sixteen bytes of address in network order; `scope` is an interface index or 0.
    case v6([UInt8], port: UInt16, scope: UInt32)
    /// A path in the file system; empty for the unnamed peer of a Unix socket.
    case unix(String)

    public var isUnix: Bool { if case .unix = self { true } else { false } }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:2673`, `[::1]:2673` (RFC 5952) or `unix:/run/ampd.sock`.
    public var description: String {
        switch self {
        case .v4(let bytes, let port):
            bytes.map { String($0) }.joined(separator: ".") + ":\(port)"
        case .v6(let bytes, let port, let scope):
            "[" + Self.text(ofV6: bytes) + (scope == 0 ? "" : "%\(scope)") + "]:\(port)"
        case .unix(let path):
            "unix:" + path
        }
    }

    /// The canonical text of RFC 5952: the first longest run of two or more zero groups as `::`.
    private static func text(ofV6 bytes: [UInt8]) -> String {
        let groups = stride(from: 0, to: 16, by: 2).map {
            UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
        }
        var best = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || groups[index] != 0 {
            if index - start > best.count { best = start..<index }
            start = index + 1
        }
        let hex = { (part: ArraySlice<UInt16>) in
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if best.count < 2 { return hex(groups[...]) }
        return hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
    }
}

/// The options of `setsockopt(2)` that are used here; the value is an Int32, 1 for "on".
public enum SocketOption: Sendable {
    case reuseAddress
    case v6Only
    case noDelay
    /// `TCP_NOTSENT_LOWAT`, bytes.
    case notSentLowWater
    /// `TCP_USER_TIMEOUT`, milliseconds.
    case userTimeout
    case sendBuffer
    case receiveBuffer
}
