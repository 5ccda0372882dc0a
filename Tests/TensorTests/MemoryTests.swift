import Cresset
import Testing

/// The allocator of a device, and what works in little memory.
@Suite(.serialized) struct MemoryTests {
    private func device(_ name: String) throws -> Device { try Workshop.device(name) }

    @Test func blocksAreReused() throws {
        let device = try device("reused")
        let before = try Memory.stats(device)
        for _ in 0..<100 { _ = Tensor.zeros([1000], device: device) }
        let after = try Memory.stats(device)
        #expect(after.allocations - before.allocations <= 2)
        #expect(after.reuses - before.reuses >= 98)
        #expect(after.liveBytes == before.liveBytes)
    }

    /// Over 1,000 steps of varying shapes the cache stays within a quarter of the peak and 64 MB.
    @Test func theCacheIsBounded() throws {
        let device = try device("bounded")
        try Memory.trim(device)
        try Memory.resetPeak(device)
        var most = 0
        for step in 0..<1000 {
            // Sizes from 4 KB to 12 MB, no two steps alike for long.
            let rows = 1 + step * 7919 % 3001
            let x = Tensor.empty([rows, 1024], device: device)
            let y = Tensor.empty([rows, 1 + step % 97], device: device)
            withExtendedLifetime((x, y)) {}
            let stats = try Memory.stats(device)
            most = max(most, stats.liveBytes + stats.cachedBytes)
        }
        let stats = try Memory.stats(device)
        #expect(stats.peakBytes < 20 << 20)
        #expect(most <= stats.peakBytes + stats.peakBytes / 4 + 64 << 20)
        try Memory.trim(device)
        #expect(try Memory.stats(device).cachedBytes == 0)
    }

    @Test func aLimitIsKeptAndExplained() throws {
        let device = try device("limited")
        try Memory.trim(device)
        let live = try Memory.stats(device).liveBytes
        try Memory.setLimit(device, bytes: live + (40 << 20))
        try Memory.noteOwners(device)
        defer {
            try? Memory.setLimit(device, bytes: nil)
            try? Memory.noteOwners(device, false)
        }
        let large = Tensor.empty([5 << 20], device: device)
        // What is cached is given up before anything is refused.
        do { _ = Tensor.empty([4 << 20], device: device) }
        #expect(try Memory.stats(device).cachedBytes > 0)
        let error = refusal { _ = try catching { Tensor.empty([6 << 20], device: device) } }
        let text = error?.message ?? ""
        for words in ["25165824 bytes", "are live", "0 cached", "the largest free block has", "the limit is"] {
            #expect(text.contains(words), "\(text)")
        }
        // A debug build knows the line.
        #expect(text.contains("MemoryTests.swift:") || text.contains("a line without debug information"), "\(text)")
        #expect(error?.kind == .memory)
        _ = Tensor.empty([4 << 20], device: device)
        withExtendedLifetime(large) {}
    }

    @Test func smallOwnersAreNotedOnRequest() throws {
        let device = try device("noted")
        try Memory.noteOwners(device)
        try Memory.setLimit(device, bytes: try Memory.stats(device).liveBytes + (1 << 20))
        defer { try? Memory.setLimit(device, bytes: nil) }
        let kept = (0..<8).map { _ in Tensor.empty([20_000], device: device) }
        let error = refusal { _ = try catching { Tensor.empty([1 << 20], device: device) } }
        #expect(error?.message.contains("in 8 by") == true, "\(error?.message ?? "")")
        try Memory.noteOwners(device, false)
        withExtendedLifetime(kept) {}
    }

    @Test func crossEntropyOfALinearMapNeedsNoLogits() throws {
        let device = try device("logits")
        manualSeed(3)
        let (rows, features, classes) = (96, 8, 20_000)
        func leaf(_ shape: Shape) -> Tensor { Tensor.randn(shape, device: device).requiresGrad_() }
        let (x, weight, bias) = (leaf([rows, features]), leaf([classes, features]), leaf([classes]))
        let target = Tensor.randint(classes, [rows], device: device)
        target[3..<4] = Tensor.full([1], -100, dtype: .int64, device: device)
        let classWeight = Tensor.rand([classes], device: device)
        try Memory.trim(device)
        try Memory.resetPeak(device)
        let before = try Memory.stats(device).liveBytes
        let loss = Losses.linearCrossEntropy(x, weight, target, bias: bias, classWeight: classWeight)
        loss.backward()
        // The gradients and 16 MB; logits and their gradient would be 15 MB.
        let stats = try Memory.stats(device)
        #expect(stats.peakBytes - before < 16 << 20)

        let (x2, w2, b2) = (x.detach().requiresGrad_(), weight.detach().requiresGrad_(), bias.detach().requiresGrad_())
        let whole = Losses.crossEntropy(x2.linear(w2, bias: b2), target, weight: classWeight)
        whole.backward()
        #expect(abs(loss.item() - whole.item() as Double) < 1e-4)
        for (own, other) in [(x, x2), (weight, w2), (bias, b2)] {
            let off: Double = try #require(own.grad).sub(try #require(other.grad)).abs().max().item()
            #expect(off < 1e-6)
        }
        let each = Losses.linearCrossEntropy(x, weight, target, bias: bias, reduction: .none)
        #expect(each.shape == [rows])
        #expect(each[3].item() as Double == 0)
    }
}
