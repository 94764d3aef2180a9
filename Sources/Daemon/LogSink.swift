import CSystemd
import Kernel

/// Where a log's entries go. Their texts are printable already.
public protocol LogSink: AnyObject {
    func write(_ entry: Log.Entry)
}

extension Log {
    /// The journal if standard error leads to it, else standard error.
    ///
    /// - Parameter journalStream: the environment's `JOURNAL_STREAM`: device and inode of the
    ///   socket that a service manager connected (systemd.exec(5)). It is compared, because a
    ///   child of a service inherits the variable, but may have its standard error elsewhere.
    public static func defaultSink(journalStream: String?, kernel: any Kernel) -> any LogSink {
        if let journalStream, let status = try? kernel.status(2),
            journalStream == "\(status.device):\(status.inode)"
        {
            return JournalSink()
        }
        return LineSink(descriptor: 2, kernel: kernel)
    }
}

/// Readable lines: `ampd: warning: box of 300 pairs  peer=127.0.0.1:4242`.
public final class LineSink: LogSink {
    private let descriptor: Int32
    private let kernel: any Kernel

    public init(descriptor: Int32, kernel: any Kernel) {
        self.descriptor = descriptor
        self.kernel = kernel
    }

    public func write(_ entry: Log.Entry) {
        let bytes = Array(Self.line(entry).utf8)
        var written = 0
        while written < bytes.count {
            // A log that cannot be written has nobody to complain to.
            guard let count = try? write(bytes[written...]), count > 0 else { return }
            written += count
        }
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws -> Int {
        try bytes.withUnsafeBytes { try kernel.write(descriptor, $0) }
    }

    static func line(_ entry: Log.Entry) -> String {
        let word =
            switch entry.priority {
            case .error: "error: "
            case .warning: "warning: "
            case .notice, .info: ""
            }
        var line = "ampd: \(word)\(entry.message)"
        for (index, field) in entry.fields.enumerated() {
            let value = quotedIfNeeded(field.value)
            line += "\(index == 0 ? "  " : " ")\(field.name)=\(value)"
        }
        return line + "\n"
    }

    /// So that a value with spaces cannot look like more fields. Backslashes are escaped already.
    private static func quotedIfNeeded(_ value: String) -> String {
        guard value.isEmpty || value.contains(where: { " \"=".contains($0) }) else { return value }
        let pieces = value.split(separator: "\"", omittingEmptySubsequences: false)
        return "\"" + pieces.joined(separator: "\\\"") + "\""
    }
}

/// The journal, with every particular in a field of its own (`sd_journal_sendv(3)`).
public final class JournalSink: LogSink {
    public init() {}

    public func write(_ entry: Log.Entry) {
        let bytes = Self.fields(entry).map { Array($0.utf8) }
        let starts = bytes.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
        bytes.flatMap { $0 }.withUnsafeBytes { all in
            let vectors = bytes.indices.map { index in
                ampd_vector(
                    base: all.baseAddress.map { $0 + starts[index] }, count: bytes[index].count)
            }
            // An error has nobody to be told to.
            _ = vectors.withUnsafeBufferPointer {
                ampd_journal_send($0.baseAddress, Int32($0.count))
            }
        }
    }

    /// `FIELD=value` each; field names as journald takes them.
    static func fields(_ entry: Log.Entry) -> [String] {
        [
            "MESSAGE=\(entry.message)",
            "PRIORITY=\(entry.priority.rawValue)",
            "SYSLOG_IDENTIFIER=ampd",
            "MESSAGE_ID=\(entry.event.identifier)",
            "AMP_EVENT=\(entry.event.rawValue)",
        ] + entry.fields.map { "AMP_\($0.name.uppercased())=\($0.value)" }
    }
}

extension Log.Event {
    /// 128 bits in hexadecimal, made once at random for each kind and never changed.
    var identifier: String {
        switch self {
        case .starting: "375603ec530e47d1b3f1419242d852e3"
        case .configuration: "0b5551602b9345b7b54422a124956905"
        case .listening: "ab3df53410a64864a8f6083e9f761dac"
        case .ready: "55e99ba8ab56485387f71999b0bdc6ef"
        case .stopping: "186c648c87a540f8bfc4d11b58689cc2"
        case .stopped: "cc7d66970fde4a9cab9b213e07aa26bd"
        case .connectionOpened: "b9d264cbf1e44fe39d2a659f01ed3178"
        case .connectionClosed: "8ceba2ce7cb941f787138ed3c678f172"
        case .connectionRefused: "47658db998a347d282880432d8f078ff"
        case .violation: "224bdd3e357945628d114209bef6f157"
        case .unknownCommand: "3b5537680a004b31936ba4648c7d4212"
        case .uploadFailed: "0978724ae4284471835716af87324999"
        case .storage: "a6bf1006e8a34b5aa882651a4997c5d7"
        case .overload: "bc14ceeed8a647f882e25ce3a8dbc6ba"
        case .fault: "30316c1e38954bb0b2825af1a6ea61f3"
        }
    }
}
