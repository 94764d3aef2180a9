/// One thing that is wrong with a configuration, where it stands and what is allowed there:
/// `/etc/ampd/ampd.toml:12: limits.chunk: 70000 is out of range; allowed: 1024 to 65534 bytes`.
public struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
    public enum Origin: Hashable, Sendable {
        case file(String)
        case line(String, Int)
        /// An option of the command line, with its value.
        case option(String)
    }

    public let origin: Origin
    public let text: String

    public var description: String {
        switch origin {
        case .file(let path): "\(PrintableText(path)): \(text)"
        case .line(let path, let line): "\(PrintableText(path)):\(line): \(text)"
        case .option(let option): "\(PrintableText(option)): \(text)"
        }
    }
}

/// All that is wrong with a configuration.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    /// One problem a line.
    public var description: String {
        problems.map { "ampd: \($0)" }.joined(separator: "\n")
    }
}
