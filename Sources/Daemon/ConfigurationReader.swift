import Kernel

extension Configuration {
    /// The file that is read where no other is named; it need not be there.
    public static let defaultPath = "/etc/ampd/ampd.toml"

    /// The defaults, changed by the file and then by the options.
    ///
    /// - Throws: everything that is wrong, not just the first thing.
    public static func load(
        _ options: Options, kernel: any Kernel
    ) throws(ConfigurationError) -> Configuration {
        var reader = ConfigurationReader()
        let path = options.config ?? defaultPath
        do throws(Errno) {
            reader.take(try read(path, kernel), from: path)
        } catch {
            if error != .notFound || options.config != nil {
                reader.complain(.file(path), error == .invalid ? "not a regular file" : "\(error)")
            }
        }
        reader.take(options)
        guard reader.problems.isEmpty else {
            throw ConfigurationError(problems: reader.problems)
        }
        return reader.configuration
    }

    /// The whole file, or of a longer one more than a document may have.
    private static func read(_ path: String, _ kernel: any Kernel) throws(Errno) -> [UInt8] {
        // Nonblocking, so that opening a FIFO does not wait for its writer.
        let file = Descriptor(
            try kernel.open(path, in: nil, [.nonBlocking], mode: 0), of: kernel)
        guard try kernel.status(file.number).kind == .regular else { throw .invalid }
        var text: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 1)
        defer { buffer.deallocate() }
        while text.count <= TOMLDocument.maximumSize {
            let count = try kernel.read(file.number, into: buffer, at: Int64(text.count))
            if count == 0 { break }
            text.append(contentsOf: buffer[..<count])
        }
        return text
    }
}

/// Gathers a configuration from its sources, and every problem on the way.
struct ConfigurationReader {
    private(set) var configuration = Configuration()
    private(set) var problems: [ConfigurationProblem] = []

    mutating func complain(_ origin: ConfigurationProblem.Origin, _ text: String) {
        problems.append(ConfigurationProblem(origin: origin, text: text))
    }

    mutating func take(_ text: [UInt8], from path: String) {
        let document: TOMLDocument
        do throws(TOMLCursor.SyntaxError) {
            document = try TOMLDocument(parsing: text)
        } catch {
            return complain(
                .line(path, error.place.line), "column \(error.place.column): \(error.message)")
        }
        var refused: [[String]] = []
        for entry in document.entries where !refused.contains(where: entry.path.starts(with:)) {
            let key = entry.path.joined(separator: ".")
            if let setting = Setting.named(key) {
                // A table where a value belongs: one complaint stands for all that is in it.
                if entry.value == .table { refused.append(entry.path) }
                for (problem, place) in setting.apply(entry.value, to: &configuration) {
                    let line = place?.line ?? entry.place.line
                    complain(.line(path, line), "\(key): \(problem)")
                }
            } else if entry.value != .table || !Setting.hasTable(key) {
                refused.append(entry.path)
                complain(.line(path, entry.place.line), Self.unknown(key))
            }
        }
    }

    mutating func take(_ options: Options) {
        for assignment in options.assignments {
            let option = "--set \(assignment.key)=\(assignment.value)"
            if let setting = Setting.named(assignment.key) {
                take(.string(assignment.value), for: setting, option)
            } else {
                complain(.option(option), Self.unknown(assignment.key))
            }
        }
        if let root = options.root, let setting = Setting.named("root") {
            take(.string(root), for: setting, "--root")
        }
        if !options.listen.isEmpty, let setting = Setting.named("listen") {
            let place = TOMLPlace(line: 1, column: 1)
            let addresses = options.listen.map {
                TOMLValue.Element(value: .string($0), place: place)
            }
            take(.array(addresses), for: setting, "--listen")
        }
    }

    private mutating func take(_ value: TOMLValue, for setting: Setting, _ option: String) {
        for (problem, _) in setting.apply(value, to: &configuration) {
            complain(.option(option), problem)
        }
    }

    /// An unknown key, and the known one that was probably meant.
    private static func unknown(_ key: String) -> String {
        let shown = "unknown key \(PrintableText.quoted(key))"
        let candidates = Setting.all.map(\.key)
        let last = key.split(separator: ".").last.map(String.init) ?? key
        if let moved = candidates.first(where: { $0 == last || $0.hasSuffix(".\(last)") }) {
            return "\(shown); did you mean \"\(moved)\"?"
        }
        // Beyond a third of the key's length a likeness is chance.
        let (distance, nearest) =
            candidates.map { (EditDistance.between($0, key), $0) }.min { $0.0 < $1.0 } ?? (0, "")
        let isNear = distance <= max(1, nearest.utf8.count / 3)
        return isNear ? "\(shown); did you mean \"\(nearest)\"?" : "\(shown); see ampd limits"
    }
}

extension Setting {
    /// Whether some keys lie in the table of that name.
    fileprivate static func hasTable(_ name: String) -> Bool {
        all.contains { $0.key.hasPrefix(name + ".") }
    }
}
