import Digests
import Store

extension DigestAlgorithm {
    /// Reads the argument by which a client asks for a digest; nil if it asks for none.
    static func wanted(_ text: String?) throws(StoreError) -> DigestAlgorithm? {
        guard let text else { return nil }
        guard let algorithm = DigestAlgorithm(rawValue: text) else {
            throw StoreError(.badArgument, "argument \"digest\": is not \"xxh3\" or \"sha256\"")
        }
        return algorithm
    }
}

extension Digest {
    /// Reads a digest that a client states; nil if it states none.
    static func stated(_ text: String?) throws(StoreError) -> Digest? {
        guard let text else { return nil }
        guard let digest = Digest(text) else {
            throw StoreError(
                .badArgument, "a digest is xxh3: and 32 or sha256: and 64 hexadecimal digits")
        }
        return digest
    }
}
