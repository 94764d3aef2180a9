/// What `ampd limits` prints: every setting that is a number, its value in force, what is
/// allowed and what it means.
public struct LimitsTable: CustomStringConvertible {
    private let configuration: Configuration

    public init(_ configuration: Configuration) { self.configuration = configuration }

    public var description: String {
        let heads = ["KEY", "VALUE", "ALLOWED", "MEANING"]
        let rows = [heads] + Setting.all.compactMap(row)
        let widths = heads.indices.dropLast().map { column in
            rows.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count + 2)
            }.joined() + row[heads.count - 1] + "\n"
        }.joined()
    }

    private func row(_ setting: Setting) -> [String]? {
        guard case .number(let path, let range, let unit) = setting.kind else { return nil }
        return [
            setting.key, Quantity.text(configuration[keyPath: path], unit),
            Quantity.text(range, unit), setting.meaning,
        ]
    }
}
