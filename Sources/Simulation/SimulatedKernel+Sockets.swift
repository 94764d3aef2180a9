import Kernel

/// Stream sockets, as `socket(7)`, `tcp(7)` and `unix(7)` describe them.
extension SimulatedKernel {
    public func socket(for address: SocketAddress) throws(Errno) -> Int32 {
        try enter("socket")
        return try install(SimulatedSocket(on: machine, isUnix: address.isUnix))
    }

    public func bind(_ socket: Int32, to address: SocketAddress) throws(Errno) {
        try enter("bind", Int64(socket))
        let object = try object(socket, as: SimulatedSocket.self)
        guard object.local == nil else { throw .invalid }
        guard machine.listeners[address] == nil else { throw .addressInUse }
        if case .unix(let path) = address { try makeSocketFile(path) }
        object.local = machine.assigned(address)
    }

    public func listen(_ socket: Int32, backlog: Int32) throws(Errno) {
        try enter("listen", Int64(socket), Int64(backlog))
        let object = try object(socket, as: SimulatedSocket.self)
        guard object.state == .fresh, let address = object.local else { throw .invalid }
        guard machine.listeners[address] == nil else { throw .addressInUse }
        let listener = SimulatedListener(on: machine, address: address, backlog: Int(backlog))
        machine.listeners[address] = listener
        replace(socket, by: listener)
    }

    public func accept(_ listener: Int32) throws(Errno) -> (socket: Int32, peer: SocketAddress) {
        try enter("accept4", Int64(listener))
        let object = try object(listener, as: SimulatedListener.self)
        guard !object.waiting.isEmpty else { throw .again }
        guard hasRoom else { throw .tooManyFiles }
        if machine.network.oneIn(machine.faults.acceptError) {
            if machine.network.oneIn(2) { throw .tooManyFiles }
            let (lost, _) = object.waiting.removeFirst()
            lost.peer?.reset(.connectionReset)
            lost.released()
            throw .connectionAborted
        }
        let (socket, peer) = object.waiting.removeFirst()
        return (try install(socket), peer)
    }

    public func connect(_ socket: Int32, to address: SocketAddress) throws(Errno) {
        try enter("connect", Int64(socket))
        let client = try object(socket, as: SimulatedSocket.self)
        guard client.state == .fresh else { throw .inProgress }
        guard !address.isUnix else {
            guard let listener = machine.listener(at: address) else {
                throw .connectionRefused
            }
            guard !listener.isFull else { throw .again }
            client.state = .connected
            listener.admit(client, from: .unix(""))
            return
        }
        let local = machine.assigned(client.local ?? Self.anyLoopback(like: address))
        client.local = local
        client.knock(at: address, from: local)
        throw .inProgress
    }

    public func socketError(_ socket: Int32) -> Errno? {
        guard (try? enter("getsockopt SO_ERROR", Int64(socket))) != nil else { return nil }
        return (object(socket) as? SimulatedSocket)?.takeError()
    }

    public func localAddress(_ socket: Int32) throws(Errno) -> SocketAddress {
        try enter("getsockname", Int64(socket))
        guard let object = object(socket) else { throw .badDescriptor }
        if let listener = object as? SimulatedListener { return listener.address }
        guard let socket = object as? SimulatedSocket else { throw .invalid }
        return socket.local ?? .unix("")
    }

    /// Accepted and without effect: buffers have the sizes that chance gave them.
    public func setOption(_ socket: Int32, _ option: SocketOption, _ value: Int32) throws(Errno) {
        try enter("setsockopt", Int64(socket), Int64(value))
        guard object(socket) != nil else { throw .badDescriptor }
    }

    public func receive(
        _ socket: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try enter("recv", Int64(socket), Int64(buffer.count))
        let count = try object(socket, as: SimulatedSocket.self).receive(into: buffer)
        machine.record(number, "recv gives", Int64(socket), Int64(count))
        return count
    }

    public func send(
        _ socket: Int32, _ vectors: UnsafeBufferPointer<IOVector>, more: Bool
    ) throws(Errno) -> Int {
        let total = vectors.reduce(0) { $0 + $1.count }
        try enter("sendmsg", Int64(socket), Int64(total))
        let object = try object(socket, as: SimulatedSocket.self)
        let admitted = try object.admit(total)
        var left = admitted
        for vector in vectors where left > 0 {
            let count = min(vector.count, left)
            let bytes = UnsafeRawBufferPointer(start: vector.base, count: count)
            left -= object.outgoing?.send(bytes) ?? 0
        }
        machine.record(number, "sendmsg takes", Int64(socket), Int64(admitted))
        return machine.bugs.contains(.ignoresShortSend) ? total : admitted
    }

    public func sendFile(
        _ socket: Int32, from file: Int32, offset: Int64, count: Int
    ) throws(Errno) -> Int {
        try enter("sendfile", Int64(socket), Int64(count))
        let object = try object(socket, as: SimulatedSocket.self)
        let inode = try self.object(file, as: SimulatedFile.self).inode
        guard inode.kind == .regular, offset >= 0 else { throw .invalid }
        let available = Int(clamping: max(0, Int64(inode.data.count) - offset))
        guard available > 0, count > 0 else { return 0 }
        let admitted = try object.admit(min(available, count))
        if machine.disk.failsByChance(machine.faults.diskError) { throw .inputOutput }
        let start = Int(offset)
        inode.data.withUnsafeBytes { bytes in
            let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<start + admitted])
            _ = object.outgoing?.send(slice)
        }
        machine.record(number, "sendfile takes", Int64(socket), Int64(admitted))
        return admitted
    }

    public func shutdownWrites(_ socket: Int32) throws(Errno) {
        try enter("shutdown", Int64(socket))
        try object(socket, as: SimulatedSocket.self).shutDownWrites()
    }

    public func makeNonBlocking(_ descriptor: Int32) throws(Errno) {
        try enter("fcntl", Int64(descriptor))
        guard object(descriptor) != nil else { throw .badDescriptor }
    }

    private static func anyLoopback(like address: SocketAddress) -> SocketAddress {
        if case .v6 = address {
            let bytes = [UInt8](repeating: 0, count: 15) + [1]
            return .v6(bytes, port: 0, scope: 0)
        }
        return .v4([127, 0, 0, 1], port: 0)
    }
}
