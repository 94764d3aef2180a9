import Runtime

/// The names of a listing, as they come: asked for when iterated, so that a listing of any
/// length needs no more memory than a window of it.
///
/// What the server lists is data: a name may hold anything that UTF-8 can, and says nothing about
/// where something is to be stored here.
public struct NameSequence: AsyncSequence, Sendable {
    public typealias Element = ListedName

    private let store: StoreClient
    private let command: List

    init(of store: StoreClient, _ command: List) {
        self.store = store
        self.command = command
    }

    public func makeAsyncIterator() -> Iterator { Iterator(store: store, command: command) }

    public struct Iterator: AsyncIteratorProtocol {
        private let store: StoreClient
        private let command: List
        private var stream: ByteStream?
        private var bytes: [UInt8] = []
        /// Bytes of `bytes` that are read.
        private var position = 0
        private var parser = BoxParser()

        init(store: StoreClient, command: List) {
            self.store = store
            self.command = command
        }

        /// The next name; nil at the end. Throws what the call and the stream throw, and
        /// ``ConnectionError/badAnswer(command:reason:)`` for bytes that are no listing.
        public mutating func next() async throws -> ListedName? {
            let stream = try await begin()
            while true {
                if let box = try nextBox() { return try read(box) }
                guard let piece = try await stream.next() else {
                    guard position == bytes.count else { throw wrong("it ends within a box") }
                    return nil
                }
                bytes.removeFirst(position)
                position = 0
                bytes += piece
            }
        }

        private mutating func begin() async throws -> ByteStream {
            if let stream { return stream }
            let reply = try await store.streamingClient().request(command)
            guard let stream = reply.stream(reply.response.listing) else {
                throw wrong("it carries no stream")
            }
            self.stream = stream
            return stream
        }

        private mutating func nextBox() throws -> Box? {
            let (bytes, start) = (bytes, position)
            let rest = bytes.span.extracting(start...)
            do throws(Violation) {
                guard let length = try parser.next(rest) else { return nil }
                position = start + length
                return Box(parser.pairs, of: rest)
            } catch {
                throw wrong(error.description)
            }
        }

        private func read(_ box: Box) throws -> ListedName {
            do throws(ArgumentError) {
                return try box.decode(ListedName.self)
            } catch {
                throw wrong(error.description)
            }
        }

        private func wrong(_ reason: String) -> ConnectionError {
            .badAnswer(command: List.name, reason: reason)
        }
    }
}
