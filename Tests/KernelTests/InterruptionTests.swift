import Foundation
import LinuxKernel
import Synchronization
import Testing

/// Signals that the handler below has seen.
private let interruptions = Atomic<Int>(0)

@Suite("A signal", .serialized)
struct InterruptionTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        var action = sigaction()  // without SA_RESTART: calls return EINTR
        action.__sigaction_handler.sa_handler = { _ in
            interruptions.add(1, ordering: .relaxed)
        }
        sigaction(SIGUSR2, &action, nil)
    }

    /// Runs `body` on a thread that is interrupted again and again; then lets it go on.
    private func interrupting(
        _ body: @escaping @Sendable () -> Void, until goOn: () -> Void
    ) {
        let before = interruptions.load(ordering: .relaxed)
        let (started, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let leave = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var identity = pthread_self()
        let thread = Thread {
            identity = pthread_self()
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGUSR2)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            started.signal()
            body()
            ended.signal()
            leave.wait()  // its identity must outlive the last signal
        }
        thread.start()
        started.wait()
        while interruptions.load(ordering: .relaxed) < before + 20 {
            pthread_kill(identity, SIGUSR2)
            usleep(500)
        }
        goOn()
        ended.wait()
        leave.signal()
    }

    @Test("does not end a read that waits") func read() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let kernel = scratch.kernel
        let input = Descriptor(ends[0], of: kernel)
        let output = Descriptor(ends[1], of: kernel)
        let number = input.number
        let result = Mutex<Result<Int, Errno>?>(nil)
        interrupting {
            var byte: UInt8 = 0
            let count = Result { () throws(Errno) in
                try withUnsafeMutableBytes(of: &byte) { (bytes) throws(Errno) in
                    try kernel.read(number, into: bytes)
                }
            }
            result.withLock { $0 = count }
        } until: {
            _ = try? [UInt8(1)].withUnsafeBytes { try kernel.write(output.number, $0) }
        }
        #expect(result.withLock { try? $0?.get() } == 1)
    }

    @Test("ends the wait for events, without an event") func wait() throws {
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let event = Descriptor(try kernel.eventCreate(), of: kernel)
        try kernel.epollAdd(epoll.number, event.number, .readable, token)
        let number = epoll.number
        let waits = Mutex<[Int]>([])
        interrupting {
            let none = Event(readiness: [], token: token)
            var events = [none]
            while waits.withLock({ $0.last }) != 1 {
                let count = events.withUnsafeMutableBufferPointer {
                    (try? kernel.epollWait(number, into: $0, until: .never)) ?? -1
                }
                waits.withLock { $0.append(count) }
            }
        } until: {
            kernel.eventSignal(event.number)
        }
        let counts = waits.withLock { $0 }
        #expect(counts.count > 1 && counts.dropLast().allSatisfy { $0 == 0 })
    }
}
