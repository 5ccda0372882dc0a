import Cresset
import Synchronization
import Testing

@Suite struct HookTests {
    @Test func aHookSeesAndReplacesTheGradient() throws {
        let x = Tensor([1.0, 2, 3] as [Double], device: .reference).requiresGrad_()
        let y = x * 2
        let seen = Mutex<[[Double]]>([])
        let handle = y.registerHook { g in
            let values = (try? g.doubles()) ?? []
            seen.withLock { $0.append(values) }
            return g * 10
        }
        (y * y).sum().backward()
        // ∂Σy²/∂y = 2y, tenfold, times ∂y/∂x = 2.
        #expect(seen.withLock { $0 } == [[4, 8, 12]])
        #expect(try x.grad?.doubles() == [80, 160, 240])

        handle.remove()
        x.grad = nil
        (x * 3).sum().backward()
        #expect(seen.withLock { $0.count } == 1)
        #expect(try x.grad?.doubles() == [3, 3, 3])
    }

    @Test func aLeafHasHooksToo() throws {
        let x = Tensor([1.0, 2] as [Double], device: .reference).requiresGrad_()
        x.registerHook { -$0 }
        (x * 3).sum().backward()
        (x * 3).sum().backward()
        #expect(try x.grad?.doubles() == [-6, -6])
    }

    @Test func aTensorThatIsNoLeafKeepsItsGradient() throws {
        let x = Tensor([1.0, 2] as [Double], device: .reference).requiresGrad_()
        let y = x * 2
        y.retainGrad()
        y.registerHook { $0 * 5 }
        let z = y.exp()
        (y * 3).sum().backward(retainGraph: true)
        // After the other hooks, as in PyTorch.
        #expect(try y.grad?.doubles() == [15, 15])
        #expect(z.grad == nil)
        (y * 3).sum().backward()
        #expect(try y.grad?.doubles() == [30, 30])
    }

    @Test func aHookMustKeepTheShapeAndNeedAGradient() throws {
        let x = Tensor([1.0, 2] as [Double], device: .reference).requiresGrad_()
        x.registerHook { $0.sum() }
        #expect(throws: CressetError.self) { try catching { (x * 3).sum().backward() } }
        let plain = Tensor([1.0], device: .reference)
        #expect(throws: CressetError.self) { try catching { _ = plain.registerHook { $0 } } }
        #expect(throws: CressetError.self) { try catching { plain.retainGrad() } }
    }
}
