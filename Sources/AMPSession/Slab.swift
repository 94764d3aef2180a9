/// A table whose rows keep their numbers: rows that are taken out leave a gap for the next.
struct Slab<Row> {
    private var rows: [Row?] = []
    private var gaps: [Int] = []

    var count: Int { rows.count - gaps.count }

    mutating func insert(_ row: Row) -> Int {
        if let gap = gaps.popLast() {
            rows[gap] = row
            return gap
        }
        rows.append(row)
        return rows.count - 1
    }

    mutating func remove(_ number: Int) {
        rows[number] = nil
        gaps.append(number)
        if gaps.count == rows.count { (rows, gaps) = ([], []) }
    }

    /// The row must be there: numbers come from tables of ours, never from a peer.
    subscript(number: Int) -> Row {
        get {
            guard let row = rows[number] else { preconditionFailure("no such row") }
            return row
        }
        _modify {
            precondition(rows[number] != nil, "no such row")
            yield &rows[number]!
        }
    }
}
