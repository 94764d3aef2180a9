extension Box {
    /// Reads a command or a response out of the box; keys that it does not name are ignored.
    ///
    /// - Parameter streams: receives the numbers of the streams that it carries: the receiver
    ///   opens them before it reads on.
    /// - Throws: an ``ArgumentError`` naming the key that is missing or wrong.
    public func decode<T: Decodable>(
        _ type: T.Type, streams: inout [StreamID]
    ) throws(ArgumentError) -> T {
        let decoder = BoxDecoder(box: self)
        do {
            let value = try T(from: decoder)
            streams = decoder.streams
            return value
        } catch let error as ArgumentError {
            throw error
        } catch let DecodingError.keyNotFound(key, _) {
            throw ArgumentError(key.stringValue, "is missing")
        } catch {
            throw ArgumentError(String(describing: T.self), "\(error)")
        }
    }

    /// Reads a command or a response that carries no streams.
    public func decode<T: Decodable>(_ type: T.Type) throws(ArgumentError) -> T {
        var streams: [StreamID] = []
        return try decode(type, streams: &streams)
    }
}

/// Reads the pairs of one box as the properties of a command or response.
private final class BoxDecoder: Decoder {
    let box: Box
    var streams: [StreamID] = []
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    init(box: Box) { self.box = box }

    func container<Key>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Pairs<Key>(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw misfit }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw misfit }

    private var misfit: ArgumentError {
        ArgumentError("box", "a box holds pairs of key and value, nothing else")
    }

    private func argument<T: Argument>(_ type: T.Type, _ key: String) throws -> T {
        guard let bytes = box[key] else { throw ArgumentError(key, "is missing") }
        guard let value = T(wireBytes: bytes) else {
            throw ArgumentError(key, "is not \(T.wireForm)")
        }
        return value
    }

    private func optional<T: Argument>(_ type: T.Type, _ key: String) throws -> T? {
        box[key] == nil ? nil : try argument(type, key)
    }

    private func stream<T: StreamArgument>(_ type: T.Type, _ key: String) throws -> T {
        let id = StreamID(try argument(UInt64.self, key))
        guard (1...StreamID.largest).contains(id.number) else {
            throw ArgumentError(key, "is not a stream's number, 1 to \(StreamID.largest)")
        }
        let length = try optional(UInt64.self, key + "-length")
        if let length, length > StreamID.largest {
            throw ArgumentError(key + "-length", "is not a length, 0 to \(StreamID.largest)")
        }
        let value = T(
            id: id, length: length,
            digest: try optional(String.self, key + "-digest"),
            priority: try optional(Urgency.self, key + "-priority"))
        streams.append(id)
        return value
    }

    struct Pairs<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: BoxDecoder
        var codingPath: [any CodingKey] { [] }
        var allKeys: [Key] { decoder.box.keys.compactMap { Key(stringValue: $0) } }

        func contains(_ key: Key) -> Bool { decoder.box[key.stringValue] != nil }
        func decodeNil(forKey key: Key) throws -> Bool { false }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            let name = key.stringValue
            let value: Any
            if let argument = type as? any Argument.Type {
                value = try decoder.argument(argument, name)
            } else if let stream = type as? any StreamArgument.Type {
                value = try decoder.stream(stream, name)
            } else {
                throw ArgumentError(name, "\(T.self) is not an argument type of AMP")
            }
            guard let typed = value as? T else { throw decoder.misfit }
            return typed
        }

        func nestedContainer<Nested>(
            keyedBy: Nested.Type, forKey: Key
        ) throws -> KeyedDecodingContainer<Nested> { throw decoder.misfit }
        func nestedUnkeyedContainer(forKey: Key) throws -> any UnkeyedDecodingContainer {
            throw decoder.misfit
        }
        func superDecoder() throws -> any Decoder { throw decoder.misfit }
        func superDecoder(forKey: Key) throws -> any Decoder { throw decoder.misfit }
    }
}
