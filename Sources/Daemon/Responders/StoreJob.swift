import AMPServer
import Store

/// One call to the store, made on a worker and its result brought back to the loop.
final class StoreJob<Value>: Job, @unchecked Sendable {
    private var body: (() throws(StoreError) -> Value)?
    private var deliver: ((Result<Value, StoreError>) -> Void)?
    private var result: Result<Value, StoreError>?

    init(
        _ body: @escaping () throws(StoreError) -> Value,
        then deliver: @escaping (Result<Value, StoreError>) -> Void
    ) {
        self.body = body
        self.deliver = deliver
    }

    override func perform() {
        guard let body = body.take() else { return }
        do throws(StoreError) { result = .success(try body()) } catch { result = .failure(error) }
    }

    override func finish() {
        guard let deliver = deliver.take(), let result = result.take() else { return }
        deliver(result)
    }
}

extension StreamFault {
    init(_ error: StoreError) { self.init(code: error.code.rawValue, reason: error.description) }
}

extension Request {
    func fail(_ error: StoreError) { fail(StreamFault(error)) }

    /// Answers with what a call to the store brings, or fails with its error.
    func answer<Value>(
        on lane: Lane, _ body: @escaping () throws(StoreError) -> Value,
        with response: @escaping (Value) -> some Encodable
    ) {
        let job = StoreJob(body) { result in
            switch result {
            case .success(let value): self.answer(response(value))
            case .failure(let error): self.fail(error)
            }
        }
        connection.reactor.submit(job, to: lane)
    }
}
