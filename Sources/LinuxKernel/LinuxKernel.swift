import CLinux
import Glibc
@_exported import Kernel

/// The machine itself: every call of ``Kernel`` made to Linux, by topic in the files beside this.
///
/// It has no state, so one serves all threads. Linux 5.6 is needed (`openat2(2)`); what came
/// later is used where it is found: `epoll_pwait2(2)` (5.11), `cachestat(2)` (6.5).
public final class LinuxKernel: Kernel {
    public init() {}

    // MARK: Time and chance

    public func now() -> Instant { Instant(nanoseconds: cl_boot_clock()) }

    public func wallClock() -> Int64 { cl_real_clock() }

    public func random(into buffer: UnsafeMutableRawBufferPointer) {
        guard let base = buffer.baseAddress else { return }
        let result = cl_random(base, buffer.count)
        precondition(result == 0, "getrandom(2) failed")
    }
}

/// The result of a call of CLinux, which is an `-errno` when negative.
@discardableResult
func check(_ result: Int) throws(Errno) -> Int {
    guard result >= 0 else { throw Errno(Int32(truncatingIfNeeded: -result)) }
    return result
}

/// The same for calls that return a descriptor.
func descriptor(_ result: Int) throws(Errno) -> Int32 {
    Int32(truncatingIfNeeded: try check(result))
}
