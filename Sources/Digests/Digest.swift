/// How bytes are digested.
public enum DigestAlgorithm: String, CaseIterable, Hashable, Sendable {
    /// XXH3 with 128 bits and no seed: fast, finds accidents, no defence against intent.
    case xxh3
    /// SHA-256 (FIPS 180-4).
    case sha256

    /// Length of a digest in bytes.
    public var byteCount: Int {
        switch self {
        case .xxh3: 16
        case .sha256: 32
        }
    }
}

/// The digest of some bytes, and by which algorithm.
///
/// Its text is the algorithm's name, a colon and the bytes in lower-case hexadecimal:
/// `xxh3:99aa06d3014798d86001c324468d497f` (an XXH3-128 in its canonical, big-endian form) or
/// `sha256:` and 64 digits.
public struct Digest: Hashable, Sendable {
    public let algorithm: DigestAlgorithm
    public let bytes: [UInt8]

    /// nil unless there are as many bytes as the algorithm makes.
    public init?(_ algorithm: DigestAlgorithm, bytes: [UInt8]) {
        guard bytes.count == algorithm.byteCount else { return nil }
        self.algorithm = algorithm
        self.bytes = bytes
    }
}

extension Digest: LosslessStringConvertible {
    /// Parses exactly what `description` writes; digits may be of either case. nil for anything
    /// else.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, let algorithm = DigestAlgorithm(rawValue: String(parts[0]) ?? ""),
            let bytes = Hexadecimal.bytes(parts[1])
        else { return nil }
        self.init(algorithm, bytes: bytes)
    }

    public var description: String { algorithm.rawValue + ":" + Hexadecimal.text(bytes) }
}
