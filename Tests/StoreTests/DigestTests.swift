import Digests
import Testing

@Suite("Digests")
struct DigestTests {
    /// Published vectors: FIPS 180-4's example, and XXH3-128 of nothing (xxHash specification).
    @Test(arguments: [
        ("", "xxh3:99aa06d3014798d86001c324468d497f"),
        ("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("abc", "xxh3:06b05ab6733a618578af5f94892f3950"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func knownVectors(text: String, expected: String) throws {
        let algorithm = try #require(Digest(expected)).algorithm
        #expect(Digest(of: Array(text.utf8), by: algorithm).description == expected)
    }

    @Test("Pieces of any size make the same digest", arguments: DigestAlgorithm.allCases)
    func pieces(algorithm: DigestAlgorithm) {
        let bytes = pattern(5000)
        let whole = Digest(of: bytes, by: algorithm)
        for step in [1, 3, 64, 241, 4999] {
            var state = DigestState(algorithm)
            for start in stride(from: 0, to: bytes.count, by: step) {
                bytes[start..<min(start + step, bytes.count)].withUnsafeBytes { state.update($0) }
            }
            state.update(UnsafeRawBufferPointer(start: nil, count: 0))
            #expect(state.finalize() == whole)
        }
    }

    @Test("The text goes there and back; nothing else is taken")
    func text() throws {
        let digest = Digest(of: pattern(10), by: .sha256)
        #expect(Digest(digest.description) == digest)
        #expect(Digest("sha256:" + digest.description.dropFirst(7).uppercased()) == digest)
        let hex = String(repeating: "0", count: 32)
        #expect(Digest("xxh3:" + hex) != nil)
        for wrong in [
            "", ":", "xxh3", "xxh3:", "xxh3:" + hex + "00", "xxh3:" + hex.dropLast(), "md5:" + hex,
            "XXH3:" + hex, " xxh3:" + hex, "xxh3:" + hex + "\n", "sha256:" + hex, hex,
            "xxh3:" + hex.dropLast(1) + "g", "xxh3:" + hex + ":", "xxh3:+" + hex.dropLast(1),
        ] {
            #expect(Digest(wrong) == nil, "\(wrong)")
        }
    }
}
