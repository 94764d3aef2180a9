import Foundation
import LinuxKernel
import Testing

@testable import Daemon

@Suite("Log")
struct LogTests {
    private let kernel = LinuxKernel()

    @Test("hostile text cannot leave its line, move the cursor or turn the writing")
    func printable() {
        #expect(PrintableText("größe 名前 😀").description == "größe 名前 😀")
        #expect(PrintableText("a\nb\r\t").description == "a\\u{a}b\\u{d}\\u{9}")
        #expect(PrintableText("\u{1B}]52;c;eA==\u{7}").description == "\\u{1b}]52;c;eA==\\u{7}")
        #expect(PrintableText("\u{9B}2J\u{7F}").description == "\\u{9b}2J\\u{7f}")
        #expect(PrintableText("\u{202E}txt\u{2066}").description == "\\u{202e}txt\\u{2066}")
        #expect(PrintableText("\u{2028}\u{200B}").description == "\\u{2028}\\u{200b}")
        #expect(PrintableText("\\u{1b}").description == "\\\\u{1b}")
        #expect(PrintableText("abcdef", limit: 3).description == "abc…")
        #expect(PrintableText.quoted("a\"b\\") == #""a\"b\\""#)
    }

    @Test("every control character and every one that turns the writing is escaped")
    func everyScalar() {
        for value in UInt32(0)...0x2FFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = PrintableText(String(scalar)).description
            let isControl = value < 0x20 || (0x7F...0x9F).contains(value)
            let turns =
                [0x61C, 0x200E, 0x200F].contains(value)
                || (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value)
            if isControl || turns { #expect(text == "\\u{\(String(value, radix: 16))}") }
        }
    }

    @Test("a line on standard error: words first, particulars after them")
    func lines() throws {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("ampd-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: file) }
        do {
            let descriptor = Descriptor(
                try kernel.open(file.path, in: nil, [.write, .create], mode: 0o600), of: kernel)
            let log = Log(
                to: LineSink(descriptor: descriptor.number, kernel: kernel), kernel: kernel)
            log.notice(.listening, "listening on 127.0.0.1:2673")
            log.warning(
                .violation, "box of 300 pairs",
                [.peer(.v4([127, 0, 0, 1], port: 4242)), .file("a \"b\"\npeer=x")])
            log.error(.storage, "cannot write", [.error(.noSpace)])
        }
        #expect(
            try String(contentsOf: file, encoding: .utf8) == """
                ampd: listening on 127.0.0.1:2673
                ampd: warning: box of 300 pairs  peer=127.0.0.1:4242 file="a \\"b\\"\\u{a}peer=x"
                ampd: error: cannot write  error="no space left on device"

                """)
    }

    @Test("the journal's fields")
    func journalFields() {
        let entry = Log.Entry(
            event: .violation, priority: .warning, message: "box of 300 pairs",
            fields: [.peer(.unix("/s")), .suppressed(3)])
        #expect(
            JournalSink.fields(entry) == [
                "MESSAGE=box of 300 pairs", "PRIORITY=4", "SYSLOG_IDENTIFIER=ampd",
                "MESSAGE_ID=\(Log.Event.violation.identifier)", "AMP_EVENT=violation",
                "AMP_PEER=unix:/s", "AMP_SUPPRESSED=3",
            ])
    }

    @Test("identifiers of events are 128 bits, and no two are the same")
    func identifiers() {
        let identifiers = Log.Event.allCases.map(\.identifier)
        #expect(Set(identifiers).count == identifiers.count)
        for identifier in identifiers {
            #expect(identifier.count == 32)
            #expect(identifier.allSatisfy { "0123456789abcdef".contains($0) })
        }
    }

    @Test("the journal is chosen only when standard error really leads to it")
    func choice() throws {
        let status = try kernel.status(2)
        let here = "\(status.device):\(status.inode)"
        #expect(Log.defaultSink(journalStream: here, kernel: kernel) is JournalSink)
        #expect(Log.defaultSink(journalStream: "1:1", kernel: kernel) is LineSink)
        #expect(Log.defaultSink(journalStream: nil, kernel: kernel) is LineSink)
    }

    @Test("20 of a kind at once, then one a second, and the rest are counted")
    func bucket() {
        var bucket = LogBucket()
        let begin = Instant.start + .seconds(5)
        for _ in 0..<20 { #expect(bucket.take(at: begin) == 0) }
        for _ in 0..<7 { #expect(bucket.take(at: begin + .milliseconds(900)) == nil) }
        #expect(bucket.take(at: begin + .milliseconds(1_100)) == 7)
        #expect(bucket.take(at: begin + .milliseconds(1_900)) == nil)
        #expect(bucket.take(at: begin + .milliseconds(2_000)) == 1)
        #expect(bucket.take(at: begin + .seconds(1_000_000)) == 0)
        for _ in 0..<19 { #expect(bucket.take(at: begin + .seconds(1_000_000)) == 0) }
        #expect(bucket.take(at: begin + .seconds(1_000_000)) == nil)
    }

    @Test("one noisy kind silences no other, and what was left out is told at the end")
    func suppression() {
        let sink = Gathered()
        let log = Log(to: sink, clock: { .start })
        for _ in 0..<100 { log.warning(.violation, "again") }
        log.notice(.stopping, "stopping")
        log.close()
        #expect(sink.entries.count == 22)
        #expect(sink.entries[20].event == .stopping)
        #expect(sink.entries[21].fields == [.suppressed(80)])
        #expect(sink.entries[21].event == .violation)
    }
}

private final class Gathered: LogSink {
    var entries: [Log.Entry] = []
    func write(_ entry: Log.Entry) { entries.append(entry) }
}
