import Digests
import Kernel

/// An upload into a directory: a hidden file that becomes the named one by a rename.
///
/// On its way it starts writeback every few MiB, so that the final sync has little left to do,
/// and with a token it makes checkpoints: `fdatasync(2)`, then the offset into the record.
/// A sync of data that failed is never tried again, for the kernel may have dropped the pages
/// and would report success: the upload is discarded.
final class DirectoryUpload: Upload {
    private let driver: DirectoryDriver
    private let request: UploadRequest
    /// Of an upload with a token, see ``UploadFolder``; else nil, as `record` is.
    private let stem: String?
    private var record: UploadRecord?
    /// Its name in the folder of uploads.
    private let fileName: String
    /// nil when the upload has ended.
    private var file: Descriptor?
    /// Of the bytes since `begin`.
    private var sent: DigestState?
    /// Of the whole file, where `sent` is not just that.
    private var whole: DigestState?
    private(set) var size: UInt64
    private var writebackStarted: UInt64

    private static let writebackInterval: UInt64 = 4 << 20

    /// See `start`. The file is at the request's offset.
    init(
        _ driver: DirectoryDriver, _ request: UploadRequest, stem: String?, record: UploadRecord?,
        fileName: String, file: consuming Descriptor
    ) {
        self.driver = driver
        self.request = request
        self.stem = stem
        self.record = record
        self.fileName = fileName
        self.file = consume file
        size = request.offset
        writebackStarted = request.offset
    }

    private var kernel: any Kernel { driver.kernel }
    private var place: String { request.name.path }

    /// Reserves room for what is declared, and digests what is there.
    func prepare() throws(StoreError) {
        let number = try liveFile()
        if let length = request.length, length > 0 {
            try naming(place) { () throws(Errno) in
                do throws(Errno) {
                    try kernel.allocate(number, upTo: Int64(request.offset + length))
                } catch .notSupported {}
            }
        }
        let algorithm = request.digest?.algorithm ?? request.wanted
        sent = algorithm.map { DigestState($0) }
        guard let wanted = request.wanted, request.offset > 0 || wanted != algorithm else { return }
        var state = DigestState(wanted)
        try state.update(
            from: number, of: kernel, offset: 0, count: request.offset, request.name)
        whole = consume state
    }

    private func liveFile() throws(StoreError) -> Int32 {
        guard let number = file?.number else {
            throw StoreError(.io, place + ": the upload has ended")
        }
        return number
    }
}

// MARK: Bytes

extension DirectoryUpload {
    func write(_ vectors: UnsafeBufferPointer<IOVector>) throws(StoreError) {
        let number = try liveFile()
        do {
            try append(vectors, to: number)
            if size - writebackStarted >= Self.writebackInterval {
                kernel.startWriteback(
                    number, offset: Int64(writebackStarted), count: Int64(size - writebackStarted))
                writebackStarted = size
            }
        } catch {
            fail(error)
            throw error
        }
        guard let record, size - record.durable >= driver.checkpointInterval else { return }
        do throws(Errno) {
            try kernel.syncData(number)
            try record.set(size)
        } catch {
            discard()
            throw StoreError(error, at: place)
        }
    }

    private func append(
        _ vectors: UnsafeBufferPointer<IOVector>, to number: Int32
    ) throws(StoreError) {
        let count = vectors.reduce(UInt64(0)) { $0 + UInt64(max(0, $1.count)) }
        let (end, overflows) = size.addingReportingOverflow(count)
        if overflows || end > UInt64(Int64.max) {
            throw StoreError(.noSpace, place + ": no file is that long")
        }
        if let length = request.length, end - request.offset > length {
            throw StoreError(.mismatch, "\(place): more than the declared \(length) bytes")
        }
        for vector in vectors {
            let bytes = UnsafeRawBufferPointer(start: vector.base, count: vector.count)
            sent?.update(bytes)
            whole?.update(bytes)
        }
        try naming(place) { () throws(Errno) in
            try kernel.writeAll(number, vectors, at: Int64(size))
        }
        size = end
    }

    /// A full disk may have room again by the time the client is back: what is durable stays.
    private func fail(_ error: StoreError) {
        guard error.code == .noSpace, let record, record.durable > 0, let number = file?.number
        else { return discard() }
        try? kernel.truncate(number, to: Int64(record.durable))
        letGo()
    }
}

// MARK: Ends

extension DirectoryUpload {
    func commit(length: UInt64?, digest: Digest?) throws(StoreError) -> Receipt {
        let number = try liveFile()
        do {
            let receipt = try verify(length: length, digest: digest)
            try naming(place) { () throws(Errno) in try kernel.syncData(number) }
            try driver.tree.publish(
                fileName, in: driver.uploads.number, as: request.name,
                replacing: !request.ifAbsent)
            end()
            return receipt
        } catch {
            discard()
            throw error
        }
    }

    func suspend() {
        guard let number = file?.number else { return }
        guard let record else { return discard() }
        do throws(Errno) {
            if size > record.durable {
                try kernel.syncData(number)
                try record.set(size)
            }
            // What was reserved beyond is given back.
            try kernel.truncate(number, to: Int64(size))
            letGo()
        } catch {
            discard()
        }
    }

    func discard() {
        guard file != nil else { return }
        if stem == nil { try? kernel.removeIfPresent(fileName, in: driver.uploads.number) }
        end()
    }

    /// Closes its files here, on a worker: the last to let go of this object may be the loop.
    private func letGo() {
        file = nil
        record = nil
    }

    /// Lets go of the file, and forgets the token.
    private func end() {
        if let stem { try? driver.uploads.remove(stem, data: fileName) }
        letGo()
    }

    /// Checks what was promised, and says what came.
    private func verify(length: UInt64?, digest: Digest?) throws(StoreError) -> Receipt {
        let count = size - request.offset
        for promised in [length, request.length] {
            if let promised, promised != count {
                throw StoreError(.mismatch, "\(place): \(count) bytes came, not \(promised)")
            }
        }
        let found = sent.take()?.finalize()
        for promised in [digest, request.digest] {
            if let promised, promised != found {
                let found = found.map { "\($0)" } ?? "unknown"
                throw StoreError(.mismatch, "\(place): digest \(found), not \(promised)")
            }
        }
        guard request.wanted != nil else { return Receipt(size: size, digest: nil) }
        return Receipt(size: size, digest: whole.take()?.finalize() ?? found)
    }
}
