// Examples/README/train.swift
import Cresset
import CressetData
import CressetNN
import CressetOptim

// The first argument ("vulkan:0", "opencl:NVIDIA", a UUID), else CRESSET_DEVICE, else the cpu.
let device = try CommandLine.arguments.dropFirst().first.map { try Device($0) } ?? .default

try withDevice(device) {
    manualSeed(1)
    let (train, test) = try Digits.load()
    let model = Sequential(Linear(64, 64), ReLU(), Linear(64, 10))
    let optimizer = Adam(model.parameters, lr: 5e-3)
    let batches = DataLoader(train, batchSize: 64, shuffle: true, seed: 1)
    for epoch in 1...5 {
        for (images, labels) in batches {
            let loss = Losses.crossEntropy(model(images), labels)
            optimizer.zeroGrad()
            loss.backward()
            try optimizer.step()
        }
        let hits = noGrad { (model(test.inputs).argmax(dim: 1) .== test.targets).to(.float32).mean() }
        print("\(device), epoch \(epoch): \(Int(hits.item() * 100)) % of the test images")
    }
}
