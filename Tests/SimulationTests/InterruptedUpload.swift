import AMPServer
import Simulation

/// An upload that may be interrupted; with a token it may be taken up by another client.
final class InterruptedUpload {
    let name: String
    let contents: Contents
    /// In the ledger.
    let change: Int
    var token: [UInt8]?
    var isUnderWay = false
    /// Nothing is to be found of it in the store's folder.
    var isOver = false

    init(_ name: String, _ contents: Contents, _ change: Int) {
        self.name = name
        self.contents = contents
        self.change = change
    }
}

/// Those of all clients.
final class InterruptedUploads {
    var all: [InterruptedUpload] = []

    func takeOne(_ chance: inout Chance) -> InterruptedUpload? {
        let left = all.filter { !$0.isOver && !$0.isUnderWay }
        return left.isEmpty ? nil : chance.element(of: left)
    }
}
