import Cresset

/// What one of the processes that share a run does of it.
package enum Part: Sendable, Equatable {
    /// All of it.
    case whole
    /// Every `count`th operation and dtype, from the `index`th on.
    case share(index: Int, count: Int)
    /// What can be said only after all shares: which kernels nothing ran, and what does not come in cases.
    case rest

    /// "1/2" or "rest".
    package init?(_ text: String) {
        if text == "rest" {
            self = .rest
            return
        }
        let numbers = text.split(separator: "/").map { Int($0) ?? 0 }
        guard numbers.count == 2, numbers[0] >= 1, numbers[0] <= numbers[1] else { return nil }
        self = .share(index: numbers[0] - 1, count: numbers[1])
    }

    package var text: String? {
        switch self {
        case .whole: nil
        case .share(let index, let count): "\(index + 1)/\(count)"
        case .rest: "rest"
        }
    }

    /// The processes that a run is shared by, which go on side by side; what is left after them is `rest`.
    package static func shares(_ count: Int) -> [Part] { (0..<count).map { .share(index: $0, count: count) } }

    /// True for what this part does of things that are counted from 0.
    func has(_ i: Int) -> Bool {
        switch self {
        case .whole: true
        case .share(let index, let count): i % count == index
        case .rest: false
        }
    }

    /// True where what was run elsewhere is known.
    var isLast: Bool { self == .whole || self == .rest }
}
