import AMP

/// A box as it goes over the wire, in the order given, repetitions and all.
func wire(_ pairs: KeyValuePairs<String, String>) -> [UInt8] {
    var bytes: [UInt8] = []
    for (key, value) in pairs {
        bytes.appendLength(key.utf8.count)
        bytes += key.utf8
        bytes.appendLength(value.utf8.count)
        bytes += value.utf8
    }
    bytes.appendTerminator()
    return bytes
}

/// The boxes that these bytes are.
func rawBoxes(in bytes: [UInt8]) -> [[String: [UInt8]]] {
    var parser = BoxParser()
    var boxes: [[String: [UInt8]]] = []
    var start = 0
    while let length = try? parser.next(bytes.span.extracting(start...)) {
        var box: [String: [UInt8]] = [:]
        for pair in parser.pairs {
            let key = String(decoding: bytes[shifted(pair.key, start)], as: UTF8.self)
            box[key] = Array(bytes[shifted(pair.value, start)])
        }
        boxes.append(box)
        start += length
    }
    return boxes
}

/// The same as text.
func boxes(in bytes: [UInt8]) -> [[String: String]] {
    rawBoxes(in: bytes).map { $0.mapValues { String(decoding: $0, as: UTF8.self) } }
}

private func shifted(_ range: Range<Int>, _ start: Int) -> Range<Int> {
    start + range.lowerBound..<start + range.upperBound
}

extension [[String: String]] {
    /// The boxes of one command.
    func all(_ command: String) -> [[String: String]] { filter { $0["_command"] == command } }
}

/// Random numbers that a seed repeats: SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Bytes that tell where they belong.
func pattern(_ count: Int, _ salt: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31 &+ $0 >> 8) &+ salt) }
}
