import CLinux
import Glibc
import Kernel

/// The process that runs: what a program asks and sets once.
public enum CurrentProcess {
    /// `getpid(2)`.
    public static var identifier: Int32 { getpid() }

    /// What a program of ours does first, before it makes a thread: a write to a closed pipe or
    /// socket becomes an error instead of `SIGPIPE`, and malloc keeps to two arenas and gives
    /// buffers back to the system, because memory freed into a heap mostly stays there.
    public static func prepare() {
        _ = cl_ignore_broken_pipes()
        cl_bound_malloc(2, 64 << 10)
    }

    /// Raises the soft limit of open descriptors to the hard one (`RLIMIT_NOFILE`); returns it.
    @discardableResult
    public static func raiseDescriptorLimit() throws(Errno) -> Int {
        try check(cl_raise_descriptor_limit())
    }

    /// A variable of the environment (`getenv(3)`); nil if it is not set.
    public static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// Takes a variable out of the environment (`unsetenv(3)`); before any thread is made.
    public static func removeFromEnvironment(_ name: String) { unsetenv(name) }

    /// Ends the process at once with `status`, whatever its threads do (`_exit(2)`). What is
    /// buffered in stdio is written out first.
    public static func exit(_ status: Int32) -> Never {
        fflush(nil)
        _exit(status)
    }
}

/// A terminal, if the descriptor is one.
public enum Terminal {
    /// `isatty(3)`.
    public static func isTerminal(_ descriptor: Int32) -> Bool { cl_is_terminal(descriptor) }

    /// Its width in columns (`TIOCGWINSZ`); nil if it is no terminal or does not know.
    public static func width(of descriptor: Int32) -> Int? {
        let columns = cl_terminal_columns(descriptor)
        return columns > 0 ? columns : nil
    }
}
