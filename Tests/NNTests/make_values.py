#!/usr/bin/env python3
"""Prints Values.swift: what PyTorch computes, in float64, for the cases that NNTests asks Cresset for.

  make_values.py > Values.swift        needs torch (the committed file is of torch 2.15)
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def numbers(count, shift=0):
    """Plain decimals without a pattern that a wrong index could hide in."""
    return [round(math.sin(1.7 * i + shift) * (1 + i % 3) / 2, 4) for i in range(count)]


def text(x):
    if isinstance(x, torch.Tensor):
        x = x.detach().flatten().tolist()
    if isinstance(x, (list, tuple)):
        return "[" + ", ".join(text(y) for y in x) + "]"
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, float):
        return ".nan" if math.isnan(x) else repr(x)
    return str(x)


def record(struct, **fields):
    return f"        {struct}(" + ", ".join(f"{k}: {v if k in RAW else text(v)}" for k, v in fields.items()) + "),"


# Fields whose values are Swift already.
RAW = ("kind", "name", "reduction", "module")


def losses():
    classes = 3

    def case(shape, soft, weighted, ignore, smoothing, reduction):
        x = torch.tensor(numbers(math.prod(shape), 0.3)).reshape(shape).requires_grad_()
        target_shape = shape if soft else [n for d, n in enumerate(shape) if d != (1 if len(shape) > 1 else 0)]
        if soft:
            target = torch.tensor(numbers(x.numel(), 1.1)).reshape(shape).abs()
            target = target / target.sum(1 if len(shape) > 1 else 0, keepdim=True)
        else:
            target = (torch.arange(math.prod(target_shape)).reshape(target_shape) * 2 + 1) % classes
        weight = torch.tensor([0.5, 2.0, 1.25]) if weighted else None
        loss = F.cross_entropy(
            x, target, weight=weight, ignore_index=-100 if ignore is None else ignore, reduction=reduction,
            label_smoothing=smoothing)
        # A gradient that differs from element to element.
        seed = torch.tensor(numbers(loss.numel(), 2.2)).reshape(loss.shape)
        (gradient,) = torch.autograd.grad(loss, x, seed)
        return record(
            "LossCase", shape=list(shape), input=x, soft=target if soft else [], hard=[] if soft else target,
            weight=weight if weighted else [], ignore=-100 if ignore is None else ignore, smoothing=smoothing,
            reduction="." + reduction, loss=loss, seed=seed, gradient=gradient)

    for weighted in (False, True):
        for smoothing in (0.0, 0.1):
            for reduction in ("none", "mean", "sum"):
                for ignore in (None, 0):
                    yield case([4, classes], False, weighted, ignore, smoothing, reduction)
                yield case([4, classes], True, weighted, None, smoothing, reduction)
    for reduction in ("none", "mean", "sum"):
        yield case([2, classes, 2], False, True, 2, 0.2, reduction)
    yield case([2, classes, 2], True, True, None, 0.2, "mean")
    yield case([classes], False, True, None, 0.0, "mean")
    # Every target ignored: 0/0.
    yield case([1, classes], False, False, 1, 0.0, "mean")


def modules():
    seed = lambda y: torch.tensor(numbers(y.numel(), 2.9)).reshape(y.shape)
    nn = torch.nn
    for swift, module, shape in [
        ("Linear(4, 2, dtype: .float64)", nn.Linear(4, 2), (3, 4)),
        ("Linear(4, 2, bias: false, dtype: .float64)", nn.Linear(4, 2, bias=False), (3, 4)),
        ("LayerNorm([4], dtype: .float64)", nn.LayerNorm(4), (3, 4)),
        ("LayerNorm([2, 3], bias: false, dtype: .float64)", nn.LayerNorm((2, 3), bias=False), (2, 2, 3)),
        ("RMSNorm([4], dtype: .float64)", nn.RMSNorm(4), (3, 4)),
        ("RMSNorm([4], eps: 0.1, elementwiseAffine: false)", nn.RMSNorm(4, 0.1, False), (3, 4)),
        ("GroupNorm(2, 4, dtype: .float64)", nn.GroupNorm(2, 4), (3, 4)),
        ("GroupNorm(1, 2, affine: false)", nn.GroupNorm(1, 2, affine=False), (2, 2, 3)),
        ("BatchNorm1d(4, dtype: .float64)", nn.BatchNorm1d(4), (3, 4)),
        ("BatchNorm1d(2, momentum: nil, dtype: .float64)", nn.BatchNorm1d(2, momentum=None), (2, 2, 3)),
        ("BatchNorm2d(2, affine: false, dtype: .float64)", nn.BatchNorm2d(2, affine=False), (2, 2, 1, 3)),
        ("BatchNorm3d(3, trackRunningStats: false, dtype: .float64)",
         nn.BatchNorm3d(3, track_running_stats=False), (2, 3, 1, 2, 1)),
        ("InstanceNorm(2, dims: 1, affine: true, trackRunningStats: true, dtype: .float64)",
         nn.InstanceNorm1d(2, affine=True, track_running_stats=True), (2, 2, 3)),
        ("InstanceNorm(2, dims: 2)", nn.InstanceNorm2d(2), (2, 2, 3)),
        ("LocalResponseNorm(3, alpha: 0.5)", nn.LocalResponseNorm(3, alpha=0.5), (2, 3, 2)),
        ("ReLU()", nn.ReLU(), (3, 4)), ("GELU()", nn.GELU(), (3, 4)), ("SiLU()", nn.SiLU(), (3, 4)),
        ("Tanh()", nn.Tanh(), (3, 4)), ("Sigmoid()", nn.Sigmoid(), (3, 4)),
        ("Softmax(dim: 1)", nn.Softmax(1), (3, 4)), ("Softmax(dim: 0)", nn.Softmax(0), (3, 4)),
        ("LogSoftmax(dim: -1)", nn.LogSoftmax(-1), (3, 4)), ("Flatten()", nn.Flatten(), (3, 4)),
        ("Identity()", nn.Identity(), (3, 4)),
    ]:
        x = torch.tensor(numbers(12, 0.7)).reshape(shape).requires_grad_()
        own = list(module.parameters())
        with torch.no_grad():
            for i, parameter in enumerate(own):
                parameter.copy_(torch.tensor(numbers(parameter.numel(), i + 4.0)).reshape(parameter.shape))
        y = module(x)
        gradients = torch.autograd.grad(y, [x] + own, seed(y))
        # Evaluation, after one batch of training.
        module.eval()
        yield record(
            "ModuleCase", name='"' + swift.replace('"', "") + '"', module="{ " + swift + " }", shape=list(shape),
            input=x, parameters=[p.flatten().tolist() for p in own], output=y, seed=seed(y),
            gradients=[g.flatten().tolist() for g in gradients],
            buffers=[b.flatten().double().tolist() for b in module.buffers()], evaluated=module(x))


STEPS = 6


def optimizers():
    o = torch.optim
    for kind, make in [
        (".sgd()", lambda p: o.SGD(p, lr=0.1)),
        (".sgd(weightDecay: 0.05)", lambda p: o.SGD(p, lr=0.1, weight_decay=0.05)),
        (".sgd(momentum: 0.9)", lambda p: o.SGD(p, lr=0.1, momentum=0.9)),
        (".sgd(momentum: 0.8, dampening: 0.3)", lambda p: o.SGD(p, lr=0.1, momentum=0.8, dampening=0.3)),
        (".sgd(momentum: 0.9, weightDecay: 0.05)", lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05)),
        (".sgd(momentum: 0.9, nesterov: true)", lambda p: o.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
        (".sgd(momentum: 0.7, weightDecay: 0.1, nesterov: true)",
         lambda p: o.SGD(p, lr=0.1, momentum=0.7, weight_decay=0.1, nesterov=True)),
        (".sgd(momentum: 0.9, weightDecay: 0.05, maximize: true)",
         lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05, maximize=True)),
        (".sgd(maximize: true)", lambda p: o.SGD(p, lr=0.1, maximize=True)),
        (".adam()", lambda p: o.Adam(p, lr=0.1)),
        (".adam(amsgrad: true)", lambda p: o.Adam(p, lr=0.1, amsgrad=True)),
        (".adam(weightDecay: 0.1, maximize: true)", lambda p: o.Adam(p, lr=0.1, weight_decay=0.1, maximize=True)),
        (".adamW(amsgrad: true, maximize: true)", lambda p: o.AdamW(p, lr=0.1, amsgrad=True, maximize=True)),
        (".adam(betas: (0.5, 0.75), eps: 0.01)", lambda p: o.Adam(p, lr=0.1, betas=(0.5, 0.75), eps=0.01)),
        (".adam(weightDecay: 0.1)", lambda p: o.Adam(p, lr=0.1, weight_decay=0.1)),
        (".adamW()", lambda p: o.AdamW(p, lr=0.1)),
        (".adamW(betas: (0.8, 0.9), weightDecay: 0.3)",
         lambda p: o.AdamW(p, lr=0.1, betas=(0.8, 0.9), weight_decay=0.3)),
    ]:
        # Two parameters; the second has no gradient in the third step.
        p = [torch.tensor(numbers(5, 0.2)).requires_grad_(), torch.tensor(numbers(4, 1.9)).reshape(2, 2).requires_grad_()]
        optimizer = make(p)
        values = []
        for step in range(STEPS):
            if step == 4:
                optimizer.param_groups[0]["lr"] = 0.025
            optimizer.zero_grad()
            # Not a constant gradient, and not a symmetric one.
            loss = ((p[0] - 1) ** 2 * p[0]).sum()
            if step != 2:
                loss = loss + (p[1] ** 3).sum() + p[0].sum() * p[1].sum()
            loss.backward()
            optimizer.step()
            values.append(p[0].tolist() + p[1].flatten().tolist())
        yield record("OptimizerCase", kind=kind, values=values)


print("// swift-format-ignore-file")
print(f"// Made by make_values.py with torch {torch.__version__.split('+')[0]}; not to be edited.")
print("import CressetNN\n")
print("/// What PyTorch computes.")
print("enum Values {")
for name, kind, cases in [
    ("losses", "LossCase", losses()), ("modules", "ModuleCase", modules()), ("optimizers", "OptimizerCase", optimizers()),
]:
    print(f"    static let {name}: [{kind}] = [")
    for case in cases:
        print(case)
    print("    ]")
print(f"    static let first = {text(numbers(5, 0.2))}")
print(f"    static let second = {text(numbers(4, 1.9))}")
print("}")
