import Foundation
import LinuxKernel
import Testing

private let loopback = SocketAddress.v4([127, 0, 0, 1], port: 0)
private let loopbackV6 = SocketAddress.v6(
    [UInt8](repeating: 0, count: 15) + [1], port: 0, scope: 0)

let socketCalls: [Call] = [
    Call("socket") { scratch in
        for address in [loopback, loopbackV6, .unix("/nowhere")] {
            let socket = Descriptor(
                try scratch.kernel.socket(for: address), of: scratch.kernel)
            // Nonblocking: the answer comes at once.
            #expect(throws: Errno.self) { try scratch.receive(socket.number) }
        }
    }.failing(.nameTooLong) { scratch in
        _ = try scratch.kernel.socket(for: .unix(String(repeating: "p", count: 108)))
    },
    Call("bind") { scratch in
        let kernel = scratch.kernel
        let longest = (scratch.path + "/").padding(toLength: 107, withPad: "p", startingAt: 0)
        for address in [loopback, loopbackV6, .unix(longest)] {
            let socket = Descriptor(try kernel.socket(for: address), of: kernel)
            try kernel.bind(socket.number, to: address)
        }
        let status = try kernel.status(
            of: String(longest.dropFirst(scratch.path.count + 1)), in: scratch.directory.number)
        #expect(status.kind == .socket)
    }.failing(.addressInUse) { scratch in
        let listener = try scratch.listener()
        let other = Descriptor(
            try scratch.kernel.socket(for: listener.address), of: scratch.kernel)
        try scratch.kernel.bind(other.number, to: listener.address)
    },
    Call("listen") { scratch in
        let listener = try scratch.listener()
        let client = try scratch.connect(to: listener.address)
        #expect(try scratch.wait(for: client.number, .writable) == .writable)
    }.failing(.badDescriptor) { try $0.kernel.listen(noDescriptor, backlog: 1) },
    Call("accept") { scratch in
        let listener = try scratch.listener()
        let client = try scratch.connect(to: listener.address)
        try scratch.wait(for: listener.socket.number, .readable)
        let (number, peer) = try scratch.kernel.accept(listener.socket.number)
        let server = Descriptor(number, of: scratch.kernel)
        #expect(try peer == scratch.kernel.localAddress(client.number))
        #expect(throws: Errno.again) { try scratch.receive(server.number) }
    }.failing(.again) { scratch in
        let listener = try scratch.listener()
        _ = try scratch.kernel.accept(listener.socket.number)
    },
    Call("connect") { scratch in
        let listener = try scratch.listener()
        let address = listener.address
        let client = Descriptor(try scratch.kernel.socket(for: address), of: scratch.kernel)
        #expect(throws: Errno.inProgress) {
            try scratch.kernel.connect(client.number, to: address)
        }
        #expect(try scratch.wait(for: client.number, .writable) == .writable)
        #expect(scratch.kernel.socketError(client.number) == nil)
    }.failing(.notFound) { scratch in
        let nobody = SocketAddress.unix(scratch.path + "/nobody")
        let client = Descriptor(try scratch.kernel.socket(for: nobody), of: scratch.kernel)
        try scratch.kernel.connect(client.number, to: nobody)
    },
    Call("socketError") { scratch in
        var address = loopback
        do { address = try scratch.listener().address }  // closed again
        let client = try scratch.connect(to: address)
        try scratch.wait(for: client.number, .writable)
        #expect(scratch.kernel.socketError(client.number) == .connectionRefused)
        #expect(scratch.kernel.socketError(client.number) == nil)
    },
    Call("localAddress") { scratch in
        let listener = try scratch.listener()
        guard case .v4([127, 0, 0, 1], let port) = listener.address else {
            Issue.record("\(listener.address)")
            return
        }
        #expect(port != 0)
        let path = SocketAddress.unix(scratch.path + "/s")
        let socket = Descriptor(try scratch.kernel.socket(for: path), of: scratch.kernel)
        #expect(try scratch.kernel.localAddress(socket.number) == .unix(""))
        try scratch.kernel.bind(socket.number, to: path)
        #expect(try scratch.kernel.localAddress(socket.number) == path)
        let v6 = Descriptor(try scratch.kernel.socket(for: loopbackV6), of: scratch.kernel)
        try scratch.kernel.bind(v6.number, to: loopbackV6)
        #expect(try "\(scratch.kernel.localAddress(v6.number))".hasPrefix("[::1]:"))
    }.failing(.badDescriptor) { _ = try $0.kernel.localAddress(noDescriptor) },
    Call("setOption") { scratch in
        let kernel = scratch.kernel
        let socket = Descriptor(try kernel.socket(for: loopbackV6), of: kernel)
        let options: [SocketOption] = [
            .reuseAddress, .v6Only, .noDelay, .notSentLowWater, .userTimeout, .sendBuffer,
            .receiveBuffer,
        ]
        for option in options { try kernel.setOption(socket.number, option, 1) }
    }.failing(.notSupported) { scratch in
        let path = SocketAddress.unix("/nowhere")
        let socket = Descriptor(try scratch.kernel.socket(for: path), of: scratch.kernel)
        try scratch.kernel.setOption(socket.number, .noDelay, 1)
    },
    Call("receive") { scratch in
        let pair = try scratch.connection()
        try scratch.send("hello", to: pair.client.number)
        try scratch.wait(for: pair.server.number, .readable)
        #expect(try scratch.receive(pair.server.number) == "hello")
        try scratch.kernel.shutdownWrites(pair.client.number)
        try scratch.wait(for: pair.server.number, .readable)
        #expect(try scratch.receive(pair.server.number) == "")
    }.failing(.again) { scratch in
        let pair = try scratch.connection()
        _ = try scratch.receive(pair.server.number)
    },
    Call("send") { scratch in
        let pair = try scratch.connection()
        let word = Array("word ".utf8)
        // More vectors than one call takes (IOV_MAX): it sends what it can.
        let sent = try word.withUnsafeBytes { word in
            let vector = IOVector(base: word.baseAddress, count: word.count)
            let vectors = [IOVector](repeating: vector, count: 2000)
            return try vectors.withUnsafeBufferPointer {
                try scratch.kernel.send(pair.client.number, $0, more: false)
            }
        }
        #expect(sent == 1024 * 5)
        try scratch.wait(for: pair.server.number, .readable)
        #expect(try scratch.receive(pair.server.number).hasPrefix("word word "))
    }.failing(.brokenPipe) { scratch in
        let pair = try scratch.connection()
        try scratch.kernel.shutdownWrites(pair.client.number)
        try scratch.send("late", to: pair.client.number)  // and no SIGPIPE
    },
    Call("sendFile") { scratch in
        let pair = try scratch.connection()
        let file = try scratch.file("file", "0123456789")
        let (client, kernel) = (pair.client.number, scratch.kernel)
        #expect(try kernel.sendFile(client, from: file.number, offset: 3, count: 4) == 4)
        #expect(try kernel.sendFile(client, from: file.number, offset: 10, count: 4) == 0)
        try scratch.wait(for: pair.server.number, .readable)
        #expect(try scratch.receive(pair.server.number) == "3456")
    }.failing(.badDescriptor) { scratch in
        let pair = try scratch.connection()
        _ = try scratch.kernel.sendFile(
            pair.client.number, from: noDescriptor, offset: 0, count: 1)
    },
    Call("shutdownWrites") { scratch in
        let pair = try scratch.connection()
        try scratch.kernel.shutdownWrites(pair.client.number)
        #expect(try scratch.wait(for: pair.server.number, .peerClosed) == .peerClosed)
    }.failing(.notConnected) { scratch in
        let socket = Descriptor(try scratch.kernel.socket(for: loopback), of: scratch.kernel)
        try scratch.kernel.shutdownWrites(socket.number)
    },
    Call("makeNonBlocking") { scratch in
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let read = Descriptor(ends[0], of: scratch.kernel)
        let write = Descriptor(ends[1], of: scratch.kernel)
        try scratch.kernel.makeNonBlocking(read.number)
        var byte: UInt8 = 0
        #expect(throws: Errno.again) {
            try withUnsafeMutableBytes(of: &byte) {
                try scratch.kernel.read(read.number, into: $0)
            }
        }
        #expect(fcntl(read.number, F_GETFD) == FD_CLOEXEC)
    }.failing(.badDescriptor) { try $0.kernel.makeNonBlocking(noDescriptor) },
]
