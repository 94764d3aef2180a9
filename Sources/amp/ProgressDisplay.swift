import AMPClient
import Synchronization

/// Bars at the bottom of a terminal: one for each transfer under way, and one for all.
///
///     films/movie.mkv  [#########------------]  43 %   1.4 GiB  310 MiB/s  0:06
///     total 1 of 3                              12 %   5.1 GiB  310 MiB/s  0:51
final class ProgressDisplay: Sendable {
    private struct Row {
        let label: String
        let progress: TransferProgress
    }

    private struct State {
        var rows: [Int: Row] = [:]
        var order: [Int] = []
        var drawn = 0
        var finished = 0
        /// Bytes of transfers that are over.
        var finishedBytes: UInt64 = 0
        var finishedMoved: UInt64 = 0
        /// Bytes that travelled; what an earlier run left there is progress, but no rate.
        var samples: [(time: Instant, bytes: UInt64)] = []
        var isOver = false
    }

    /// Bars at most; the total counts them all.
    private static let mostRows = 8
    /// Columns that numbers leave to a label: `total 1 of 3`.
    private static let leastLabel = 12
    private static let interval = Interval.milliseconds(100)
    /// Samples that the rate is taken over: five seconds.
    private static let mostSamples = 50

    private let count: Int
    private let total: UInt64?
    private let clock: any Kernel
    private let state = Mutex(State())

    /// - Parameter total: bytes of all transfers together, if known beforehand.
    init(of count: Int, total: UInt64?, clock: any Kernel) {
        self.count = count
        self.total = total
        self.clock = clock
    }

    /// Draws until ``finish()``.
    func run() async {
        while !state.withLock({ $0.isOver }) {
            draw()
            try? await Task.sleep(nanoseconds: Self.interval.nanoseconds)
        }
    }

    func begin(_ number: Int, _ label: String, _ progress: TransferProgress) {
        state.withLock { state in
            state.rows[number] = Row(label: label, progress: progress)
            state.order.append(number)
        }
    }

    func end(_ number: Int) {
        state.withLock { state in
            guard let row = state.rows.removeValue(forKey: number) else { return }
            state.order.removeAll { $0 == number }
            state.finished += 1
            state.finishedBytes += row.progress.bytes
            state.finishedMoved += row.progress.moved
        }
    }

    func finish() {
        state.withLock { state in
            state.isOver = true
            Output.write(Array(erase(&state).utf8), to: .errors)
        }
    }

    /// Writes a line that stays, above the bars.
    func writeAbove(_ line: String) {
        state.withLock { state in
            Output.write(Array((erase(&state) + line).utf8), to: .errors)
        }
    }

    // MARK: Drawing

    private func draw() {
        let width = Terminal.width(of: Output.Channel.errors.rawValue) ?? 80
        state.withLock { state in
            guard !state.isOver else { return }
            let moved = state.rows.values.reduce(state.finishedMoved) { $0 + $1.progress.moved }
            state.samples.append((clock.now(), moved))
            if state.samples.count > Self.mostSamples { state.samples.removeFirst() }
            var lines = state.order.prefix(Self.mostRows).compactMap { state.rows[$0] }.map {
                bar($0.label, $0.progress.bytes, of: $0.progress.total, rate: nil, width)
            }
            let label = "total \(state.finished) of \(count)"
            let done = state.rows.values.reduce(state.finishedBytes) { $0 + $1.progress.bytes }
            lines.append(bar(label, done, of: total, rate: rate(of: state), width))
            let text = erase(&state) + lines.map { $0 + "\n" }.joined()
            state.drawn = lines.count
            Output.write(Array(text.utf8), to: .errors)
        }
    }

    /// Cursor up and erase to the end (ECMA-48's CUU and ED).
    private func erase(_ state: inout State) -> String {
        defer { state.drawn = 0 }
        return state.drawn == 0 ? "" : "\u{1B}[\(state.drawn)A\r\u{1B}[J"
    }

    private func rate(of state: State) -> Double? {
        guard let first = state.samples.first, let last = state.samples.last,
            last.time > first.time, last.bytes >= first.bytes
        else { return nil }
        return Double(last.bytes - first.bytes) / (last.time - first.time).seconds
    }

    private func bar(
        _ label: String, _ bytes: UInt64, of total: UInt64?, rate: Double?, _ width: Int
    ) -> String {
        let share = total.map { $0 == 0 ? 1 : min(1, Double(bytes) / Double($0)) }
        var columns = [Column(text: padded(Amount.bytes(bytes), 10), worth: 1)]
        if let share {
            columns.insert(Column(text: padded("\(Int(share * 100)) %", 6), worth: 3), at: 0)
        }
        if let rate {
            columns.append(Column(text: padded(Amount.rate(rate), 13), worth: 0))
            if let total, total >= bytes, rate > 0 {
                let left = Amount.duration(Double(total - bytes) / rate)
                columns.append(Column(text: padded(left, 9), worth: 2))
            }
        }
        let numbers = fitting(columns, into: width - 1 - Self.leastLabel)
        let room = width - numbers.count - 1
        let gauge = share.flatMap { room >= 50 ? self.gauge($0, 22) : nil } ?? ""
        return left(label.safeForTerminal, room - gauge.count) + gauge + numbers
    }

    private struct Column {
        let text: String
        /// On a narrow terminal, what is worth least goes first.
        let worth: Int
    }

    private func fitting(_ columns: [Column], into room: Int) -> String {
        var columns = columns
        while columns.reduce(0, { $0 + $1.text.count }) > room,
            let least = columns.indices.min(by: { columns[$0].worth < columns[$1].worth })
        {
            columns.remove(at: least)
        }
        return columns.map(\.text).joined()
    }

    private func gauge(_ share: Double, _ width: Int) -> String {
        let inner = width - 3
        let filled = Int(share * Double(inner))
        return " [" + String(repeating: "#", count: filled)
            + String(repeating: "-", count: inner - filled) + "]"
    }

    private func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(1, width - text.count)) + text
    }

    /// The end of a text that is too long says more than its beginning.
    private func left(_ text: String, _ width: Int) -> String {
        guard width > 1 else { return "" }
        if text.count > width { return "…" + text.suffix(width - 1) }
        return text + String(repeating: " ", count: width - text.count)
    }
}
