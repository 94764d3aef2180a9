import Kernel

// How an upload begins: anew, or where an interrupted one rests.
extension DirectoryUpload {
    /// Begins an upload without a token.
    static func start(
        _ request: UploadRequest, in driver: DirectoryDriver
    ) throws(StoreError) -> DirectoryUpload {
        let upload = try naming(request.name.path) { () throws(Errno) in
            let fileName = driver.uploads.randomName()
            let file = try driver.uploads.create(fileName)
            return DirectoryUpload(
                driver, request, stem: nil, record: nil, fileName: fileName, file: file)
        }
        do {
            try upload.prepare()
        } catch {
            upload.discard()
            throw error
        }
        return upload
    }

    /// Begins or takes up an upload with a token.
    static func start(
        _ request: UploadRequest, stem: String, in driver: DirectoryDriver
    ) throws(StoreError) -> DirectoryUpload {
        let place = request.name.path
        let old = try naming(place) { () throws(Errno) in try driver.uploads.record(stem) }
        if let old {
            guard old.name == request.name else {
                throw StoreError(.badToken, place + ": the token is another name's")
            }
            guard request.offset <= old.durable else {
                throw StoreError(.badOffset, "\(place): \(old.durable) bytes are durable, no more")
            }
        } else if request.offset > 0 {
            throw StoreError(.notFound, place + ": no upload has this token")
        }
        let upload = try naming(place) { () throws(Errno) in
            if let old { return try takeUp(old, request, stem: stem, in: driver) }
            return try create(request, stem: stem, in: driver)
        }
        do {
            try upload.prepare()
        } catch {
            if old == nil { upload.discard() } else { upload.suspend() }
            throw error
        }
        return upload
    }

    private static func create(
        _ request: UploadRequest, stem: String, in driver: DirectoryDriver
    ) throws(Errno) -> DirectoryUpload {
        let uploads = driver.uploads
        var data: String?
        do {
            let record = try uploads.createRecord(stem, for: request.name)
            let fileName = uploads.dataName(stem, record)
            data = fileName
            let file = try uploads.create(fileName)
            return DirectoryUpload(
                driver, request, stem: stem, record: record, fileName: fileName, file: file)
        } catch {
            try? uploads.remove(stem, data: data)
            throw error
        }
    }

    /// Cuts what is there back to the request's offset. The record falls first.
    private static func takeUp(
        _ record: UploadRecord, _ request: UploadRequest, stem: String, in driver: DirectoryDriver
    ) throws(Errno) -> DirectoryUpload {
        let fileName = driver.uploads.dataName(stem, record)
        let file = try driver.uploads.open(fileName)
        if request.offset < record.durable { try record.set(request.offset) }
        try driver.kernel.truncate(file.number, to: Int64(request.offset))
        return DirectoryUpload(
            driver, request, stem: stem, record: record, fileName: fileName, file: file)
    }
}
