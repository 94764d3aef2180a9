/// The name of a stored file: a relative path of components joined by `/`, compared byte for
/// byte.
///
/// No component is empty, `.` or `..`, or longer than 255 bytes; the whole is at most 4,096
/// bytes of UTF-8; there are no control characters (C0, DEL, C1); and the first component is
/// not `.ampd`, where the store keeps its own. A value of this type has been checked, so what
/// takes one need not look again; that no symbolic link leads elsewhere is for whoever opens.
public struct FileName: Sendable {
    /// The whole path.
    public let path: String

    public static let maximumLength = 4096
    public static let maximumComponentLength = 255
    /// The first component that no name may have.
    public static let reserved = ".ampd"

    /// Throws `BAD_NAME` with the rule that the path breaks.
    public init(_ path: String) throws(StoreError) {
        if let fault = Self.fault(in: path) { throw StoreError(.badName, fault) }
        self.path = path
    }

    /// The last component: the name within its directory.
    public var last: String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }

    /// Its directory, nil at the root.
    public var parent: FileName? {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return FileName(checked: String(path[..<slash]))
    }

    /// Its directory and that one's and so on, the topmost first.
    var ancestors: [FileName] {
        var ancestors: [FileName] = []
        var next = parent
        while let directory = next {
            ancestors.append(directory)
            next = directory.parent
        }
        return ancestors.reversed()
    }

    private init(checked path: String) { self.path = path }

    /// Whether bytes from a directory can be a component of a name: the component, or nil.
    static func component(_ bytes: [UInt8]) -> String? {
        guard let text = String(validating: bytes, as: UTF8.self), fault(inComponent: text) == nil
        else { return nil }
        return text
    }

    private static func fault(in path: String) -> String? {
        if path.isEmpty { return "the name is empty" }
        if path.utf8.count > maximumLength { return "the name is longer than 4096 bytes" }
        var isFirst = true
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        for part in parts {
            let component = String(Substring(part))
            if let fault = fault(inComponent: component) { return fault }
            if isFirst, component.utf8.elementsEqual(reserved.utf8) {
                return "the name begins with .ampd, which is reserved"
            }
            isFirst = false
        }
        return nil
    }

    static func fault(inComponent component: String) -> String? {
        switch component {
        case "": return "the name has an empty component"
        case ".": return "the name has a component ."
        case "..": return "the name has a component .."
        default: break
        }
        if component.utf8.count > maximumComponentLength {
            return "the name has a component longer than 255 bytes"
        }
        for scalar in component.unicodeScalars {
            switch scalar.value {
            case 0..<0x20, 0x7f..<0xa0: return "the name has a control character"
            case 0x2f: return "the component has a slash"
            default: continue
            }
        }
        return nil
    }
}

// String compares canonically equivalent texts as equal; names are bytes.
extension FileName: Hashable, CustomStringConvertible {
    public static func == (left: FileName, right: FileName) -> Bool {
        left.path.utf8.elementsEqual(right.path.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for byte in path.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0xff))
    }

    public var description: String { path }
}
