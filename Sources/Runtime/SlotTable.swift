import Kernel

/// Values under tokens: a slot that is used again has another generation, so an old token finds
/// nothing. Adding and removing cost the same however many there are.
struct SlotTable<Value> {
    private struct Slot {
        var value: Value?
        var generation: UInt32 = 0
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    var count: Int { slots.count - free.count }

    mutating func insert(_ value: Value) -> Token {
        if let slot = free.popLast() {
            slots[Int(slot)].value = value
            return Token(slot: slot, generation: slots[Int(slot)].generation)
        }
        slots.append(Slot(value: value))
        return Token(slot: UInt32(slots.count - 1), generation: 0)
    }

    subscript(token: Token) -> Value? {
        get { isCurrent(token) ? slots[Int(token.slot)].value : nil }
        _modify {
            precondition(isCurrent(token), "the token was removed")
            yield &slots[Int(token.slot)].value
        }
    }

    @discardableResult
    mutating func remove(_ token: Token) -> Value? {
        guard isCurrent(token) else { return nil }
        let value = slots[Int(token.slot)].value
        slots[Int(token.slot)].value = nil
        slots[Int(token.slot)].generation &+= 1
        free.append(token.slot)
        return value
    }

    private func isCurrent(_ token: Token) -> Bool {
        guard Int(token.slot) < slots.count else { return false }
        let slot = slots[Int(token.slot)]
        return slot.generation == token.generation && slot.value != nil
    }
}
