internal import CDigits
import Cresset
import CressetIO

/// The 1,797 handwritten digits of the UCI set, 8×8 pixels, part of the library.
///
/// Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), CC BY 4.0, as scikit-learn ships it.
public enum Digits {
    /// 1,437 images to learn from and 360 to test on: every fifth, from the first on.
    ///
    /// Inputs are float32 [N, 64] from 0 to 1, row by row; targets are the digits, int64 [N].
    public static func load(device: Device = .default) throws -> (train: TensorDataset, test: TensorDataset) {
        let samples = try samples()
        func dataset(_ isChosen: (Int) -> Bool) throws -> TensorDataset {
            let chosen = samples.indices.filter(isChosen).map { samples[$0] }
            return try TensorDataset(
                inputs: Tensor(
                    chosen.flatMap { $0.pixels.map { Float($0) / 16 } }, shape: [chosen.count, pixelCount],
                    device: device),
                targets: Tensor(chosen.map { Int64($0.digit) }, shape: [chosen.count], device: device))
        }
        return try (dataset { $0 % 5 != 0 }, dataset { $0 % 5 == 0 })
    }

    static let pixelCount = 64

    package struct Sample {
        /// From 0 to 16.
        package var pixels: ArraySlice<UInt8>
        package var digit: UInt8
    }

    package static func samples() throws -> [Sample] {
        var count = 0
        let start = cresset_digits_csv_gz(&count)
        // `count` is the size of the constant array at `start`.
        let text = try Gzip.inflate(Array(UnsafeBufferPointer(start: start, count: count)), limit: 1 << 20)
        return try text.split(separator: UInt8(ascii: "\n")).map { line in
            let numbers = line.split(separator: UInt8(ascii: ",")).compactMap {
                UInt8(String(decoding: $0, as: UTF8.self))
            }
            guard numbers.count == pixelCount + 1, numbers[..<pixelCount].allSatisfy({ $0 <= 16 }),
                numbers[pixelCount] <= 9
            else { throw CressetError(.internal, op: "Digits.load", "the embedded file is damaged") }
            return Sample(pixels: numbers[..<pixelCount], digit: numbers[pixelCount])
        }
    }
}
