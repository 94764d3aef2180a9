import Kernel

/// What has nothing to do with files. The store never comes here.
extension FaultyKernel {
    private func absent() -> Never { fatalError("the store has no business here") }

    func epollCreate() throws(Errno) -> Int32 { absent() }
    func epollAdd(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno) { absent() }
    func epollModify(
        _ epoll: Int32, _ descriptor: Int32, _ interest: Readiness, _ token: Token
    ) throws(Errno) { absent() }
    func epollRemove(_ epoll: Int32, _ descriptor: Int32) throws(Errno) { absent() }
    func epollWait(
        _ epoll: Int32, into events: UnsafeMutableBufferPointer<Event>, until deadline: Instant
    ) throws(Errno) -> Int { absent() }
    func eventCreate() throws(Errno) -> Int32 { absent() }
    func eventSignal(_ descriptor: Int32) { absent() }
    func eventDrain(_ descriptor: Int32) { absent() }
    func signalCreate(_ signals: [Signal]) throws(Errno) -> Int32 { absent() }
    func signalRead(_ descriptor: Int32) -> Signal? { absent() }
    func socket(for address: SocketAddress) throws(Errno) -> Int32 { absent() }
    func bind(_ socket: Int32, to address: SocketAddress) throws(Errno) { absent() }
    func listen(_ socket: Int32, backlog: Int32) throws(Errno) { absent() }
    func accept(_ listener: Int32) throws(Errno) -> (socket: Int32, peer: SocketAddress) {
        absent()
    }
    func connect(_ socket: Int32, to address: SocketAddress) throws(Errno) { absent() }
    func socketError(_ socket: Int32) -> Errno? { absent() }
    func localAddress(_ socket: Int32) throws(Errno) -> SocketAddress { absent() }
    func setOption(_ socket: Int32, _ option: SocketOption, _ value: Int32) throws(Errno) {
        absent()
    }
    func receive(_ socket: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        absent()
    }
    func send(
        _ socket: Int32, _ vectors: UnsafeBufferPointer<IOVector>, more: Bool
    ) throws(Errno) -> Int { absent() }
    func sendFile(
        _ socket: Int32, from file: Int32, offset: Int64, count: Int
    ) throws(Errno) -> Int { absent() }
    func shutdownWrites(_ socket: Int32) throws(Errno) { absent() }
    func makeNonBlocking(_ descriptor: Int32) throws(Errno) { absent() }
}
