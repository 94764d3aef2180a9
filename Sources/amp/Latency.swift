import AMPClient
import Histogram

/// Round trips of `Ping`, and how they are distributed.
struct Latency: Sendable {
    private var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)

    var count: UInt64 { histogram.totalCount }

    mutating func record(_ roundTrip: Interval) { histogram.record(roundTrip.nanoseconds) }

    /// Nanoseconds within which so many percent of the round trips were.
    func percentile(_ percent: Double) -> UInt64 { histogram.valueAtPercentile(percent) }

    var longest: UInt64 { histogram.max }

    var text: String {
        "p50 \(Amount.milliseconds(percentile(50))), p99 \(Amount.milliseconds(percentile(99))), "
            + "longest \(Amount.milliseconds(longest)) (\(count) pings)"
    }

    /// Adds `PREFIXpings`, and `PREFIXp50`, `PREFIXp99` and `PREFIXlongest` in milliseconds.
    func add(to object: inout JSONObject, prefix: String = "") {
        object.add(prefix + "pings", count)
        object.add(prefix + "p50-ms", Double(percentile(50)) / 1e6)
        object.add(prefix + "p99-ms", Double(percentile(99)) / 1e6)
        object.add(prefix + "longest-ms", Double(longest) / 1e6)
    }

    /// One `Ping`, from the call to its answer.
    static func roundTrip(_ client: Client) async throws -> Interval {
        let kernel = client.loop.kernel
        let began = kernel.now()
        try await client.call(Ping())
        return kernel.now() - began
    }
}

/// Pings on the connection of transfers, one after another with a pause, from before they begin
/// until they are done.
actor LatencyProbe {
    private let store: StoreClient
    private(set) var idle = Latency()
    private(set) var beside = Latency()
    private var task: Task<Void, Never>?

    private static let idlePings = 200
    private static let pause = Interval.milliseconds(5)

    init(_ store: StoreClient) { self.store = store }

    /// Measures the idle connection, then goes on beside what is begun now.
    func begin() async throws {
        for _ in 0..<Self.idlePings { idle.record(try await roundTrip()) }
        task = Task {
            while !Task.isCancelled {
                // While the connection is lost there is nothing to measure.
                if let time = try? await roundTrip(), !Task.isCancelled { beside.record(time) }
                try? await Task.sleep(nanoseconds: Self.pause.nanoseconds)
            }
        }
    }

    func end() async {
        task?.cancel()
        await task?.value
    }

    /// On the loop itself, so that no hop between threads is measured.
    private func roundTrip() async throws -> Interval {
        let store = store
        return try await Task(executorPreference: store.loop) {
            try await Latency.roundTrip(try await store.client())
        }.value
    }
}
