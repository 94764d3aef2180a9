extension Box {
    /// The arguments of a command, or the values of a response, as a box.
    ///
    /// - Throws: an ``ArgumentError`` naming the key that does not fit into a box.
    public init(arguments value: some Encodable) throws(ArgumentError) {
        let encoder = BoxEncoder()
        do {
            try value.encode(to: encoder)
        } catch let error as ArgumentError {
            throw error
        } catch {
            throw ArgumentError(String(describing: type(of: value)), "\(error)")
        }
        self = encoder.box
    }

    fileprivate mutating func append(_ stream: some StreamArgument, as key: String)
        throws(ArgumentError)
    {
        try append(key, stream.id.number.wireBytes)
        if let length = stream.length { try append(key + "-length", length.wireBytes) }
        if let digest = stream.digest { try append(key + "-digest", digest.utf8) }
        if let priority = stream.priority { try append(key + "-priority", priority.wireBytes) }
    }
}

/// Writes the properties of a command or response as pairs of one box.
private final class BoxEncoder: Encoder {
    var box = Box()
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Pairs<Key>(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { Misfit() }
    func singleValueContainer() -> any SingleValueEncodingContainer { Misfit() }

    struct Pairs<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let encoder: BoxEncoder
        var codingPath: [any CodingKey] { [] }

        func encodeNil(forKey key: Key) throws {}

        func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
            if let argument = value as? any Argument {
                try encoder.box.append(key.stringValue, argument.wireBytes)
            } else if let stream = value as? any StreamArgument {
                try encoder.box.append(stream, as: key.stringValue)
            } else {
                throw ArgumentError(key.stringValue, "\(T.self) is not an argument type of AMP")
            }
        }

        func nestedContainer<Nested>(
            keyedBy: Nested.Type, forKey: Key
        ) -> KeyedEncodingContainer<Nested> {
            KeyedEncodingContainer(Pairs<Nested>(encoder: encoder))
        }
        func nestedUnkeyedContainer(forKey: Key) -> any UnkeyedEncodingContainer { Misfit() }
        func superEncoder() -> any Encoder { encoder }
        func superEncoder(forKey: Key) -> any Encoder { encoder }
    }

    /// Where a value asks for a form that a box does not have.
    struct Misfit: UnkeyedEncodingContainer, SingleValueEncodingContainer {
        var codingPath: [any CodingKey] { [] }
        var count: Int { 0 }

        func encodeNil() throws {}
        func encode<T: Encodable>(_ value: T) throws {
            throw ArgumentError("\(T.self)", "a box holds pairs of key and value, nothing else")
        }
        func nestedContainer<Nested>(keyedBy: Nested.Type) -> KeyedEncodingContainer<Nested> {
            KeyedEncodingContainer(Pairs<Nested>(encoder: BoxEncoder()))
        }
        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { self }
        func superEncoder() -> any Encoder { BoxEncoder() }
    }
}
