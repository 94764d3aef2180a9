import AMPServer
import Store
import StoreCommands

/// Answers `List`: a worker walks the directories while the names are sent.
final class ListResponder: Responder {
    private let driver: any Driver

    init(_ driver: any Driver) { self.driver = driver }

    func respond(to list: List, _ request: Request) {
        let driver = driver
        let job = StoreJob(
            { () throws(StoreError) in
                try driver.list(prefix: list.prefix ?? "", recursive: list.recursive ?? false)
            },
            then: { result in
                switch result {
                case .success(let listing): self.send(listing, request)
                case .failure(let error): request.fail(error)
                }
            })
        request.connection.reactor.submit(job, to: .scans)
    }

    private func send(_ listing: any Listing, _ request: Request) {
        let connection = request.connection
        do throws(StreamFault) {
            let stream = try request.openDownload(nil)
            request.answer(List.Response(listing: Download(id: stream)))
            ProducerSource(
                ListingProducer(listing), as: stream, on: connection, lane: .scans
            ).start()
        } catch {
            request.fail(error)
            connection.reactor.dispose(of: listing)
        }
    }
}

/// A listing as the boxes that go over the wire.
private final class ListingProducer: BlockingProducer {
    private let listing: any Listing
    private var entries: [ListingEntry] = []
    /// Boxes made and not yet taken.
    private var boxes: [UInt8] = []
    private var hasMore = true

    init(_ listing: any Listing) { self.listing = listing }

    func produce(into buffer: UnsafeMutableRawBufferPointer) throws(StreamFault) -> Int {
        while boxes.isEmpty, hasMore { try makeBoxes() }
        let count = min(boxes.count, buffer.count)
        buffer.copyBytes(from: boxes[..<count])
        boxes.removeFirst(count)
        return count
    }

    private func makeBoxes() throws(StreamFault) {
        entries.removeAll(keepingCapacity: true)
        do throws(StoreError) {
            hasMore = try listing.next(into: &entries)
        } catch {
            throw StreamFault(code: "STORAGE", reason: error.description)
        }
        for entry in entries {
            let name = ListedName(
                name: entry.name.path, size: entry.size,
                modified: DateTime(nanoseconds: entry.modified),
                kind: entry.kind == .directory ? "directory" : nil)
            // A name has at most 4,096 bytes, so it always fits.
            if let box = try? Box(arguments: name) { box.write(to: &boxes) }
        }
    }
}
