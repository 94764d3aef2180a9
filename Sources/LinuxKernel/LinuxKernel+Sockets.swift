import CLinux
import Kernel

extension LinuxKernel {
    public func socket(for address: SocketAddress) throws(Errno) -> Int32 {
        try descriptor(cl_socket(RawAddress(address).family))
    }

    public func bind(_ socket: Int32, to address: SocketAddress) throws(Errno) {
        var raw = try RawAddress(address)
        try check(cl_bind(socket, &raw.storage, raw.length))
    }

    public func listen(_ socket: Int32, backlog: Int32) throws(Errno) {
        try check(cl_listen(socket, backlog))
    }

    public func accept(
        _ listener: Int32
    ) throws(Errno) -> (socket: Int32, peer: SocketAddress) {
        var raw = RawAddress()
        let socket = try descriptor(cl_accept(listener, &raw.storage, &raw.length))
        return (socket, raw.address ?? .unix(""))
    }

    public func connect(_ socket: Int32, to address: SocketAddress) throws(Errno) {
        var raw = try RawAddress(address)
        try check(cl_connect(socket, &raw.storage, raw.length))
    }

    public func socketError(_ socket: Int32) -> Errno? {
        let result = cl_socket_error(socket)
        return result == 0 ? nil : Errno(Int32(truncatingIfNeeded: -result))
    }

    public func localAddress(_ socket: Int32) throws(Errno) -> SocketAddress {
        var raw = RawAddress()
        try check(cl_local_address(socket, &raw.storage, &raw.length))
        guard let address = raw.address else { throw .notSupported }
        return address
    }

    public func setOption(
        _ socket: Int32, _ option: SocketOption, _ value: Int32
    ) throws(Errno) {
        try check(cl_set_option(socket, option.raw, value))
    }

    public func receive(
        _ socket: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try check(cl_receive(socket, buffer.baseAddress, buffer.count))
    }

    public func send(
        _ socket: Int32, _ vectors: UnsafeBufferPointer<IOVector>, more: Bool
    ) throws(Errno) -> Int {
        try check(cl_send(socket, vectors.baseAddress, vectors.count, more))
    }

    public func sendFile(
        _ socket: Int32, from file: Int32, offset: Int64, count: Int
    ) throws(Errno) -> Int {
        try check(cl_send_file(socket, file, offset, count))
    }

    public func shutdownWrites(_ socket: Int32) throws(Errno) {
        try check(cl_shutdown_writes(socket))
    }

    public func makeNonBlocking(_ descriptor: Int32) throws(Errno) {
        try check(cl_make_nonblocking(descriptor))
    }
}

extension SocketOption {
    fileprivate var raw: cl_option {
        switch self {
        case .reuseAddress: cl_reuse_address
        case .v6Only: cl_v6_only
        case .noDelay: cl_no_delay
        case .notSentLowWater: cl_not_sent_low_water
        case .userTimeout: cl_user_timeout
        case .sendBuffer: cl_send_buffer
        case .receiveBuffer: cl_receive_buffer
        }
    }
}
