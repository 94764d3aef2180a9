import Foundation
import Store
import Testing

@Suite("Listings")
struct ListingTests {
    let store: Workspace

    init() throws { store = try Workspace() }

    @Test("All names, one level or a prefix")
    func prefixes() throws {
        for name in ["a", "ab/c", "ab/d/e", "abc", "b/.ampd/x", "é", "..x"] {
            try store.put(name, [1])
        }
        let all = [
            "a", "ab", "ab/c", "ab/d", "ab/d/e", "abc", "b", "b/.ampd", "b/.ampd/x", "é", "..x",
        ].sorted()
        #expect(try store.names() == all)
        #expect(try store.names(recursive: false) == all.filter { !$0.contains("/") })
        #expect(try store.names(prefix: "ab", recursive: false) == ["ab", "abc"])
        #expect(try store.names(prefix: "ab/", recursive: false) == ["ab/c", "ab/d"])
        for prefix in ["a", "ab", "ab/", "ab/d", "ab/d/", "ab/d/e", ".", "..", "b/.", "x", "x/y/"] {
            #expect(
                try store.names(prefix: prefix) == all.filter { $0.hasPrefix(prefix) }, "\(prefix)")
        }
        #expect(try store.names(prefix: "a/") == [])
        for prefix in ["/", "../", "ab//", "ab/../", ".ampd/", "a\0", "\n"] {
            #expect(refusal { try store.names(prefix: prefix) } == .badName, "\(prefix)")
        }
    }

    @Test("An entry says what it is, how big and from when")
    func attributes() throws {
        try store.put("d/f", [1, 2, 3])
        let entries = try store.list().sorted { $0.name.path < $1.name.path }
        let status = try store.driver.status(of: FileName("d/f"), digest: nil)
        #expect(entries.map(\.kind) == [.directory, .file])
        #expect(entries.map(\.size) == [0, 3])
        #expect(entries.last?.modified == status.modified)
    }

    @Test("Names that are not the store's are passed over")
    func foreign() throws {
        try store.put("good", [1])
        for name in [[0xff, 0xfe], [0x61, 0x0a], [0x1b, 0x5b], [0xc2, 0x85]] as [[UInt8]] {
            let path = Array(store.root.utf8) + [0x2f] + name + [0]
            let file = path.withUnsafeBufferPointer {
                $0.withMemoryRebound(to: CChar.self) { creat($0.baseAddress!, 0o600) }
            }
            try #require(file >= 0)
            close(file)
        }
        #expect(try store.names() == ["good"])
    }

    @Test("Thousands of names come in batches, each once, while others come and go")
    func many() throws {
        for index in 0..<3000 {
            #expect(FileManager.default.createFile(atPath: store.path("f\(index)"), contents: nil))
        }
        let listing = try store.driver.list(prefix: "", recursive: true)
        var found: [String] = []
        var entries: [ListingEntry] = []
        var batches = 0
        while try listing.next(into: &entries) {
            #expect(entries.count < 3000)
            found += entries.map(\.name.path)
            entries = []
            batches += 1
            try store.put("new\(batches)", [1])
            _ = try? store.driver.remove(FileName("f\(2000 + batches)"))
        }
        found += entries.map(\.name.path)
        #expect(batches > 1)
        #expect(Set(found).count == found.count)
        #expect(Set(found).isSuperset(of: (0..<2000).map { "f\($0)" }))
    }

    @Test("Directories nested deeper than a listing goes are an error, not an omission")
    func depth() throws {
        let path = Array(repeating: "d", count: 300).joined(separator: "/")
        try store.put(path + "/f", [1])
        #expect(refusal { try store.names() } == .limit)
        let inner = Array(repeating: "d", count: 200).joined(separator: "/") + "/"
        #expect(try store.names(prefix: inner).count == 101)
    }
}
