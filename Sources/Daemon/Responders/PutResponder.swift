import AMPServer
import Digests
import Store
import StoreCommands

/// Answers `Put`: the upload is opened, written and published on workers, while its bytes come.
final class PutResponder: Responder {
    private let driver: any Driver
    /// Uploads under way that have a token: at most one a token.
    private var live: [[UInt8]: PutWork] = [:]

    init(_ driver: any Driver) { self.driver = driver }

    func respond(to put: Put, _ request: Request) {
        let stream = put.upload.id
        do throws(StoreError) {
            let work = PutWork(
                try UploadRequest(put), stream: stream, request: request, driver: driver,
                responder: self)
            request.work = work
            takeOver(work)
        } catch {
            request.connection.stop(stream, .cancelled, reason: error.description)
            request.fail(error)
        }
    }

    /// A second Put of a token takes over from the first, whose client has lost its connection
    /// before we did: that one's stream is stopped, and what it wrote is kept.
    private func takeOver(_ work: PutWork) {
        guard let token = work.token else { return work.begin() }
        let elder = live.updateValue(work, forKey: token)
        guard let elder else { return work.begin() }
        elder.giveWay(to: work)
    }

    /// Runs `body` once what an interrupted upload of this token has written is durable: at once,
    /// unless it is being seen to right now.
    func afterSuspension(of token: [UInt8], _ body: @escaping () -> Void) {
        guard let work = live[token], work.isGivenUp else { return body() }
        work.whenOver.append(body)
    }

    fileprivate func ended(_ work: PutWork) {
        guard let token = work.token, live[token] === work else { return }
        live[token] = nil
    }
}

extension UploadRequest {
    fileprivate init(_ put: Put) throws(StoreError) {
        self.init(
            name: try FileName(put.filename), token: put.token, offset: put.offset ?? 0,
            length: put.upload.length, digest: try Digest.stated(put.upload.digest),
            wanted: try DigestAlgorithm.wanted(put.digest), ifAbsent: put.ifAbsent ?? false)
    }
}

/// One `Put` under way.
///
///     opening ─► receiving ─► committing ─► answered
///        └────────────┴─► suspending ─► failed       (the stream or the call is given up)
final class PutWork {
    private let upload: UploadRequest
    private let request: Request
    private let driver: any Driver
    private let sink: WriterSink
    private weak var responder: PutResponder?
    private var phase = Phase.opening
    /// Why it fails, once it does.
    private var fault: StreamFault?
    private var successor: PutWork?
    fileprivate var whenOver: [() -> Void] = []

    private enum Phase {
        /// Waiting for an elder to give way, or for the store to open the file.
        case opening
        case receiving(any Store.Upload)
        case committing
        case suspending
        case over
    }

    init(
        _ upload: UploadRequest, stream: StreamID, request: Request, driver: any Driver,
        responder: PutResponder
    ) {
        self.upload = upload
        self.request = request
        self.driver = driver
        self.responder = responder
        sink = WriterSink(stream, of: request.connection, lane: .writes)
        sink.delegate = self
        request.connection.receive(stream, into: sink)
    }

    var token: [UInt8]? { upload.token }

    /// Whether it fails as soon as workers have done what is under way.
    fileprivate var isGivenUp: Bool { fault != nil || sink.isGivenUp }

    func begin() {
        if let fault { return end(fault) }
        let (driver, upload) = (driver, upload)
        // To take up an upload whose whole digest is wanted, what is there is read first.
        let lane: Lane = upload.offset > 0 && upload.wanted != nil ? .scans : .metadata
        let job = StoreJob(
            { () throws(StoreError) in try driver.begin(upload) },
            then: { result in
                self.opened(result)
            })
        request.connection.reactor.submit(job, to: lane)
    }

    /// Stops for the sake of a younger Put of the same token, which begins when this has ended.
    fileprivate func giveWay(to younger: PutWork) {
        successor = younger
        let fault = StreamFault(code: "CANCELLED", reason: "another Put of this token took over")
        if case .over = phase { return letSuccessorBegin() }
        sink.fail(.cancelled, fault)
    }

    private func opened(_ result: Result<any Store.Upload, StoreError>) {
        switch result {
        case .success(let file):
            phase = .receiving(file)
            if let fault { return suspend(fault) }
            sink.start(UploadWriter(file))
        case .failure(let error):
            if fault == nil { sink.fail(.cancelled, StreamFault(error)) }
            end(fault ?? StreamFault(error))
        }
    }

    private func commit(digest text: String?) {
        guard case .receiving(let file) = phase else { return }
        var digest: Digest?
        if let text {
            digest = Digest(text)
            if digest == nil {
                return suspend(
                    StreamFault(code: "MISMATCH", reason: "the stream's end has no digest"))
            }
        }
        phase = .committing
        let (length, stated) = (sink.received, digest)
        let job = StoreJob(
            { () throws(StoreError) in
                try file.commit(length: length, digest: stated)
            },
            then: { result in
                self.committed(result)
            })
        request.connection.reactor.submit(job, to: .writes)
    }

    private func committed(_ result: Result<Receipt, StoreError>) {
        switch result {
        case .success(let receipt):
            phase = .over
            let digest = receipt.digest?.description
            request.answer(Put.Response(size: receipt.size, digest: digest))
            letGo()
        case .failure(let error): end(StreamFault(error))
        }
    }

    /// The stream is given up, by whichever side: what is there is kept if it has a token.
    private func giveUp(_ fault: StreamFault) {
        self.fault = self.fault ?? fault
        switch phase {
        case .opening, .committing, .suspending, .over: break
        case .receiving: suspend(fault)
        }
    }

    private func suspend(_ fault: StreamFault) {
        guard case .receiving(let file) = phase else { return }
        phase = .suspending
        let isWrong = fault.code == "MISMATCH"
        let job = StoreJob(
            { () throws(StoreError) in
                if isWrong { file.discard() } else { file.suspend() }
            },
            then: { _ in
                self.end(fault)
            })
        request.connection.reactor.submit(job, to: .writes)
    }

    private func end(_ fault: StreamFault) {
        phase = .over
        let isDeclared = StoreErrors.all.contains(fault.code)
        request.fail(isDeclared ? fault.code : "CANCELLED", fault.reason)
        letGo()
    }

    private func letGo() {
        responder?.ended(self)
        letSuccessorBegin()
        for body in whenOver { body() }
        whenOver = []
    }

    private func letSuccessorBegin() {
        successor?.begin()
        successor = nil
    }
}

extension PutWork: Cancellable {
    /// Before the publication; one that has begun wins.
    func cancel(_ fault: StreamFault) {
        switch phase {
        case .opening, .receiving: sink.fail(.cancelled, fault)
        case .committing, .suspending, .over: break
        }
    }
}

extension PutWork: WriterSinkDelegate {
    func written(_ sink: WriterSink, digest: String?) { commit(digest: digest) }
    // One that waits for its elder still begins, and so ends, when that has given way.
    func aborted(_ sink: WriterSink, _ fault: StreamFault) { giveUp(fault) }
    func failed(_ sink: WriterSink, _ fault: StreamFault) { giveUp(fault) }
}

/// The store's upload as a sink's writer.
private final class UploadWriter: BlockingWriter {
    private let upload: any Store.Upload

    init(_ upload: any Store.Upload) { self.upload = upload }

    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StreamFault) {
        do throws(StoreError) { try upload.write(vectors) } catch { throw StreamFault(error) }
    }
}
