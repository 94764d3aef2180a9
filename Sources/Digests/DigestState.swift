import COpenSSL
import CXXHash

/// A digest in the making: bytes go in as they pass, in any pieces.
///
///     var state = DigestState(.xxh3)
///     state.update(bytes)
///     let digest = state.finalize()
///
/// The states lie in memory of libxxhash (`XXH3_createState`) and of OpenSSL
/// (`EVP_MD_CTX_new(3)`), which this value owns.
public struct DigestState: ~Copyable, @unchecked Sendable {
    public let algorithm: DigestAlgorithm
    private let state: State

    private enum State {
        case xxh3(OpaquePointer)
        case sha256(OpaquePointer)
    }

    /// The state before the first byte. Traps when memory is exhausted.
    public init(_ algorithm: DigestAlgorithm) {
        self.algorithm = algorithm
        switch algorithm {
        case .xxh3:
            guard let state = XXH3_createState(), XXH3_128bits_reset(state) == XXH_OK
            else { preconditionFailure("no memory for XXH3") }
            self.state = .xxh3(state)
        case .sha256:
            guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
            else { preconditionFailure("no memory for SHA-256, or OpenSSL has it disabled") }
            self.state = .sha256(context)
        }
    }

    deinit {
        switch state {
        case .xxh3(let state): XXH3_freeState(state)
        case .sha256(let context): EVP_MD_CTX_free(context)
        }
    }

    /// Appends bytes (`XXH3_128bits_update`, `EVP_DigestUpdate(3)`).
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        switch state {
        case .xxh3(let state):
            let result = XXH3_128bits_update(state, base, bytes.count)
            precondition(result == XXH_OK)
        case .sha256(let context):
            let result = EVP_DigestUpdate(context, base, bytes.count)
            precondition(result == 1)
        }
    }

    /// The digest of all bytes so far (`XXH3_128bits_digest`, `EVP_DigestFinal_ex(3)`).
    public consuming func finalize() -> Digest {
        var bytes = [UInt8](repeating: 0, count: algorithm.byteCount)
        switch state {
        case .xxh3(let state):
            let hash = XXH3_128bits_digest(state)
            for index in 0..<8 {
                let shift = UInt64(56 - 8 * index)
                bytes[index] = UInt8(truncatingIfNeeded: hash.high64 >> shift)
                bytes[8 + index] = UInt8(truncatingIfNeeded: hash.low64 >> shift)
            }
        case .sha256(let context):
            let result = EVP_DigestFinal_ex(context, &bytes, nil)
            precondition(result == 1)
        }
        guard let digest = Digest(algorithm, bytes: bytes) else { preconditionFailure() }
        return digest
    }
}

extension Digest {
    /// The digest of bytes in memory.
    public init(of bytes: UnsafeRawBufferPointer, by algorithm: DigestAlgorithm) {
        var state = DigestState(algorithm)
        state.update(bytes)
        self = state.finalize()
    }

    /// The digest of bytes in memory.
    public init(of bytes: [UInt8], by algorithm: DigestAlgorithm) {
        self = bytes.withUnsafeBytes { Digest(of: $0, by: algorithm) }
    }
}
