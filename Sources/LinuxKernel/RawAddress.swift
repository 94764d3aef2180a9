import Glibc
import Kernel

/// A ``SocketAddress`` as the system calls take and give it: a `struct sockaddr` and its length.
struct RawAddress {
    var storage = sockaddr_storage()
    var length = UInt32(MemoryLayout<sockaddr_storage>.size)

    /// Room for an address that a call fills in.
    init() {}

    /// Throws `.nameTooLong` for a Unix path of more than 107 bytes (`unix(7)`), `.invalid` for
    /// one that is empty or holds a NUL and for an address of a wrong size.
    init(_ address: SocketAddress) throws(Errno) {
        switch address {
        case .v4(let bytes, let port):
            guard bytes.count == 4 else { throw .invalid }
            var raw = sockaddr_in()
            raw.sin_family = sa_family_t(AF_INET)
            raw.sin_port = port.bigEndian
            withUnsafeMutableBytes(of: &raw.sin_addr) { $0.copyBytes(from: bytes) }
            fill(from: raw)
        case .v6(let bytes, let port, let scope):
            guard bytes.count == 16 else { throw .invalid }
            var raw = sockaddr_in6()
            raw.sin6_family = sa_family_t(AF_INET6)
            raw.sin6_port = port.bigEndian
            raw.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &raw.sin6_addr) { $0.copyBytes(from: bytes) }
            fill(from: raw)
        case .unix(let path):
            var raw = sockaddr_un()
            raw.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            guard !bytes.isEmpty, !bytes.contains(0) else { throw .invalid }
            guard bytes.count < MemoryLayout.size(ofValue: raw.sun_path) else {
                throw .nameTooLong
            }
            withUnsafeMutableBytes(of: &raw.sun_path) { $0.copyBytes(from: bytes) }
            fill(from: raw)
        }
    }

    var family: Int32 { Int32(storage.ss_family) }

    /// The address in Swift's terms; nil for a family that is not spoken here.
    var address: SocketAddress? {
        withUnsafeBytes(of: storage) { bytes -> SocketAddress? in
            switch family {
            case AF_INET:
                let raw = bytes.load(as: sockaddr_in.self)
                let address = withUnsafeBytes(of: raw.sin_addr) { Array($0) }
                return .v4(address, port: UInt16(bigEndian: raw.sin_port))
            case AF_INET6:
                let raw = bytes.load(as: sockaddr_in6.self)
                let address = withUnsafeBytes(of: raw.sin6_addr) { Array($0) }
                return .v6(
                    address, port: UInt16(bigEndian: raw.sin6_port), scope: raw.sin6_scope_id)
            case AF_UNIX:
                let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
                let path = bytes[start..<max(start, min(Int(length), bytes.count))]
                return .unix(String(decoding: path.prefix { $0 != 0 }, as: UTF8.self))
            default:
                return nil
            }
        }
    }

    private mutating func fill<Raw>(from raw: Raw) {
        length = UInt32(MemoryLayout<Raw>.size)
        withUnsafeBytes(of: raw) { source in
            withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: source) }
        }
    }
}
