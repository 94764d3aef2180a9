import Foundation
import Testing

@testable import AMP

/// What real Twisted did, recorded by `Vectors/record.py`, whose head explains the format.
struct Vectors: Decodable {
    let twisted: String
    let cases: [Vector]

    /// The cases of one kind in the file `name`.
    static func load(_ name: String, kind: String) -> [Vector] {
        do {
            let folder = Bundle.module.bundleURL.appending(path: "Vectors")
            let data = try Data(contentsOf: folder.appending(path: name + ".json"))
            return try JSONDecoder().decode(Vectors.self, from: data).cases.filter {
                $0.kind == kind
            }
        } catch {
            fatalError("\(name).json: \(error)")
        }
    }
}

struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let kind: String
    let outcome: String?
    let wire: Hex?
    let pairs: [[Hex]]?
    let boxes: [[[Hex]]]?
    let command: Hex?
    let asks: Bool?
    let count: Int?
    let request: Hex?
    let ask: Hex?
    let code: Hex?
    let description: Hex?
    let type: String?
    let again: Hex?
    let microseconds: String?

    var testDescription: String { name }
}

/// Bytes in the notation of the vectors: hex, runs as `61*65535`, pieces apart by spaces.
struct Hex: Decodable, Sendable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        var bytes: [UInt8] = []
        for piece in try container.decode(String.self).split(separator: " ") {
            let parts = piece.split(separator: "*")
            let digits = Array(parts[0].utf8)
            let once = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
            }
            guard once.count * 2 == digits.count,
                let times = parts.count == 1 ? 1 : Int(parts[1])
            else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hex")
            }
            for _ in 0..<times { bytes += once }
        }
        self.bytes = bytes
    }
}

/// A box as the tests compare it: of a repeated key the last wins, and order means nothing.
typealias Pairs = [[UInt8]: [UInt8]]

extension [[Hex]] {
    var asPairs: Pairs {
        Pairs(map { ($0[0].bytes, $0[1].bytes) }, uniquingKeysWith: { _, last in last })
    }
}

extension Box {
    var asPairs: Pairs {
        Pairs(
            pairs.map { (Array(bytes[$0.key]), Array(bytes[$0.value])) },
            uniquingKeysWith: { _, last in last })
    }

    /// The box at the start of `wire`; nil if there is none, or more than it.
    static func parse(_ wire: [UInt8]) throws -> Box? {
        var parser = BoxParser()
        let span = wire.span
        guard try parser.next(span) == wire.count else { return nil }
        return Box(parser.pairs, of: span)
    }
}
