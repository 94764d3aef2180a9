import AMPServer
import Digests
import Store
import StoreCommands

/// Answers `Get`: the file is opened on a worker and sent from where it lies.
final class GetResponder: Responder {
    private let driver: any Driver

    init(_ driver: any Driver) { self.driver = driver }

    func respond(to get: Get, _ request: Request) {
        do throws(StoreError) {
            let name = try FileName(get.filename)
            let digest = try DigestAlgorithm.wanted(get.digest)
            let driver = driver
            let job = StoreJob(
                { () throws(StoreError) in
                    let file = try driver.open(name)
                    return OpenedRange(file, try file.range(offset: get.offset, length: get.length))
                },
                then: { result in
                    switch result {
                    case .success(let opened): self.send(opened, for: get, digest, request)
                    case .failure(let error): request.fail(error)
                    }
                })
            request.connection.reactor.submit(job, to: .metadata)
        } catch {
            request.fail(error)
        }
    }

    private func send(
        _ opened: OpenedRange, for get: Get, _ digest: DigestAlgorithm?, _ request: Request
    ) {
        let connection = request.connection
        do throws(StreamFault) {
            let stream = try request.openDownload(get.priority)
            let (file, range) = (opened.file, opened.range)
            let download = Download(id: stream, length: range.upperBound - range.lowerBound)
            request.answer(
                Get.Response(
                    download: download, size: file.size,
                    modified: DateTime(nanoseconds: file.modified)))
            FileSource(
                StoredFileReader(file), range, digest: digest, as: stream, on: connection
            ).start()
        } catch {
            request.fail(error)
            connection.reactor.dispose(of: opened)
        }
    }
}

/// A file that is open and the part of it that is asked for.
private final class OpenedRange {
    let file: StoredFile
    let range: Range<UInt64>

    init(_ file: StoredFile, _ range: Range<UInt64>) {
        self.file = file
        self.range = range
    }
}

extension StoredFile {
    fileprivate func range(offset: UInt64?, length: UInt64?) throws(StoreError) -> Range<UInt64> {
        let start = offset ?? 0
        guard start <= size else {
            throw StoreError(.badOffset, "\(name): \(start) is past its end, \(size)")
        }
        return start..<start + min(length ?? size, size - start)
    }
}

extension Request {
    /// Opens a stream for the response, or says why not in the words of a failed call.
    func openDownload(_ urgency: Urgency?) throws(StreamFault) -> StreamID {
        if let cancellation { throw cancellation }
        guard wantsAnswer else {
            throw StreamFault(code: "BAD_ARGUMENT", reason: "without an answer nothing carries it")
        }
        do throws(StreamError) {
            return try connection.openStream(urgency ?? .standard)
        } catch {
            throw StreamFault(code: "LIMIT", reason: "as many streams are open as you allow")
        }
    }
}

/// The store's file as a source's.
private final class StoredFileReader: ReadableFile {
    private let file: StoredFile

    init(_ file: StoredFile) { self.file = file }

    var descriptor: Int32 { file.descriptor }

    func isCached(offset: UInt64, count: Int) -> Bool? {
        file.isCached(offset: offset, count: count)
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StreamFault) -> Int {
        do throws(StoreError) {
            return try file.read(into: buffer, at: offset)
        } catch {
            throw StreamFault(code: "STORAGE", reason: error.description)
        }
    }
}
