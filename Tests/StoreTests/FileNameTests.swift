import Store
import Testing

@Suite("Names")
struct FileNameTests {
    static let longComponent = String(repeating: "x", count: 255)
    /// 15 components of 255 bytes, one of 254 and one of 1, and 16 slashes: 4,096 bytes.
    static let longest: String = {
        let full = Array(repeating: String(repeating: "y", count: 255), count: 15)
        return (full + [String(repeating: "z", count: 254), "w"]).joined(separator: "/")
    }()

    @Test(arguments: [
        "a", "a/b/c", "a b", "...", ".a", "a.", "..a/b..", "ä/日本/🙂", "a\\b", "-rf", "~", "a:b",
        "x/.ampd", ".ampdx", ".AMPD", "\u{a0}", longComponent,
    ])
    func good(path: String) throws {
        #expect(try FileName(path).path == path)
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", "./a", ".ampd",
        ".ampd/uploads/x", ".ampd/", "a\0", "\0", "a\nb", "a\u{7f}", "\u{1b}[2J", "a\u{85}b",
        "a/\u{9f}", longComponent + "x", String(repeating: "é", count: 128), "..\0/a",
    ])
    func bad(path: String) {
        #expect(refusal { try FileName(path) } == .badName)
    }

    @Test("A whole name has 4,096 bytes at most")
    func longest() throws {
        #expect(Self.longest.utf8.count == 4096)
        #expect(throws: Never.self) { try FileName(Self.longest) }
        #expect(refusal { try FileName(Self.longest + "w") } == .badName)
    }

    @Test("Names are compared byte for byte")
    func bytes() throws {
        let composed = try FileName("\u{e9}")
        let decomposed = try FileName("e\u{301}")
        #expect(composed.path == decomposed.path)
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
    }

    @Test("Directory and last component")
    func parts() throws {
        let name = try FileName("a/b/c")
        #expect(name.last == "c")
        #expect(name.parent?.path == "a/b")
        #expect(try FileName("a").parent == nil)
        #expect(try FileName("a").last == "a")
    }
}
