/// Lets so many in at once; the others wait in line. On its owner's executor alone.
final class Turnstile: @unchecked Sendable {
    private var free: Int
    private var line: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = count }

    /// Waits for a place; each one is to be given back by ``leave()``.
    nonisolated(nonsending) func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { line.append($0) }
        }
    }

    /// Gives the place to whoever waits longest.
    func leave() {
        if line.isEmpty { free += 1 } else { line.removeFirst().resume() }
    }
}
