import Clocks

/// What a stream of chance decides. Each concern has its own stream, so that one more decision
/// about the network does not change what the disk does.
public enum Concern: UInt64, Sendable {
    case schedule = 1
    case network, disk, workers, entropy, scenario
}

/// A stream of pseudo-random numbers that its seed determines: SplitMix64 (Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", 2014).
public struct Chance: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64, for concern: Concern) {
        state = seed
        // Neighbouring seeds must not give neighbouring states: one step mixes them apart.
        state = next() ^ (concern.rawValue &* 0xd134_2543_de82_ef95)
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    /// True once in `count` times on average; never if `count` is 0.
    public mutating func oneIn(_ count: UInt64) -> Bool {
        count > 0 && next() % count == 0
    }

    /// 0 up to, but not including, `bound`; 0 if `bound` is not positive.
    public mutating func below(_ bound: Int) -> Int {
        bound > 1 ? Int(next() % UInt64(bound)) : 0
    }

    /// One of `range`, each as likely as any.
    public mutating func number(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// One of `range` (which starts above 0), each order of magnitude as likely as any: small
    /// and large values both come up often.
    public mutating func size(in range: ClosedRange<Int>) -> Int {
        let low = UInt64(range.lowerBound).leadingZeroBitCount
        let high = UInt64(range.upperBound).leadingZeroBitCount
        let bits = 64 - number(in: high...low)
        let floor = 1 << (bits - 1)
        let value = floor + below(floor)
        return min(max(value, range.lowerBound), range.upperBound)
    }

    /// A time from nothing to `longest`, small and large ones alike.
    public mutating func interval(upTo longest: Interval) -> Interval {
        guard longest.nanoseconds > 0 else { return .zero }
        return Interval(nanoseconds: UInt64(size(in: 1...Int(longest.nanoseconds))))
    }

    /// One element of a collection that is not empty.
    public mutating func element<Element>(of array: [Element]) -> Element {
        array[below(array.count)]
    }

    public mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        var index = 0
        while index < buffer.count {
            var word = next()
            let count = min(8, buffer.count - index)
            withUnsafeBytes(of: &word) { bytes in
                UnsafeMutableRawBufferPointer(rebasing: buffer[index..<index + count])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            }
            index += count
        }
    }

    /// `count` bytes of no meaning.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { fill($0) }
        return bytes
    }
}
