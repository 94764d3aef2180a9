import Daemon

/// What the daemon's process holds.
final class DaemonProgram {
    final class Sink: LogSink {
        var hasStopped = false
        private(set) var lines: [String] = []

        func write(_ entry: Log.Entry) {
            lines.append("ampd says: \(entry.message)")
            if entry.event == .stopped { hasStopped = true }
        }
    }

    let log = Sink()
    var daemon: Daemon?
}
