import AMPServer
import Digests
import Store
import StoreCommands

/// Answers `UploadStatus`; after the interrupted upload is suspended, whose client may be back
/// before that is done.
final class UploadStatusResponder: Responder {
    private let driver: any Driver
    private let puts: PutResponder

    init(_ driver: any Driver, puts: PutResponder) {
        self.driver = driver
        self.puts = puts
    }

    func respond(to status: StoreCommands.UploadStatus, _ request: Request) {
        do throws(StoreError) {
            let wanted = try DigestAlgorithm.wanted(status.digest)
            let (driver, token) = (driver, status.token)
            puts.afterSuspension(of: token) {
                request.answer(on: wanted == nil ? .metadata : .scans) { () throws(StoreError) in
                    try driver.uploadStatus(of: token, digest: wanted)
                } with: { found in
                    StoreCommands.UploadStatus.Response(
                        offset: found.offset, digest: found.digest?.description)
                }
            }
        } catch {
            request.fail(error)
        }
    }
}
