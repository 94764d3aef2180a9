import Kernel

/// A socket that listens, and the connections that wait there to be accepted.
final class SimulatedListener: KernelObject {
    unowned let machine: Machine
    let address: SocketAddress
    private let backlog: Int
    var waiting: [(socket: SimulatedSocket, peer: SocketAddress)] = []

    init(on machine: Machine, address: SocketAddress, backlog: Int) {
        self.machine = machine
        self.address = address
        self.backlog = max(1, backlog)
    }

    var title: String { "listener at \(address)" }
    var readiness: Readiness { waiting.isEmpty ? [] : .readable }
    var isFull: Bool { waiting.count > backlog }

    /// The machine makes the other end of `client`'s connection before anybody accepts it.
    func admit(_ client: SimulatedSocket, from address: SocketAddress) {
        let server = SimulatedSocket(on: machine, isUnix: client.isUnix)
        server.local = self.address
        SimulatedSocket.join(client, server)
        waiting.append((server, address))
    }

    func released() {
        if machine.listeners[address] === self { machine.listeners[address] = nil }
        for (socket, _) in waiting {
            socket.peer?.reset(.connectionReset)
            socket.released()
        }
        waiting = []
    }
}

extension SimulatedSocket {
    /// The first packet of a connection travels, finds a listener or none, and the answer
    /// travels back.
    func knock(at address: SocketAddress, from local: SocketAddress) {
        state = .connecting
        let way = machine.network.interval(upTo: .milliseconds(40))
        machine.at(machine.time + way) { [self] in
            guard state == .connecting else { return }
            let back = machine.time + way
            guard let listener = machine.listener(at: address) else {
                machine.at(back) { self.fail(.connectionRefused) }
                return
            }
            // A full queue drops the packet; the client sends another one in a while.
            guard !listener.isFull else { return knock(at: address, from: local) }
            listener.admit(self, from: local)
            incoming?.hold(until: back)
            machine.at(back) {
                if self.state == .connecting { self.state = .connected }
            }
        }
    }
}
