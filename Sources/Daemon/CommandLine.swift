/// What the command line asks the daemon to do.
public enum Invocation: Hashable, Sendable {
    case serve(Options)
    /// Read the configuration, say what is wrong with it, and leave.
    case check(Options)
    /// Print every setting with its value in force, its unit and its range.
    case limits(Options)
    case version
    case help
}

/// The options that shape the configuration.
public struct Options: Hashable, Sendable {
    /// `--config FILE`; nil reads the default path, if there is a file.
    public var config: String?
    /// `--listen ADDRESS`, any number of times; replaces the file's list.
    public var listen: [String] = []
    /// `--root DIR`.
    public var root: String?
    /// `--set KEY=VALUE`, in the order given; the last one of a key holds.
    public var assignments: [Assignment] = []

    public init() {}

    public struct Assignment: Hashable, Sendable {
        public var key: String
        public var value: String

        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }
}

/// A command line that cannot be understood; the program says so and leaves with status 2.
public struct UsageError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

/// A parser by hand: four options and two words do not need swift-argument-parser, which would
/// cost the daemon 4 MiB of resident memory for its whole life.
extension CommandLine {
    /// Understands `arguments`, the program's name left out.
    public static func parse(_ arguments: [String]) throws(UsageError) -> Invocation {
        var options = Options()
        var words: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h": return .help
            case "--version": return .version
            case _ where argument.hasPrefix("-"):
                try options.take(argument, &rest)
            default:
                words.append(argument)
            }
        }
        if let extra = words.dropFirst().first {
            throw UsageError(description: "unexpected \(PrintableText.quoted(extra))")
        }
        switch words.first {
        case nil: return .serve(options)
        case "check": return .check(options)
        case "limits": return .limits(options)
        case .some(let word):
            throw UsageError(description: "unknown command \(PrintableText.quoted(word))")
        }
    }

    /// What `--help` prints.
    public static let help = """
        Usage: ampd [OPTION]...            serve
               ampd check [OPTION]...      check the configuration and leave
               ampd limits [OPTION]...     print all limits and their ranges

        Serves AMP with flow-controlled streams out of, and into, a directory of files.

          --config FILE       read FILE instead of /etc/ampd/ampd.toml
          --listen ADDRESS    HOST:PORT, [V6]:PORT or unix:PATH; port 0 picks one;
                              may be repeated, and replaces the addresses of the file
          --root DIR          the directory whose files are served
          --set KEY=VALUE     any other key of the file, such as limits.box_seconds=60;
                              may be repeated, and wins over the file
          --version           print the version and leave
          --help              print this and leave

        Without a file and options: listens on 127.0.0.1:2673 and serves /var/lib/ampd.
        SIGTERM finishes what is under way and leaves; a second one leaves at once.
        Exit status: 0 done, 1 failed, 2 the command line or the configuration is wrong.

        """
}

extension Options {
    /// Takes the option `argument`, with its value from itself (`--root=DIR`) or from `rest`.
    fileprivate mutating func take(
        _ argument: String, _ rest: inout ArraySlice<String>
    ) throws(UsageError) {
        let equals = argument.firstIndex(of: "=")
        let name = equals.map { String(argument[..<$0]) } ?? argument
        guard ["--config", "--listen", "--root", "--set"].contains(name) else {
            throw UsageError(description: "unknown option \(PrintableText.quoted(name))")
        }
        let attached = equals.map { String(argument[argument.index(after: $0)...]) }
        guard let value = attached ?? rest.popFirst(), !value.isEmpty else {
            throw UsageError(description: "\(name) needs a value")
        }
        switch name {
        case "--config": config = value
        case "--listen": listen.append(value)
        case "--root": root = value
        default: assignments.append(try Assignment(parsing: value))
        }
    }
}

extension Options.Assignment {
    fileprivate init(parsing text: String) throws(UsageError) {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw UsageError(description: "--set \(PrintableText.quoted(text)) is not KEY=VALUE")
        }
        self.init(
            key: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
    }
}
