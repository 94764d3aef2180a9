import Kernel

extension DirectoryTree {
    /// Gives a hidden, synced file its name, durably, and makes the directories it needs.
    ///
    /// A crash before the rename leaves the upload as it was at its last checkpoint; after it, a
    /// record without data, which is dropped at the next start.
    func publish(
        _ hidden: String, in folder: Int32, as name: FileName, replacing: Bool
    ) throws(StoreError) {
        for _ in 0..<Self.publishAttempts {
            let directory = try makeParent(of: name)
            let number = directory.number
            do throws(Errno) {
                try requireFileOrNothing(name.last, in: number)
                try kernel.rename(
                    hidden, in: folder, to: name.last, in: number, replacing: replacing)
            } catch .notFound {
                continue  // The directory was removed meanwhile.
            } catch .crossDevice {
                throw StoreError(
                    .denied, name.path + ": lies on another file system than the root")
            } catch {
                throw StoreError(error, at: name.path)
            }
            return try naming(name.path) { () throws(Errno) in try kernel.sync(number) }
        }
        throw StoreError(.io, name.path + ": cannot be published, its directory does not stay")
    }

    /// How often a directory may be removed between being made and being used.
    private static let publishAttempts = 8

    /// A rename would replace a link or a special file; those are not the store's.
    private func requireFileOrNothing(_ name: String, in directory: Int32) throws(Errno) {
        do throws(Errno) {
            switch try kernel.status(of: name, in: directory).kind {
            case .regular: return
            case .directory: throw Errno.isDirectory
            case .symbolicLink: throw Errno.symbolicLinks
            default: throw Errno.accessDenied
            }
        } catch .notFound {}
    }
}
