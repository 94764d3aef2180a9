import AMPServer
import Digests
import StoreCommands

/// A call that asks by itself.
protocol Askable {
    func ask(_ client: StoreClient)
}

extension PendingCall {
    /// Reads an answer; a wrong one is a mistake of the server's.
    fileprivate func read<T: Decodable>(
        _ type: T.Type, _ box: Box, _ client: StoreClient
    ) -> (response: T, streams: [StreamID])? {
        do throws(ArgumentError) {
            var streams: [StreamID] = []
            return (try box.decode(type, streams: &streams), streams)
        } catch {
            client.note("\(type): \(error)")
            return nil
        }
    }

    /// Errors that any call may have.
    fileprivate func isExcused(_ error: RemoteError, _ client: StoreClient) -> Bool {
        switch error.code {
        case "CANCELLED", "GOAWAY", "LIMIT": true
        case "IO", "NO_SPACE": client.diskMayFail
        default: false
        }
    }
}

final class PutCall: PendingCall, Askable {
    private let upload: InterruptedUpload
    private let wanted: DigestAlgorithm?
    private let put: Put

    init(
        _ upload: InterruptedUpload, stream: StreamID, from offset: Int, client: StoreClient
    ) {
        self.upload = upload
        wanted = client.chance.oneIn(2) ? .xxh3 : nil
        let rest = upload.contents.bytes.count - offset
        let digest =
            offset == 0
            ? upload.contents.digest
            : Digest(of: Array(upload.contents.bytes[offset...]), by: .xxh3)
        let argument = Upload(
            id: stream, length: client.chance.oneIn(2) ? UInt64(rest) : nil,
            digest: client.chance.oneIn(2) ? digest.description : nil)
        put = Put(
            upload: argument, filename: upload.name, digest: wanted?.rawValue,
            token: upload.token, offset: offset > 0 ? UInt64(offset) : nil)
    }

    func ask(_ client: StoreClient) { client.ask(put, uploads: [put.upload.id], self) }

    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {
        upload.isUnderWay = false
        upload.isOver = true
        client.ledger.acknowledge(upload.name, upload.change)
        guard let (response, _) = read(Put.Response.self, box, client) else { return }
        if response.size != UInt64(upload.contents.bytes.count) {
            client.note("Put of \(upload.contents.bytes.count) bytes answers \(response.size)")
        }
        if wanted != nil, response.digest != upload.contents.digest.description {
            client.note("Put answers digest \(response.digest ?? "none")")
        }
    }

    /// Only a failing disk may leave it open whether the file was published; and an upload with
    /// a token may still be finished by another call.
    func failed(_ error: RemoteError, _ client: StoreClient) {
        upload.isUnderWay = false
        if upload.token == nil, error.code != "IO" {
            client.ledger.void(upload.name, upload.change)
        }
        switch error.code {
        case "BAD_OFFSET", "NOT_FOUND": if upload.token == nil { fallthrough }
        default:
            if !isExcused(error, client) { client.note("Put of \(upload.name): \(error)") }
        }
    }
}

final class UploadStatusCall: PendingCall, Askable {
    private let upload: InterruptedUpload

    init(_ upload: InterruptedUpload) {
        self.upload = upload
        upload.isUnderWay = true
    }

    func ask(_ client: StoreClient) {
        client.ask(UploadStatus(token: upload.token ?? [], digest: "xxh3"), self)
    }

    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {
        upload.isUnderWay = false
        guard let (response, _) = read(UploadStatus.Response.self, box, client) else { return }
        guard let offset = Int(exactly: response.offset), offset <= upload.contents.bytes.count
        else { return client.note("UploadStatus: \(response.offset) bytes were never sent") }
        let prefix = Digest(of: Array(upload.contents.bytes[..<offset]), by: .xxh3)
        if response.digest != prefix.description {
            client.note("UploadStatus: the durable \(offset) bytes are others")
        }
        client.send(upload, from: offset)
    }

    /// Nothing durable came, or it was finished though nobody was told.
    func failed(_ error: RemoteError, _ client: StoreClient) {
        upload.isUnderWay = false
        if error.code != "NOT_FOUND", !isExcused(error, client) {
            client.note("UploadStatus: \(error)")
        }
    }
}

final class GetCall: PendingCall, Askable {
    private let name: String
    private let begun: Int
    private let offset: Int
    private let length: Int?

    init(_ name: String, _ client: StoreClient) {
        self.name = name
        begun = client.ledger.now
        offset = client.chance.oneIn(3) ? client.chance.size(in: 1...2_000) : 0
        length = client.chance.oneIn(3) ? client.chance.size(in: 1...50_000) : nil
    }

    func ask(_ client: StoreClient) {
        let get = Get(
            filename: name, offset: offset > 0 ? UInt64(offset) : nil,
            length: length.map { UInt64($0) }, digest: client.chance.oneIn(2) ? "xxh3" : nil)
        client.ask(get, self)
    }

    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {
        guard let (response, streams) = read(Get.Response.self, box, client) else { return }
        guard let connection = client.connection, try connection.open(streams) else {
            return client.note("the answer's streams are too many")
        }
        let states = client.ledger.states(of: name, since: begun)
            .filter { contents in contents.map { UInt64($0.bytes.count) } == response.size }
        if states.isEmpty { client.note("Get of \(name): nothing of \(response.size) bytes") }
        let stream = response.download.id
        client.began()
        let sink = DownloadSink(stream, client) { [name, offset, length] bytes in
            let isRight = states.contains { contents in
                guard let all = contents?.bytes else { return false }
                let end = min(all.count, length.map { offset + $0 } ?? all.count)
                return offset <= end && all[offset..<end] == bytes[...]
            }
            if !isRight { client.note("Get of \(name): \(bytes.count) bytes of nobody's") }
        }
        connection.receive(stream, into: sink)
    }

    func failed(_ error: RemoteError, _ client: StoreClient) {
        let states = client.ledger.states(of: name, since: begun)
        switch error.code {
        case "NOT_FOUND" where states.contains { $0 == nil }: break
        case "BAD_OFFSET" where states.contains { ($0?.bytes.count ?? .max) < offset }: break
        default: if !isExcused(error, client) { client.note("Get of \(name): \(error)") }
        }
    }
}

final class StatCall: PendingCall, Askable {
    private let name: String
    private let begun: Int

    init(_ name: String, _ client: StoreClient) {
        self.name = name
        begun = client.ledger.now
    }

    func ask(_ client: StoreClient) { client.ask(Stat(filename: name, digest: "xxh3"), self) }

    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {
        guard let (response, _) = read(Stat.Response.self, box, client) else { return }
        let isRight = client.ledger.states(of: name, since: begun).contains { contents in
            contents.map { UInt64($0.bytes.count) } == response.size
                && contents?.digest.description == response.digest
        }
        if !isRight { client.note("Stat of \(name): \(response)") }
    }

    func failed(_ error: RemoteError, _ client: StoreClient) {
        let states = client.ledger.states(of: name, since: begun)
        if error.code == "NOT_FOUND", states.contains(where: { $0 == nil }) { return }
        if !isExcused(error, client) { client.note("Stat of \(name): \(error)") }
    }
}

final class RemoveCall: PendingCall, Askable {
    private let name: String
    private let begun: Int
    private let change: Int

    init(_ name: String, _ client: StoreClient) {
        self.name = name
        begun = client.ledger.now
        change = client.ledger.begin(name, nil)
    }

    func ask(_ client: StoreClient) { client.ask(Remove(filename: name), self) }

    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {
        client.ledger.acknowledge(name, change)
    }

    /// Another client may have removed it in the same moment.
    func failed(_ error: RemoteError, _ client: StoreClient) {
        let states = client.ledger.states(of: name, since: begun)
        if error.code == "NOT_FOUND", states.contains(where: { $0 == nil }) {
            return client.ledger.void(name, change)
        }
        if !isExcused(error, client) { client.note("Remove of \(name): \(error)") }
    }
}

final class ListCall: PendingCall, Askable {
    private let begun: Int

    init(_ client: StoreClient) { begun = client.ledger.now }

    func ask(_ client: StoreClient) { client.ask(List(recursive: true), self) }

    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {
        guard let (response, streams) = read(List.Response.self, box, client) else { return }
        guard let connection = client.connection, try connection.open(streams) else {
            return client.note("the answer's streams are too many")
        }
        client.began()
        let sink = DownloadSink(response.listing.id, client) { [begun] bytes in
            let names = RawBoxes.parse(bytes).compactMap { $0["name"] }
            // A name that was there all the time is told exactly once.
            for name in Ledger.names {
                let mayLack = client.ledger.states(of: name, since: begun).contains { $0 == nil }
                let count = names.count { $0 == name }
                if !mayLack, count != 1 { client.note("List: \(name) \(count) times") }
            }
        }
        connection.receive(response.listing.id, into: sink)
    }

    func failed(_ error: RemoteError, _ client: StoreClient) {
        if !isExcused(error, client) { client.note("List: \(error)") }
    }
}

final class PingCall: PendingCall, Askable {
    func ask(_ client: StoreClient) { client.ask(Ping(), self) }
    func answered(_ box: Box, _ client: StoreClient) throws(Violation) {}
    func failed(_ error: RemoteError, _ client: StoreClient) {
        if !isExcused(error, client) { client.note("Ping: \(error)") }
    }
}

/// Takes a download, at once or after a while, and has it checked when it is whole.
final class DownloadSink: Sink, TimerHandler {
    private let stream: StreamID
    private unowned let client: StoreClient
    private let check: ([UInt8]) -> Void
    private var bytes: [UInt8] = []
    private var unread = 0
    private var timer: TimerToken?

    init(_ stream: StreamID, _ client: StoreClient, _ check: @escaping ([UInt8]) -> Void) {
        self.stream = stream
        self.client = client
        self.check = check
    }

    func receive(_ slice: Slice) {
        bytes += slice.bytes
        unread += slice.count
    }

    func flush() {
        guard timer == nil, unread > 0 else { return }
        guard client.chance.oneIn(4) else { return read() }
        let time = client.reactor.now + client.chance.interval(upTo: .seconds(1))
        timer = client.reactor.schedule(self, at: time)
    }

    func fire(_ timer: TimerToken) {
        self.timer = nil
        read()
    }

    private func read() {
        client.connection?.consumed(stream, unread)
        unread = 0
    }

    func ended(digest: String?) {
        if let digest, digest != Digest(of: bytes, by: .xxh3).description {
            client.note("a download's digest is another's")
        }
        check(bytes)
        over()
    }

    func aborted(_ fault: StreamFault) {
        let isOurs = fault.code == "CANCELLED" || client.ending != nil
        if !isOurs, !client.diskMayFail, client.connection?.isClosed == false {
            client.note("a download was abandoned: \(fault)")
        }
        over()
    }

    private func over() {
        if unread > 0, timer == nil { read() }
        client.finished()
    }
}
