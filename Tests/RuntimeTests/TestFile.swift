import AMPServer
import Foundation
import LinuxKernel
import Synchronization

/// A file of so many bytes, gone with this object.
final class TestFile {
    let path = NSTemporaryDirectory() + "/runtime-tests-" + UUID().uuidString
    /// Threads on which its handles were let go.
    let closings = Closings()

    final class Closings: Sendable {
        let onLoop = Mutex(0)
        let all = Mutex(0)
    }

    init(count: Int) {
        _ = FileManager.default.createFile(
            atPath: path, contents: Data(repeating: UInt8(ascii: "a"), count: count))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func shorten(to count: Int) { truncate(path, count) }

    /// Opened now; `flags` as of open(2).
    func open(_ flags: Int32 = O_RDONLY) -> any ReadableFile {
        Handle(Glibc.open(path, flags | O_CLOEXEC), closings)
    }

    private final class Handle: ReadableFile {
        let descriptor: Int32
        private let closings: Closings
        private let loop = pthread_self()

        init(_ descriptor: Int32, _ closings: Closings) {
            self.descriptor = descriptor
            self.closings = closings
        }

        deinit {
            close(descriptor)
            if pthread_equal(loop, pthread_self()) != 0 { closings.onLoop.withLock { $0 += 1 } }
            closings.all.withLock { $0 += 1 }
        }

        func isCached(offset: UInt64, count: Int) -> Bool? { true }

        func read(
            into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
        ) throws(StreamFault) -> Int {
            max(0, pread(descriptor, buffer.baseAddress, buffer.count, Int(offset)))
        }
    }
}

/// Performs each job on a thread of its own before `submit` returns: whatever the loop still
/// holds on to then, the worker was not the last to hold.
final class InstantWorkers: Workers {
    private let socket: Descriptor
    private var performed: [Job] = []

    init(_ kernel: LinuxKernel) throws {
        socket = Descriptor(try kernel.eventCreate(), of: kernel)
    }

    func submit(_ job: Job, to lane: Lane) {
        let thread = Foundation.Thread { job.perform() }
        thread.start()
        while !thread.isFinished { usleep(100) }
        performed.append(job)
        socket.kernel.eventSignal(socket.number)
    }

    var event: Int32 { socket.number }

    func takePerformed() -> [Job] {
        socket.kernel.eventDrain(socket.number)
        defer { performed = [] }
        return performed
    }

    var pending: Int { 0 }
}
