import Digests

/// The contents of one upload, unlike all others.
final class Contents {
    let bytes: [UInt8]
    let digest: Digest

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        digest = Digest(of: bytes, by: .xxh3)
    }
}

/// What clients have asked to be changed and what they were told of it: from this follows what
/// anybody may find under a name. Time here is a count of the ledger's own entries.
final class Ledger {
    private struct Change {
        /// nil: the name is removed.
        var contents: Contents?
        var begun: Int
        /// When success was told; nil if nothing was told.
        var ended: Int?
        /// Failure was told, of a kind that leaves no effect.
        var isVoid = false
    }

    /// Names that clients use, so few that they get in one another's way.
    static let names = ["a", "b", "c/d", "c/e/f"]

    private var changes: [String: [Change]] = [:]
    private(set) var now = 0
    /// Changes of which success was told.
    private(set) var acknowledged = 0

    private func tick() -> Int {
        now += 1
        return now
    }

    /// A change is asked for; returns its number, for what is told of it later.
    func begin(_ name: String, _ contents: Contents?) -> Int {
        let start = Change(contents: nil, begun: 0, ended: 0)
        changes[name, default: [start]].append(Change(contents: contents, begun: tick()))
        return changes[name, default: []].count - 1
    }

    func acknowledge(_ name: String, _ number: Int) {
        acknowledged += 1
        changes[name]?[number].ended = tick()
    }

    func void(_ name: String, _ number: Int) { changes[name]?[number].isVoid = true }

    /// What a look at the name may find that began at `begun` and ends now: whatever was not
    /// surely replaced before the look began.
    func states(of name: String, since begun: Int) -> [Contents?] {
        guard let changes = changes[name] else { return [nil] }
        return changes.filter { change in
            guard !change.isVoid else { return false }
            guard let ended = change.ended else { return true }
            return !changes.contains { later in
                later.begun > ended && later.ended.map { $0 < begun } == true
            }
        }.map(\.contents)
    }
}
