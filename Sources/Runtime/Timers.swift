import HeapModule
import Kernel

/// Is told that its time has come.
public protocol TimerHandler: AnyObject {
    func fire(_ timer: TimerToken)
}

/// Names one scheduled firing.
public struct TimerToken: Hashable, Sendable {
    let token: Token
}

/// Timers in the order of their deadlines, those of one deadline in the order of scheduling.
///
/// A cancelled timer leaves the table at once and the heap when it comes up; when most of the
/// heap is such leftovers it is built anew, so it never holds more than twice the live timers
/// (and a few), and cancelling costs O(log n) over time.
struct Timers {
    private struct Entry: Comparable {
        let deadline: Instant
        let sequence: UInt64
        let token: Token

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.sequence) < (right.deadline, right.sequence)
        }
    }

    /// The sequence number of the newest timer, for ``takeDue(at:upTo:)``.
    private(set) var newest: UInt64 = 0
    private var handlers = SlotTable<any TimerHandler>()
    private var heap = Heap<Entry>()

    /// Leftovers that are not worth building the heap anew.
    private static let slack = 64

    /// Entries held, cancelled ones included.
    var held: Int { heap.count }

    mutating func schedule(_ handler: any TimerHandler, at deadline: Instant) -> TimerToken {
        newest += 1
        let token = handlers.insert(handler)
        heap.insert(Entry(deadline: deadline, sequence: newest, token: token))
        return TimerToken(token: token)
    }

    mutating func cancel(_ timer: TimerToken) {
        guard handlers.remove(timer.token) != nil else { return }
        if heap.count > 2 * handlers.count + Self.slack {
            heap = Heap(heap.unordered.filter { handlers[$0.token] != nil })
        }
    }

    /// When the next timer is due; `.never` if there is none.
    var next: Instant {
        mutating get {
            dropCancelled()
            return heap.min?.deadline ?? .never
        }
    }

    /// The next timer that is due at `now`, taken out; of those scheduled up to `sequence`, so
    /// that timers which schedule timers do not hold the loop for ever.
    mutating func takeDue(
        at now: Instant, upTo sequence: UInt64
    ) -> (handler: any TimerHandler, timer: TimerToken)? {
        dropCancelled()
        guard let first = heap.min, first.deadline <= now, first.sequence <= sequence,
            let handler = handlers.remove(first.token)
        else { return nil }
        heap.removeMin()
        return (handler, TimerToken(token: first.token))
    }

    private mutating func dropCancelled() {
        while let first = heap.min, handlers[first.token] == nil { heap.removeMin() }
    }
}
