import BackendKit

/// The values and error bounds of a buffer's elements, by byte offset.
///
/// An element without an entry is exact: its bytes say everything. Entries stand in pages of 256
/// bytes, the alignment of allocations, so that a page belongs to one tensor (or views of it).
struct Shadow {
    private static let pageBytes = 256

    private struct Entry {
        var dtype: DType
        var value: Bounded
    }

    private struct Page {
        /// Bytes of one element; all entries of a page have this size.
        var elementSize: Int
        var entries: [Entry?]
    }

    private var pages: [Page?] = []

    private static func split(_ offset: Int) -> (page: Int, byte: Int) {
        (offset / pageBytes, offset % pageBytes)
    }

    /// What is known about the element at `offset`; nil if its bytes are exact.
    func value(_ dtype: DType, at offset: Int) -> Bounded? {
        let (p, byte) = Self.split(offset)
        guard p < pages.count, let page = pages[p] else { return nil }
        if page.elementSize == dtype.size {
            guard let entry = page.entries[byte / page.elementSize] else { return nil }
            return entry.dtype == dtype ? entry.value : .anything
        }
        // Read as another size of element than was written: bits of an inexact number say nothing.
        let first = byte / page.elementSize
        let last = min(byte + dtype.size - 1, Self.pageBytes - 1) / page.elementSize
        return page.entries[first...last].contains { $0 != nil } ? .anything : nil
    }

    /// Sets, or with nil takes away, what is known about the element at `offset`.
    mutating func set(_ value: Bounded?, _ dtype: DType, at offset: Int) {
        guard let value else { return clear(offset..<offset + dtype.size) }
        let (p, byte) = Self.split(offset)
        while pages.count <= p { pages.append(nil) }
        if pages[p]?.elementSize != dtype.size {
            // The memory is used for something else now.
            pages[p] = Page(
                elementSize: dtype.size, entries: [Entry?](repeating: nil, count: Self.pageBytes / dtype.size))
        }
        pages[p]?.entries[byte / dtype.size] = Entry(dtype: dtype, value: value)
    }

    /// Makes every element that has a byte in `range` exact.
    mutating func clear(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        for p in range.lowerBound / Self.pageBytes...(range.upperBound - 1) / Self.pageBytes
        where p < pages.count {
            guard let size = pages[p]?.elementSize else { continue }
            let start = p * Self.pageBytes
            let bytes = range.clamped(to: start..<start + Self.pageBytes)
            if bytes.count == Self.pageBytes {
                pages[p] = nil
            } else {
                for i in (bytes.lowerBound - start) / size...(bytes.upperBound - 1 - start) / size {
                    pages[p]?.entries[i] = nil
                }
            }
        }
    }

    /// The elements that lie in `range` of `source` take their values along to `target`.
    mutating func copy(_ range: Range<Int>, of source: Shadow, to target: Int) {
        clear(target..<target + range.count)
        guard !range.isEmpty else { return }
        for p in range.lowerBound / Self.pageBytes...(range.upperBound - 1) / Self.pageBytes
        where p < source.pages.count {
            guard let page = source.pages[p] else { continue }
            for (i, entry) in page.entries.enumerated() {
                let offset = p * Self.pageBytes + i * page.elementSize
                guard let entry, range.contains(offset) else { continue }
                set(entry.value, entry.dtype, at: target + offset - range.lowerBound)
            }
        }
    }
}
