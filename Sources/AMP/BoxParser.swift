/// Finds boxes in bytes as they arrive, without copying them.
///
/// A box is pairs of (u16be key length 1...255, key, u16be value length, value), ended by two
/// zero bytes. The caller keeps the bytes in one contiguous buffer that begins with the box to
/// be read; the parser remembers how far it has come, so that bytes looked at once are not
/// looked at again however they were split into reads.
///
///     while let length = try parser.next(unread) {
///         use(parser.pairs, of: unread)     // ranges count from the box's first byte
///         unread = unread.extracting(length...)
///     }
public struct BoxParser: Sendable {
    /// Bounds on what a peer may send before the box is refused; stock AMP has none.
    public struct Limits: Sendable {
        /// The most pairs in a box.
        public var pairs: Int
        /// The most bytes in a box, its terminator included.
        public var bytes: Int

        public init(pairs: Int = 64, bytes: Int = 131_072) {
            self.pairs = pairs
            self.bytes = bytes
        }
    }

    /// Where a pair lies, counted from the first byte of its box.
    @frozen public struct Pair: Equatable, Sendable {
        public var key: Range<Int>
        public var value: Range<Int>

        @inlinable public init(key: Range<Int>, value: Range<Int>) {
            self.key = key
            self.value = value
        }
    }

    public let limits: Limits

    /// The pairs of the box that `next` found last, in the order of the wire.
    public private(set) var pairs: [Pair] = []

    /// Bytes of the box begun that need not be looked at again.
    private var position = 0
    private var isComplete = false

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// The length of the box at the start of `input`, terminator included; nil if it has not
    /// all arrived: call again with the same bytes and more behind them.
    ///
    /// - Throws: a ``Violation`` if what is there cannot become a box within the limits.
    public mutating func next(_ input: Span<UInt8>) throws(Violation) -> Int? {
        if isComplete { startOver() }
        while let keyLength = Self.length(in: input, at: position) {
            if keyLength == 0 { return try complete(at: position + 2) }
            guard keyLength <= 255 else { throw .keyTooLong(keyLength & 0xFF00) }
            guard pairs.count < limits.pairs else { throw .tooManyPairs(limits.pairs) }

            let valueStart = position + 2 + keyLength + 2
            guard valueStart < limits.bytes else { throw .boxTooLong(limits.bytes) }
            guard let valueLength = Self.length(in: input, at: valueStart - 2) else { return nil }
            let end = valueStart + valueLength
            guard end + 2 <= limits.bytes else { throw .boxTooLong(limits.bytes) }
            guard end <= input.count else { return nil }

            pairs.append(Pair(key: position + 2..<valueStart - 2, value: valueStart..<end))
            position = end
        }
        // A first length byte other than zero can only become a key that is too long: garbage
        // and HTTP requests are refused at their first byte.
        if position < input.count, input[position] != 0 {
            throw .keyTooLong(Int(input[position]) << 8)
        }
        return nil
    }

    /// The value of the last pair with this key: of a repeated key the last wins.
    @inlinable
    public func value(of key: StaticString, in input: Span<UInt8>) -> Range<Int>? {
        for pair in pairs.reversed() where input.matches(key, in: pair.key) { return pair.value }
        return nil
    }

    private mutating func startOver() {
        pairs.removeAll(keepingCapacity: true)
        position = 0
        isComplete = false
    }

    private mutating func complete(at end: Int) throws(Violation) -> Int {
        guard !pairs.isEmpty else { throw .emptyBox }
        isComplete = true
        return end
    }

    /// The u16be at `offset`, if both its bytes are there.
    private static func length(in input: Span<UInt8>, at offset: Int) -> Int? {
        guard offset + 2 <= input.count else { return nil }
        return Int(input[offset]) << 8 | Int(input[offset + 1])
    }
}

extension Span<UInt8> {
    /// Whether the bytes of `range` are those of `word`.
    @inlinable
    public func matches(_ word: StaticString, in range: Range<Int>) -> Bool {
        guard word.utf8CodeUnitCount == range.count else { return false }
        for index in 0..<range.count
        where unsafe self[range.lowerBound + index] != word.utf8Start[index] { return false }
        return true
    }
}
