import Kernel

/// Something that a descriptor stands for.
protocol KernelObject: AnyObject {
    /// What the object is, for the report of a leak.
    var title: String { get }
    /// All that `epoll_wait` could report of it now.
    var readiness: Readiness { get }
    /// Its descriptor is closed.
    func released()
}

/// One process's view of the ``Machine``: the system calls, and the descriptors it has open.
///
/// The calls are grouped by topic in the extensions `SimulatedKernel+….swift`. A process can be
/// made to die at a given call (``doom(afterCalls:_:)``); from then on its calls fail and change
/// nothing, so that its objects may be let go in peace.
public final class SimulatedKernel: Kernel, @unchecked Sendable {
    /// How a process ends in the middle of what it does.
    public enum Doom: Sendable { case killed, powerLost }

    public let machine: Machine
    public let name: String
    let number: Int
    public private(set) var isAlive = true
    /// `RLIMIT_NOFILE`.
    public var descriptorLimit = 1_024
    /// System calls made so far.
    public private(set) var calls = 0
    /// What the last wait was to end with: see ``Simulation``.
    var sleep = Sleep.awake

    enum Sleep: Equatable {
        case awake
        case until(Instant)
    }

    var epolls: [Epoll] = []
    private var objects: [(any KernelObject)?] = []
    private var doom: (call: Int, kind: Doom)?

    init(on machine: Machine, name: String, number: Int) {
        self.machine = machine
        self.name = name
        self.number = number
    }

    /// The descriptors that are open and what they stand for: none may be left at the end.
    public var openDescriptors: [String] {
        objects.enumerated().compactMap { index, object in
            object.map { "\(index + Self.firstNumber): \($0.title)" }
        }
    }

    /// Ends the process at its system call number `calls` from now.
    public func doom(afterCalls calls: Int, _ kind: Doom) { doom = (self.calls + calls, kind) }

    /// The process is gone (`SIGKILL`): its descriptors are closed, its files keep what it wrote.
    public func die() {
        guard isAlive else { return }
        isAlive = false
        machine.record(number, "dies")
        for index in objects.indices {
            let object = objects[index]
            objects[index] = nil
            object?.released()
        }
        epolls = []
    }

    // MARK: Time and chance

    public func now() -> Instant { machine.time }

    public func wallClock() -> Int64 { machine.wallClock }

    public func random(into buffer: UnsafeMutableRawBufferPointer) { machine.entropy.fill(buffer) }

    // MARK: Descriptors

    /// Begins a system call: it is recorded, takes a little time, and may be the process's last.
    func enter(_ call: StaticString, _ first: Int64 = 0, _ second: Int64 = 0) throws(Errno) {
        guard isAlive else { throw .inputOutput }
        calls += 1
        machine.time = machine.time + Interval(nanoseconds: 200)
        machine.record(number, call, first, second)
        guard let doom, calls >= doom.call else { return }
        self.doom = nil
        switch doom.kind {
        case .killed: die()
        case .powerLost: machine.losePower(of: [self])
        }
        throw .inputOutput
    }

    public func close(_ descriptor: Int32) {
        guard (try? enter("close", Int64(descriptor))) != nil else { return }
        guard let object = object(descriptor) else {
            // A second close may hit a stranger's descriptor: never forgiven.
            preconditionFailure("\(name) closes \(descriptor), which is not open")
        }
        objects[Int(descriptor) - Self.firstNumber] = nil
        for epoll in epolls { epoll.forget(descriptor) }
        epolls.removeAll { $0 === object }
        object.released()
    }

    /// The lowest number that is free, as POSIX demands, so that numbers are used again soon.
    func install(_ object: any KernelObject) throws(Errno) -> Int32 {
        if let index = objects.firstIndex(where: { $0 == nil }) {
            objects[index] = object
            return Int32(index + Self.firstNumber)
        }
        guard objects.count + Self.firstNumber < descriptorLimit else { throw .tooManyFiles }
        objects.append(object)
        return Int32(objects.count - 1 + Self.firstNumber)
    }

    /// The descriptor stands for something else from now on, as a socket does once it listens.
    func replace(_ descriptor: Int32, by object: any KernelObject) {
        objects[Int(descriptor) - Self.firstNumber] = object
        for epoll in epolls {
            if let index = epoll.index(of: descriptor) { epoll.watches[index].object = object }
        }
    }

    /// Whether one more descriptor could be opened.
    var hasRoom: Bool {
        objects.count + Self.firstNumber < descriptorLimit || objects.contains { $0 == nil }
    }

    func object(_ descriptor: Int32) -> (any KernelObject)? {
        let index = Int(descriptor) - Self.firstNumber
        return objects.indices.contains(index) ? objects[index] : nil
    }

    func object<Object: KernelObject>(
        _ descriptor: Int32, as type: Object.Type
    ) throws(Errno) -> Object {
        guard let object = object(descriptor) else { throw .badDescriptor }
        guard let object = object as? Object else { throw .invalid }
        return object
    }

    func allObjects<Object: KernelObject>(as type: Object.Type) -> [Object] {
        objects.compactMap { $0 as? Object }
    }

    private static let firstNumber = 3
}
