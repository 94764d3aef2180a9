import Testing

@testable import AMP

/// Argument types, compared with what Twisted accepts and writes again.
struct ArgumentTests {
    static let recorded = Vectors.load("types", kind: "type")

    /// Reads and writes again as the Swift type that stands for the Twisted one.
    static func again(_ type: String?, _ wire: ArraySlice<UInt8>) throws -> [UInt8]? {
        switch type {
        case "Integer": return Int64(wireBytes: wire)?.wireBytes
        case "String": return [UInt8](wireBytes: wire)?.wireBytes
        case "Unicode": return String(wireBytes: wire)?.wireBytes
        case "Boolean": return Bool(wireBytes: wire)?.wireBytes
        case "DateTime": return DateTime(wireBytes: wire)?.wireBytes
        default: throw ArgumentError("type", "nothing stands for Twisted's \(type ?? "nil")")
        }
    }

    /// Twisted reads the numbers of a date by `int()` wherever they stand and looks at no
    /// separator; we take the documented form alone. And an Integer has to fit its Swift type.
    static func isStricter(_ vector: Vector) -> Bool {
        guard let wire = vector.wire?.bytes, let again = vector.again?.bytes else { return false }
        switch vector.type {
        case "DateTime": return again != wire && !isZeroOffset(wire)
        case "Integer":
            let text = String(decoding: again, as: UTF8.self)
            return Int64(text) == nil
        default: return false
        }
    }

    /// `+00:00`, which is read, and written as `-00:00`.
    static func isZeroOffset(_ wire: [UInt8]) -> Bool {
        wire.suffix(6).elementsEqual("+00:00".utf8)
    }

    @Test("Values are accepted, rejected and written as by Twisted", arguments: recorded)
    func againstTwisted(vector: Vector) throws {
        let wire = try #require(vector.wire).bytes
        let again = try Self.again(vector.type, wire[...])
        if Self.isStricter(vector) {
            #expect(again == nil)
        } else {
            #expect((again != nil) == (vector.outcome == "accepted"))
            #expect(again == vector.again?.bytes)
        }
    }

    @Test("A value inside a larger buffer is read alike", arguments: recorded)
    func slices(vector: Vector) throws {
        let wire = try #require(vector.wire).bytes
        let buffer = [1, 2, 3] + wire + [4, 5]
        let inside = try Self.again(vector.type, buffer[3..<buffer.count - 2])
        #expect(try inside == Self.again(vector.type, wire[...]))
    }

    @Test(
        "A date means the instant that Twisted says",
        arguments: recorded.filter { $0.microseconds != nil })
    func instants(vector: Vector) throws {
        let wire = try #require(vector.wire).bytes
        guard let date = DateTime(wireBytes: wire[...]) else {
            #expect(Self.isStricter(vector))
            return
        }
        #expect(String(date.microseconds) == vector.microseconds)
    }
}
