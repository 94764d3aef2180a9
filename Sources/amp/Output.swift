import AMPClient
import Synchronization

/// Everything that the program says, on standard output and standard error.
///
/// What comes from a server is text of somebody else's, and a terminal obeys some text. So all
/// of it goes through ``Swift/String/safeForTerminal`` here, and nowhere else.
enum Output {
    enum Channel: Int32 {
        case output = 1
        case errors = 2
    }

    private static let kernel = LinuxKernel()
    private static let buffer = Mutex<[UInt8]>([])
    /// Bytes of standard output that are written at once.
    private static let block = 32 << 10
    /// What stands at the bottom of the terminal, and is redrawn after what is written above it.
    static let display = Mutex<ProgressDisplay?>(nil)

    /// A line of standard output; several are written at once, and all by ``flush()``.
    static func line(_ text: String) {
        let isFull = buffer.withLock { buffer in
            buffer += (text.safeForTerminal + "\n").utf8
            return buffer.count >= block
        }
        if isFull { flush() }
    }

    static func flush() {
        let bytes = buffer.withLock { buffer in
            let bytes = buffer
            buffer = []
            return bytes
        }
        write(bytes, to: .output)
    }

    /// What went wrong, on standard error.
    static func fail(_ text: String) { note(text) }

    /// What went wrong with a thing of this name; many a reason names it already.
    static func fail(_ name: String, _ error: any Error) {
        let words = Failure.words(for: error)
        note(words.hasPrefix(name + ": ") ? words : name + ": " + words)
    }

    /// A line on standard error, above the progress display if there is one.
    static func note(_ text: String) {
        let line = "amp: " + text.safeForTerminal + "\n"
        let display = display.withLock { $0 }
        if let display { display.writeAbove(line) } else { write(Array(line.utf8), to: .errors) }
    }

    /// Text of several lines, none of which a server wrote.
    static func write(_ text: String, to channel: Channel) {
        write(Array((text + "\n").utf8), to: channel)
    }

    static func write(_ bytes: [UInt8], to channel: Channel) {
        let writer = DescriptorWriter(channel.rawValue, kernel: kernel)
        do {
            try bytes.withUnsafeBytes { bytes in
                var vector = IOVector(base: bytes.baseAddress, count: bytes.count)
                try withUnsafePointer(to: &vector) {
                    try writer.write(UnsafeBufferPointer(start: $0, count: 1))
                }
            }
        } catch {
            // Nobody reads any more, as in `amp ls | head`, is nothing to talk about; a full disk is.
            let reason = (error as? StreamFault)?.reason ?? "\(error)"
            if channel == .output, !reason.hasSuffix(Errno.brokenPipe.description) {
                write(Array("amp: \(reason)\n".utf8), to: .errors)
            }
            CurrentProcess.exit(ExitStatus.failed.rawValue)
        }
    }
}

extension String {
    /// With everything replaced that a terminal might obey rather than show: control characters
    /// (C0, DEL, C1, so escape sequences and carriage returns too), line and paragraph
    /// separators, and the controls of writing direction (UAX #9), which reorder what is read.
    var safeForTerminal: String {
        guard unicodeScalars.contains(where: \.isHarmful) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            text.unicodeScalars.append(scalar.isHarmful ? "\u{FFFD}" : scalar)
        }
        return text
    }
}

extension Unicode.Scalar {
    fileprivate var isHarmful: Bool {
        switch value {
        case 0x00...0x1F, 0x7F...0x9F: true
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
