import Cresset
import CressetData
import CressetIO
import Testing

@Suite struct DataTests {
    /// Numbers its samples.
    struct Numbers: Dataset {
        let count: Int
        func batch(_ indices: ArraySlice<Int64>) -> [Int64] { Array(indices) }
    }

    @Test func cutsBatches() {
        let loader = DataLoader(Numbers(count: 10), batchSize: 4)
        #expect(loader.count == 3)
        #expect(Array(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]])
        #expect(Array(DataLoader(Numbers(count: 10), batchSize: 4, dropLast: true)) == [[0, 1, 2, 3], [4, 5, 6, 7]])
        #expect(Array(DataLoader(Numbers(count: 0), batchSize: 4)).isEmpty)
        #expect(Array(DataLoader(Numbers(count: 1), shuffle: true)) == [[0]])
    }

    @Test func ordersDependOnSeedAndEpoch() {
        func loader(_ seed: UInt64) -> DataLoader<Numbers> {
            DataLoader(Numbers(count: 100), batchSize: 7, shuffle: true, seed: seed)
        }
        let (a, b) = (loader(1), loader(1))
        let first = Array(a.joined())
        let second = Array(a.joined())
        #expect(first.sorted() == Array(0..<100))
        #expect(second.sorted() == Array(0..<100))
        #expect(first != second)
        #expect(Array(b.joined()) == first)
        #expect(Array(loader(2).joined()) != first)
        #expect(a.epoch == 2)
        a.epoch = 0
        #expect(Array(a.joined()) == first)
        // Pinned: a changed order would change every training run.
        #expect(first.prefix(8) == [86, 5, 47, 14, 59, 65, 83, 3])
    }

    @Test func shufflesEvenly() {
        // Each of the 6 orders of 3 samples comes up in 1 of 6 epochs: 1000 ± 5 standard deviations.
        let loader = DataLoader(Numbers(count: 3), shuffle: true)
        var counts: [[Int64]: Int] = [:]
        for epoch in 0..<6000 { counts[loader.order(epoch: epoch), default: 0] += 1 }
        #expect(counts.count == 6)
        #expect(counts.values.allSatisfy { (856...1144).contains($0) })
    }

    @Test func gathersTensors() throws {
        let data = try TensorDataset(
            inputs: Tensor([0, 1, 2, 3, 4, 5] as [Float], shape: [3, 2], device: .reference),
            targets: Tensor([0, 1, 2] as [Int64], shape: [3], device: .reference))
        let (x, y) = data.batch([2, 0])
        #expect(x.shape == [2, 2])
        #expect(try x.rawBytes() == Tensor([4, 5, 0, 1] as [Float], shape: [2, 2], device: .reference).rawBytes())
        #expect(try y.rawBytes() == Tensor([2, 0] as [Int64], shape: [2], device: .reference).rawBytes())
        #expect(throws: CressetError.self) {
            try TensorDataset(inputs: data.inputs, targets: Tensor([0] as [Int64], shape: [1], device: .reference))
        }
    }

    @Test func digits() throws {
        let (train, test) = try Digits.load(device: .reference)
        #expect(train.inputs.shape == [1437, 64])
        #expect(train.targets.shape == [1437])
        #expect(test.inputs.shape == [360, 64])
        let samples = try Digits.samples()
        #expect(samples.count == 1797)
        #expect(samples.prefix(10).map(\.digit) == Array(0...9))
        #expect(Array(samples[0].pixels.prefix(8)) == [0, 0, 5, 13, 9, 1, 0, 0])
        // As scikit-learn's digits.data.sum() and digits.target.sum().
        #expect(samples.reduce(0) { $0 + $1.pixels.reduce(0) { $0 + Int($1) } } == 561_718)
        #expect(samples.reduce(0) { $0 + Int($1.digit) } == 8070)
    }

    @Test func mnist() throws {
        let folder = TemporaryFolder()
        func write(_ part: String, images: [UInt8], labels: [UInt8]) {
            _ = folder.file("\(part)-images-idx3-ubyte.gz", gzip(images))
            _ = folder.file("\(part)-labels-idx1-ubyte", labels)
        }
        let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 102]
        let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 7, 9]
        write("train", images: images, labels: labels)
        #expect(throws: CressetError.self) { try MNIST.load(directory: folder.path, device: .reference) }
        write("t10k", images: images, labels: labels)
        let (train, test) = try MNIST.load(directory: folder.path, device: .reference)
        let pixels = Tensor([0, 1, 0.2, 0.4] as [Float], shape: [2, 2], device: .reference)
        #expect(try train.inputs.rawBytes() == pixels.rawBytes())
        #expect(try test.targets.rawBytes() == Tensor([7, 9] as [Int64], shape: [2], device: .reference).rawBytes())
        for wrong: [UInt8] in [[0, 0, 8, 1, 0, 0, 0, 1, 7], [0, 0, 8, 1, 0, 0, 0, 2, 7, 10]] {
            write("t10k", images: images, labels: wrong)
            #expect(throws: CressetError.self) { try MNIST.load(directory: folder.path, device: .reference) }
        }
    }
}
