/// The receiver's side of flow control, for a stream or for a whole connection: what the sender
/// may send, counted from the start, and when to let it send more.
struct ReceiveWindow {
    /// The offset up to which the sender may send; never lowered.
    private(set) var limit: UInt64
    private(set) var received: UInt64 = 0
    private(set) var consumed: UInt64 = 0

    init(limit: UInt64) { self.limit = limit }

    /// Bytes that came and have not been consumed.
    var unread: UInt64 { received - consumed }

    /// Counts bytes in; false if they are more than was granted, and then nothing changes.
    mutating func receive(_ count: Int) -> Bool {
        guard UInt64(count) <= limit - received else { return false }
        received += UInt64(count)
        return true
    }

    /// Counts bytes that the application is done with, at most those that came.
    mutating func consume(_ count: UInt64) {
        consumed += min(count, unread)
    }

    /// The new limit to tell the sender, if telling it is worth a box: when a quarter of a
    /// window of `size` bytes is used, well before half of it is.
    mutating func renewal(size: UInt64) -> UInt64? {
        let (sum, overflow) = consumed.addingReportingOverflow(size)
        let next = overflow ? Int64.max.magnitude : min(sum, Int64.max.magnitude)
        guard next > limit, next - limit >= max(1, size / 4) else { return nil }
        limit = next
        return next
    }

    /// Takes over what hello announced: exactly that if nothing came before it, since the sender
    /// then knows no more; else nothing is taken back.
    mutating func settle(at size: UInt64) { limit = received == 0 ? size : max(limit, size) }
}

/// The sender's side of flow control: how far the receiver lets it send.
struct SendCredit {
    private(set) var limit: UInt64
    private(set) var sent: UInt64 = 0

    init(limit: UInt64) { self.limit = limit }

    var available: UInt64 { limit - sent }

    /// The sender never sends more than is ``available``.
    mutating func send(_ count: UInt64) {
        precondition(count <= available, "sent past the credit")
        sent += count
    }

    /// Takes over what the receiver's hello announced, which may be less than the default: once
    /// bytes have gone, or more was granted, nothing is taken back.
    mutating func settle(at size: UInt64, insteadOf initial: UInt64) {
        limit = sent == 0 && limit == initial ? size : max(limit, size)
    }

    /// A limit not above the last is ignored; true if it was raised.
    mutating func raise(to newLimit: UInt64) -> Bool {
        guard newLimit > limit else { return false }
        limit = newLimit
        return true
    }
}
