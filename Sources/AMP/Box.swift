/// A box that owns its bytes: how calls and answers are built and kept.
///
/// The bytes lie as on the wire, so that a box that was received needs two allocations however
/// many pairs it has, and one that is sent is copied once.
public struct Box: Equatable, Sendable {
    /// The pairs as on the wire, without the terminator.
    public private(set) var bytes: [UInt8] = []
    public private(set) var pairs: [BoxParser.Pair] = []

    /// The longest value that is ever sent: 65,535 would desynchronise AMP version 2 peers.
    public static let longestValue = 65_534

    /// An empty box, to be filled before it is sent.
    public init() {}

    /// A copy of the box that a parser found at the start of `input`.
    public init(_ pairs: [BoxParser.Pair], of input: Span<UInt8>) {
        self.pairs = pairs
        let count = pairs.last?.value.upperBound ?? 0
        bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe input.extracting(0..<count).withUnsafeBufferPointer { source in
                _ = unsafe buffer.initialize(from: source)
            }
            initialized = count
        }
    }

    /// Appends a pair.
    ///
    /// - Throws: an ``ArgumentError`` if the key is not 1 to 255 bytes, or the value is longer
    ///   than ``longestValue``.
    public mutating func append(
        _ key: String, _ value: some Collection<UInt8>
    ) throws(ArgumentError) {
        guard (1...255).contains(key.utf8.count) else {
            throw ArgumentError(key, "a key has 1 to 255 bytes, this one \(key.utf8.count)")
        }
        guard value.count <= Self.longestValue else {
            throw ArgumentError(
                key,
                "\(value.count) bytes are more than a value holds (\(Self.longestValue)); "
                    + "send it as a stream")
        }
        let keyStart = bytes.count + 2
        bytes.appendLength(key.utf8.count)
        bytes.append(contentsOf: key.utf8)
        bytes.appendLength(value.count)
        let valueStart = bytes.count
        bytes.append(contentsOf: value)
        pairs.append(.init(key: keyStart..<valueStart - 2, value: valueStart..<bytes.count))
    }

    /// The value of `key`: of a repeated key the last wins, as everywhere in AMP.
    public subscript(key: String) -> ArraySlice<UInt8>? {
        for pair in pairs.reversed() where bytes[pair.key].elementsEqual(key.utf8) {
            return bytes[pair.value]
        }
        return nil
    }

    /// The keys in the order of the wire, read as UTF-8.
    public var keys: [String] { pairs.map { String(decoding: bytes[$0.key], as: UTF8.self) } }

    /// The value of `key` as text, each wrong byte replaced: for errors and logs.
    public func text(of key: String) -> String? {
        self[key].map { String(decoding: $0, as: UTF8.self) }
    }

    /// Appends the box to `output` as it goes over the wire, terminator included.
    public func write(to output: inout [UInt8]) {
        output.append(contentsOf: bytes)
        output.append(0)
        output.append(0)
    }
}

extension [UInt8] {
    /// Appends a length as u16be; the caller has bounded it.
    @inlinable
    package mutating func appendLength(_ length: Int) {
        append(UInt8(truncatingIfNeeded: length >> 8))
        append(UInt8(truncatingIfNeeded: length))
    }

    /// Appends a pair of a box, unchecked: for keys and values known to fit.
    @inlinable
    package mutating func appendPair(_ key: StaticString, _ value: some Collection<UInt8>) {
        appendLength(key.utf8CodeUnitCount)
        unsafe append(
            contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        appendLength(value.count)
        append(contentsOf: value)
    }

    /// Appends a pair whose value is a number in plain decimal digits, without allocating.
    @inlinable
    package mutating func appendPair(_ key: StaticString, _ number: UInt64) {
        appendLength(key.utf8CodeUnitCount)
        unsafe append(
            contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        var digits = 1
        var rest = number
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        appendLength(digits)
        let end = count + digits
        append(contentsOf: repeatElement(0, count: digits))
        rest = number
        for index in 1...digits {
            self[end - index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    /// Appends the two zero bytes that end a box.
    @inlinable
    package mutating func appendTerminator() {
        append(0)
        append(0)
    }
}
