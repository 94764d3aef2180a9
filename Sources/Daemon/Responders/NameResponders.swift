import AMPServer
import Digests
import Store
import StoreCommands

/// Answers `Stat`.
final class StatResponder: Responder {
    private let driver: any Driver

    init(_ driver: any Driver) { self.driver = driver }

    func respond(to stat: Stat, _ request: Request) {
        do throws(StoreError) {
            let name = try FileName(stat.filename)
            let wanted = try DigestAlgorithm.wanted(stat.digest)
            let driver = driver
            request.answer(on: wanted == nil ? .metadata : .scans) { () throws(StoreError) in
                try driver.status(of: name, digest: wanted)
            } with: { status in
                Stat.Response(
                    size: status.size, modified: DateTime(nanoseconds: status.modified),
                    digest: status.digest?.description)
            }
        } catch {
            request.fail(error)
        }
    }
}

/// Answers `Remove`.
final class RemoveResponder: Responder {
    private let driver: any Driver

    init(_ driver: any Driver) { self.driver = driver }

    func respond(to remove: Remove, _ request: Request) {
        do throws(StoreError) {
            let name = try FileName(remove.filename)
            let driver = driver
            request.answer(on: .metadata) { () throws(StoreError) in
                try driver.remove(name)
            } with: { _ in
                NoResponse()
            }
        } catch {
            request.fail(error)
        }
    }
}
