/// An open file descriptor with one owner, which closes it when it goes.
///
/// Closing a regular file can block (the last close of an unlinked file frees its blocks), so
/// descriptors of files are let go on a worker, those of sockets on the loop.
public struct Descriptor: ~Copyable, Sendable {
    public let number: Int32
    public let kernel: any Kernel

    public init(_ number: Int32, of kernel: any Kernel) {
        self.number = number
        self.kernel = kernel
    }

    deinit { kernel.close(number) }
}
