import Foundation
import LinuxKernel
import Testing

/// One call of the kernel: that it does its work, and how it fails first of all.
struct Call: Sendable, CustomTestStringConvertible {
    typealias Body = @Sendable (Scratch) throws -> Void

    let name: String
    let works: Body
    var failure: Errno?
    var fails: Body?

    init(_ name: String, _ works: @escaping Body) {
        self.name = name
        self.works = works
    }

    /// With the way in which it fails.
    func failing(_ failure: Errno, _ fails: @escaping Body) -> Call {
        var call = self
        call.failure = failure
        call.fails = fails
        return call
    }

    var testDescription: String { name }
}

@Suite("Every call of the kernel")
struct CallTests {
    @Test("does its work", arguments: timeCalls + readinessCalls + socketCalls + fileCalls)
    func works(_ call: Call) throws {
        try call.works(Scratch())
    }

    @Test("fails with its errno", arguments: readinessCalls + socketCalls + fileCalls)
    func fails(_ call: Call) throws {
        guard let failure = call.failure, let fails = call.fails else { return }
        let scratch = try Scratch()
        #expect(throws: failure) { try fails(scratch) }
    }

    /// The table is complete: what the protocol's source declares is what the tables hold.
    @Test("is in the table")
    func everyCallIsInTheTable() throws {
        let source = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/Kernel/Kernel.swift")
        let declared = try String(contentsOf: source, encoding: .utf8)
            .split(separator: "\n")
            .compactMap { $0.firstMatch(of: /^    func (\w+)\(/).map { String($0.1) } }
        let tabled = (timeCalls + readinessCalls + socketCalls + fileCalls).map(\.name)
        #expect(declared.count > 40)
        #expect(declared.sorted() == tabled.sorted())
    }
}

/// No descriptor has this number.
let noDescriptor: Int32 = -1
let token = Token(slot: 7, generation: 9)

let timeCalls: [Call] = [
    Call("now") { scratch in
        let first = scratch.kernel.now()
        #expect(first > .start)
        #expect(scratch.kernel.now() >= first)
    },
    Call("wallClock") { scratch in
        let seconds = scratch.kernel.wallClock() / 1_000_000_000
        #expect(abs(Double(seconds) - Date().timeIntervalSince1970) < 60)
    },
    Call("random") { scratch in
        // More than one getrandom(2) gives at a time without interruption (256 bytes).
        var bytes = [UInt8](repeating: 0, count: 10_000)
        bytes.withUnsafeMutableBytes { scratch.kernel.random(into: $0) }
        #expect(Set(bytes).count == 256)
        #expect(bytes.suffix(32).contains { $0 != 0 })
    },
]

let readinessCalls: [Call] = [
    Call("close") { scratch in
        let event = try scratch.kernel.eventCreate()
        scratch.kernel.close(event)
        scratch.kernel.close(noDescriptor)  // nothing to tell anybody
    },
    Call("epollCreate") { scratch in
        let epoll = Descriptor(try scratch.kernel.epollCreate(), of: scratch.kernel)
        #expect(try scratch.events(of: epoll.number, within: .zero).isEmpty)
    },
    Call("epollAdd") { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let pair = try scratch.connection()
        try kernel.epollAdd(epoll.number, pair.client.number, [.writable, .readable], token)
        let events = try scratch.events(of: epoll.number, within: .seconds(10))
        #expect(events.map(\.readiness) == [.writable])
        #expect(events.map(\.token) == [token])
    }.failing(.exists) { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let event = Descriptor(try kernel.eventCreate(), of: kernel)
        try kernel.epollAdd(epoll.number, event.number, .readable, token)
        try kernel.epollAdd(epoll.number, event.number, .readable, token)
    },
    Call("epollModify") { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let event = Descriptor(try kernel.eventCreate(), of: kernel)
        try kernel.epollAdd(epoll.number, event.number, .readable, token)
        #expect(try scratch.events(of: epoll.number, within: .zero).isEmpty)
        let newToken = Token(slot: .max, generation: 1)
        try kernel.epollModify(epoll.number, event.number, .writable, newToken)
        #expect(try scratch.events(of: epoll.number, within: .zero).map(\.token) == [newToken])
    }.failing(.notFound) { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let event = Descriptor(try kernel.eventCreate(), of: kernel)
        try kernel.epollModify(epoll.number, event.number, .readable, token)
    },
    Call("epollRemove") { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let event = Descriptor(try kernel.eventCreate(), of: kernel)
        try kernel.epollAdd(epoll.number, event.number, .writable, token)
        try kernel.epollRemove(epoll.number, event.number)
        #expect(try scratch.events(of: epoll.number, within: .zero).isEmpty)
    }.failing(.notFound) { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let event = Descriptor(try kernel.eventCreate(), of: kernel)
        try kernel.epollRemove(epoll.number, event.number)
    },
    Call("epollWait") { scratch in
        let kernel = scratch.kernel
        let epoll = Descriptor(try kernel.epollCreate(), of: kernel)
        let deadline = kernel.now() + .milliseconds(3)
        #expect(try scratch.events(of: epoll.number, within: .milliseconds(3)).isEmpty)
        #expect(kernel.now() >= deadline)
    }.failing(.badDescriptor) { scratch in
        _ = try scratch.events(of: noDescriptor, within: .zero)
    },
    Call("eventCreate") { scratch in
        let event = Descriptor(try scratch.kernel.eventCreate(), of: scratch.kernel)
        #expect(try scratch.wait(for: event.number, [.readable, .writable]) == .writable)
    },
    Call("eventSignal") { scratch in
        let event = Descriptor(try scratch.kernel.eventCreate(), of: scratch.kernel)
        for _ in 0..<3 { scratch.kernel.eventSignal(event.number) }
        #expect(try scratch.wait(for: event.number, .readable) == .readable)
    },
    Call("eventDrain") { scratch in
        let event = Descriptor(try scratch.kernel.eventCreate(), of: scratch.kernel)
        for _ in 0..<3 { scratch.kernel.eventSignal(event.number) }
        scratch.kernel.eventDrain(event.number)
        scratch.kernel.eventDrain(event.number)  // does not wait
        #expect(try scratch.wait(for: event.number, [.readable, .writable]) == .writable)
    },
    Call("signalCreate") { scratch in
        let signals = Descriptor(
            try scratch.kernel.signalCreate([.user1, .hangup]), of: scratch.kernel)
        pthread_kill(pthread_self(), SIGUSR1)  // would end the process, were it not blocked
        #expect(try scratch.wait(for: signals.number, .readable) == .readable)
        #expect(scratch.kernel.signalRead(signals.number) == .user1)
    },
    Call("signalRead") { scratch in
        let signals = Descriptor(
            try scratch.kernel.signalCreate([.hangup]), of: scratch.kernel)
        #expect(scratch.kernel.signalRead(signals.number) == nil)
        pthread_kill(pthread_self(), SIGHUP)
        #expect(scratch.kernel.signalRead(signals.number) == .hangup)
        #expect(scratch.kernel.signalRead(signals.number) == nil)
    },
]
