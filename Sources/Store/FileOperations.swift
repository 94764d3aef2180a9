import Kernel

extension Kernel {
    /// Writes all of the vectors, however many calls it takes; `IO` if the disk takes nothing.
    func writeAll(
        _ file: Int32, _ vectors: UnsafeBufferPointer<IOVector>, at offset: Int64
    ) throws(Errno) {
        var rest = Array(vectors)
        var first = 0
        var position = offset
        while true {
            while first < rest.count, rest[first].count == 0 { first += 1 }
            if first == rest.count { return }
            let written = try rest.withUnsafeBufferPointer { rest throws(Errno) in
                let end = min(first + Self.maximumVectors, rest.count)
                return try write(
                    file, UnsafeBufferPointer(rebasing: rest[first..<end]), at: position)
            }
            if written <= 0 { throw .inputOutput }
            position += Int64(written)
            var left = written
            while left > 0, first < rest.count {
                let taken = min(left, rest[first].count)
                rest[first].base = rest[first].base?.advanced(by: taken)
                rest[first].count -= taken
                left -= taken
                if rest[first].count == 0 { first += 1 }
            }
        }
    }

    /// Writes all of some bytes.
    func writeAll(_ file: Int32, _ bytes: [UInt8], at offset: Int64) throws(Errno) {
        try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
            let vector = IOVector(base: bytes.baseAddress, count: bytes.count)
            try withUnsafePointer(to: vector) { vector throws(Errno) in
                try writeAll(file, UnsafeBufferPointer(start: vector, count: 1), at: offset)
            }
        }
    }

    /// Reads from the beginning until the end or until there are `limit` bytes.
    func readAll(_ file: Int32, limit: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        while count < limit {
            let read = try bytes.withUnsafeMutableBufferPointer { bytes throws(Errno) in
                let rest = UnsafeMutableBufferPointer(rebasing: bytes[count...])
                return try self.read(
                    file, into: UnsafeMutableRawBufferPointer(rest), at: Int64(count))
            }
            if read == 0 { break }
            count += read
        }
        return Array(bytes[..<count])
    }

    /// Removes a file if it is there.
    func removeIfPresent(_ name: String, in directory: Int32) throws(Errno) {
        do {
            try remove(name, in: directory, isDirectory: false)
        } catch .notFound {}
    }

    /// IOV_MAX of `limits.h`.
    private static var maximumVectors: Int { 1024 }
}
