import CSystemd
import Kernel

/// The service manager that may have started the daemon, by systemd's protocols: sockets handed
/// over (`sd_listen_fds(3)`) and state told (`sd_notify(3)`; the unit is of `Type=notify`).
/// Without one, nothing is handed over and telling does nothing.
///
/// It belongs to the loop's thread, and to one process: what it takes it takes out of the
/// environment, so that children do not.
public struct ServiceManager {
    /// A listening socket that was open when the daemon started; it is nonblocking.
    public struct Listener: Hashable, Sendable {
        public let descriptor: Int32
        /// `FileDescriptorName=` of the socket's unit, by default the unit's name.
        public let name: String
    }

    /// Something was handed over that is no listening stream socket.
    public struct HandoverError: Error, Hashable, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// After how long without ``keepAlive()`` the manager takes the daemon for dead
    /// (`WatchdogSec=`); nil if it does not watch. Tell it twice as often.
    public let watchdogInterval: Interval?

    public init() {
        var microseconds: UInt64 = 0
        let isWatched = sd_watchdog_enabled(0, &microseconds) > 0
        watchdogInterval = isWatched ? .microseconds(microseconds) : nil
    }

    /// The sockets handed over, whose owner is now the caller. The first call alone has them.
    public func takeListeners() throws(HandoverError) -> [Listener] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        defer { ampd_free_names(names) }
        guard count >= 0 else {
            throw HandoverError(description: "sd_listen_fds: \(Errno(-count))")
        }
        var listeners: [Listener] = []
        for index in 0..<count {
            let name = names?[Int(index)].map { String(cString: $0) } ?? ""
            let descriptor = ampd_first_listener() + index
            guard ampd_prepare_listener(descriptor) != 0 else {
                throw HandoverError(
                    description: "descriptor \(descriptor), handed over as "
                        + "\(PrintableText.quoted(name)), is no listening stream socket")
            }
            listeners.append(Listener(descriptor: descriptor, name: name))
        }
        return listeners
    }

    /// The daemon serves.
    public func ready(_ status: String) { tell("READY=1\nSTATUS=\(PrintableText(status))") }

    /// A line for `systemctl status`.
    public func status(_ status: String) { tell("STATUS=\(PrintableText(status))") }

    /// The daemon finishes what is under way and will leave.
    public func stopping(_ status: String) { tell("STOPPING=1\nSTATUS=\(PrintableText(status))") }

    /// The loop turns.
    public func keepAlive() { tell("WATCHDOG=1") }

    /// A manager that cannot be told is no reason to stop serving.
    private func tell(_ state: String) { _ = sd_notify(0, state) }
}
