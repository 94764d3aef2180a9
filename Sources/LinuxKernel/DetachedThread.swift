import CLinux
import Glibc
import Kernel

/// A thread of a program of ours: detached, with every signal blocked.
public struct DetachedThread: Hashable, Sendable {
    private let number: UInt

    /// The one that asks (`pthread_self(3)`).
    public static var current: DetachedThread { DetachedThread(number: UInt(pthread_self())) }

    /// Runs `body` on a new thread (`pthread_create(3)`). Throws `.again` when the system has
    /// none to give.
    ///
    /// - Parameter stackSize: bytes; only what is touched becomes memory.
    public static func start(
        stackSize: Int = 8 << 20, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        let argument = Unmanaged.passRetained(Body(body))
        let result = cl_start_thread(
            stackSize,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument.toOpaque())
        if result < 0 { argument.release() }
        try check(result)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
