import Glibc
import Kernel

/// Why a host's name has no address (`gai_strerror(3)`).
public struct ResolutionError: Error, CustomStringConvertible, Sendable {
    public let host: String
    public let reason: String

    public var description: String { "cannot resolve \(host): \(reason)" }
}

/// Turns endpoints into addresses with the system's resolver (`getaddrinfo(3)`), which may block
/// for seconds: at a program's start or in a job, never on the loop.
public enum AddressResolver {
    /// The addresses of `endpoint` in the order in which they should be tried (RFC 6724); at
    /// least one. Numeric hosts and Unix paths ask nobody.
    public static func addresses(
        of endpoint: Endpoint
    ) throws(ResolutionError) -> [SocketAddress] {
        switch endpoint {
        case .unix(let path): [.unix(path)]
        case .host(let host, let port):
            if let address = endpoint.address { [address] } else { try look(up: host, port: port) }
        }
    }

    private static func look(
        up host: String, port: UInt16
    ) throws(ResolutionError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, String(port), &hints, &list)
        guard failure == 0 else {
            let words =
                failure == EAI_SYSTEM ? UnsafePointer(strerror(errno)) : gai_strerror(failure)
            throw ResolutionError(
                host: host, reason: words.map { String(cString: $0) } ?? "error \(failure)")
        }
        defer { freeaddrinfo(list) }
        let addresses = sequence(first: list) { $0?.pointee.ai_next }
            .prefix { $0 != nil }
            .compactMap { entry in entry.flatMap { RawAddress($0.pointee)?.address } }
        guard !addresses.isEmpty else {
            throw ResolutionError(host: host, reason: "no address of a family spoken here")
        }
        return addresses
    }
}

extension RawAddress {
    fileprivate init?(_ entry: addrinfo) {
        self.init()
        guard let source = entry.ai_addr, entry.ai_addrlen <= length else { return nil }
        length = entry.ai_addrlen
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(length)))
        }
    }
}
