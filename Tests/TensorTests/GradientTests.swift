import Cresset
import Synchronization
import Testing

private func vector(_ values: [Double]) -> Tensor { Tensor(values, device: .reference) }

/// Where gradients go: accumulation, chosen inputs, hooks on operations.
@Suite struct GradientFlowTests {
    @Test func gradientsAreAddedToTheSameMemory() throws {
        let x = vector([1, 2]).requiresGrad_()
        (x * 3).sum().backward()
        let first = try #require(x.grad)
        (x * 4).sum().backward()
        // As in PyTorch, whoever holds the gradient sees it grow.
        #expect(try first.doubles() == [7, 7])
        #expect(try x.grad?.doubles() == [7, 7])
    }

    @Test func aRecordedPassLeavesTheOldGradientAlone() throws {
        let x = vector([1, 2]).requiresGrad_()
        (x * 3).sum().backward()
        let first = try #require(x.grad)
        (x * x).sum().backward(createGraph: true)
        #expect(try first.doubles() == [3, 3])
        #expect(try x.grad?.doubles() == [5, 7])
    }

    @Test func whatAHookSawIsNotTakenByALeaf() throws {
        let x = vector([1, 2]).requiresGrad_()
        let seen = Mutex(Tensor?.none)
        let y = x + 0
        y.registerHook { g in
            seen.withLock { $0 = g }
            return nil
        }
        (y * 2).sum().backward()
        (x * 5).sum().backward()
        #expect(try seen.withLock { $0 }?.doubles() == [2, 2])
        #expect(try x.grad?.doubles() == [7, 7])
    }

    @Test func onlyTheNamedInputsGetGradients() throws {
        let x = vector([1, 2]).requiresGrad_()
        let w = vector([3, 4]).requiresGrad_()
        let y = x * w
        (y * y).sum().backward(inputs: [w, y])
        #expect(x.grad == nil)
        #expect(try w.grad?.doubles() == [6, 32])
        #expect(try y.grad?.doubles() == [6, 16])
    }

    @Test func severalTensorsAtOnce() throws {
        let x = vector([1, 2]).requiresGrad_()
        try backward([x * 2, (x * x).sum()], gradients: [vector([1, 10]), nil])
        #expect(try x.grad?.doubles() == [4, 24])
        let error = #expect(throws: CressetError.self) { try backward([x * 2], gradients: []) }
        #expect(error?.message.contains("0 gradients are given for 1 tensors") == true)
    }

    @Test func unusedInputs() throws {
        let x = vector([1, 2]).requiresGrad_()
        let z = vector([1, 2, 3]).requiresGrad_()
        #expect(throws: CressetError.self) { try grad([x.sum()], [x, z]) }
        #expect(try grad([x.sum()], [x, z], allowUnused: true)[1] == nil)
        #expect(try grad([x.sum()], [x, z], materializeGrads: true)[1]?.doubles() == [0, 0, 0])
        let error = #expect(throws: CressetError.self) { try grad([x.sum()], [vector([1])]) }
        #expect(error?.message.contains("input 0") == true && error?.message.contains("does not require grad") == true)
    }

    @Test func aGradientMustFitItsTensor() throws {
        let x = vector([1, 2]).requiresGrad_()
        let error = #expect(throws: CressetError.self) { try catching { x.grad = vector([1, 2, 3]) } }
        #expect(error?.message.contains("[3]") == true && error?.message.contains("[2]") == true)
    }

    @Test func hooksOnOperations() throws {
        let x = vector([1, 2]).requiresGrad_()
        let y = x * 3
        let node = try #require(y.gradFn)
        #expect(node.name == "aten::mul.Scalar")
        #expect(node.nextFunctions.first??.function.name == "AccumulateGrad")
        #expect(node.nextFunctions.first??.function.variable?.sharesStorage(with: x) == true)
        let order = Mutex([String]())
        let before = node.registerPrehook { gradients in
            order.withLock { $0.append("before \((try? gradients[0]?.doubles()) ?? [])") }
            return [gradients[0].map { $0 * 2 }]
        }
        node.registerHook { inputs, outputs in
            order.withLock {
                $0.append("after \((try? inputs[0]?.doubles()) ?? []) \((try? outputs[0]?.doubles()) ?? [])")
            }
            return [inputs[0].map { $0 + 1 }]
        }
        y.sum().backward(retainGraph: true)
        #expect(order.withLock { $0 } == ["before [1.0, 1.0]", "after [6.0, 6.0] [2.0, 2.0]"])
        #expect(try x.grad?.doubles() == [7, 7])
        before.remove()
        node.registerHook { _, _ in [] }
        let error = #expect(throws: CressetError.self) { try catching { y.sum().backward() } }
        #expect(error?.message.contains("0 gradients where there are 1 inputs") == true)
    }

    @Test func aLeafTellsWhenItsGradientIsThere() throws {
        let x = vector([1, 2]).requiresGrad_()
        let seen = Mutex([[Double]]())
        x.registerPostAccumulateGradHook { leaf in
            seen.withLock { $0.append((try? leaf.grad?.doubles()) ?? []) }
            leaf.grad = nil
        }
        (x * 3).sum().backward()
        (x * 4).sum().backward()
        #expect(seen.withLock { $0 } == [[3, 3], [4, 4]])
        #expect(x.grad == nil)
        #expect(throws: CressetError.self) { try catching { _ = (x * 2).registerPostAccumulateGradHook { _ in } } }
    }

    @Test func twoThreadsMayRunBackwardThroughOneGraph() async throws {
        let x = Tensor([Double](repeating: 2, count: 64), device: .reference).requiresGrad_()
        let shared = (x * x).exp()
        let passes = 16
        await withTaskGroup(of: Void.self) { group in
            for k in 1...passes {
                group.addTask { (shared * Scalar(k)).sum().backward(retainGraph: true) }
            }
        }
        // Σk · 2x·exp(x²)
        let expected = Double(passes * (passes + 1) / 2) * 4 * 54.598150033144236
        let found = try #require(try x.grad?.doubles())
        #expect(found.allSatisfy { ($0 - expected).magnitude < 1e-9 * expected })
    }
}

/// Functions with derivatives of their own.
@Suite struct AutogradFunctionTests {
    private static let cube = AutogradFunction("cube") { context, inputs in
        context.save(inputs[0])
        return [inputs[0] * inputs[0] * inputs[0]]
    } backward: { context, gradients in
        [3 * context.saved[0] * context.saved[0] * gradients[0]]
    }

    @Test func aFunctionIsDifferentiatedByItsBackward() throws {
        let x = vector([1, -2]).requiresGrad_()
        let y = Self.cube(x)
        #expect(y.gradFn?.name == "cube")
        #expect(try y.doubles() == [1, -8])
        y.sum().backward()
        #expect(try x.grad?.doubles() == [3, 12])
        try gradcheck({ [Self.cube($0[0])] }, [x])
        try gradgradcheck({ [Self.cube($0[0])] }, [x])
        #expect(!noGrad { Self.cube(x) }.requiresGrad)
    }

    /// exp saves its result, which has a place in the graph.
    @Test func savedResultsAreDifferentiableToo() throws {
        let exponential = AutogradFunction("exponential") { context, inputs in
            let y = inputs[0].exp()
            context.save(y)
            return [y]
        } backward: { context, gradients in
            [context.saved[0] * gradients[0]]
        }
        let x = vector([0.5, -1]).requiresGrad_()
        try gradgradcheck({ [exponential($0[0])] }, [x])
    }

    @Test func severalResultsSomeWithoutGradients() throws {
        let split = AutogradFunction("split") { context, inputs in
            let sign = inputs[0].sign()
            let count = (inputs[0] * 0 + 1).to(.int64)
            context.markNonDifferentiable(sign)
            context.save(sign)
            context.state = 2.5
            return [inputs[0].abs() * inputs[1], sign, count]
        } backward: { context, gradients in
            #expect(context.needsInputGrad == [true, false])
            #expect(gradients[1].shape == [2])
            #expect(context.state as? Double == 2.5)
            return [gradients[0] * context.saved[0] * 10, nil]
        }
        let x = vector([1, -2]).requiresGrad_()
        let results = split.call([x, vector([5, 5])])
        #expect(results.map(\.requiresGrad) == [true, false, false])
        results[0].sum().backward()
        #expect(try x.grad?.doubles() == [10, -10])
    }

    @Test func aFunctionMayChangeItsInputInPlace() throws {
        let double = AutogradFunction("double_") { context, inputs in
            context.markDirty(inputs[0])
            return [inputs[0].mul_(2)]
        } backward: { _, gradients in
            [gradients[0] * 2]
        }
        let x = vector([1, -2]).requiresGrad_()
        let y = x * 3
        _ = double(y)
        #expect(y.gradFn?.name == "double_")
        #expect(try y.doubles() == [6, -12])
        y.sum().backward()
        #expect(try x.grad?.doubles() == [6, 6])
        #expect(throws: CressetError.self) { try catching { _ = double(x) } }
    }

    @Test func wrongBackwardsAreNamed() throws {
        func failure(_ backward: @escaping AutogradFunction.Backward) throws -> String {
            let f = AutogradFunction("mine", forward: { _, inputs in [inputs[0] * 2] }, backward: backward)
            let x = vector([1, 2]).requiresGrad_()
            let error = #expect(throws: CressetError.self) { try catching { f(x).sum().backward() } }
            return error.map { "\($0.op): \($0.message)" } ?? ""
        }
        #expect(try failure { _, _ in [] } == "mine: its backward gave 0 gradients for 1 inputs")
        #expect(try failure { _, _ in [vector([1, 2, 3])] }.contains("[3]"))
        let once = AutogradFunction("once", onceDifferentiable: true) { _, inputs in
            [inputs[0] * 2]
        } backward: {
            [$1[0] * 2]
        }
        let x = vector([1, 2]).requiresGrad_()
        let first = try #require(try grad([once(x).sum()], [x], createGraph: true)[0])
        let error = #expect(throws: CressetError.self) { try catching { (first * x).sum().backward() } }
        #expect(error?.message.contains("once differentiable") == true)
    }

    /// A saved tensor that backward gives back as it is stays what it was.
    @Test func whatWasSavedIsNoLeafs() throws {
        let weights = vector([5, 6])
        let dot = AutogradFunction("dot") { context, inputs in
            context.save(weights)
            return [(inputs[0] * weights).sum()]
        } backward: { context, _ in
            [context.saved[0]]
        }
        let x = vector([1, 2]).requiresGrad_()
        dot(x).backward()
        dot(x).backward()
        #expect(try x.grad?.doubles() == [10, 12])
        #expect(try weights.doubles() == [5, 6])
    }
}
