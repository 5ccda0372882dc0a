#!/usr/bin/env python3
"""Makes a file of cases, computed by PyTorch, for operations that its operator database has none for.

  more.py OUT.safetensors [--seed N]

`cresset conformance --cases OUT.safetensors` judges a device by it. Losses, pooling and recurrent layers are
called as ATen operations; gradients are those of a random gradient of every floating-point result.
"""
import argparse
import json

import torch
from safetensors.torch import save_file

A = torch.ops.aten


def calls(r):
    """(name, operation, arguments in the schema's order)."""
    def x(*shape, low=-2.0, high=2.0):
        return torch.rand(shape, generator=r, dtype=torch.float64) * (high - low) + low

    def ints(high, *shape):
        return torch.randint(0, high, shape, generator=r)

    for mode in (0, 1, 2):
        for padding in (0, 1, 2):
            for corners in (False, True):
                yield A.grid_sampler_2d.default, [x(2, 3, 5, 4), x(2, 4, 3, 2), mode, padding, corners]
                if mode != 2:
                    yield A.grid_sampler_3d.default, [x(2, 2, 3, 5, 4), x(2, 2, 3, 4, 3), mode, padding, corners]
    for corners in (False, True):
        yield A.affine_grid_generator.default, [x(2, 2, 3), [2, 1, 4, 5], corners]
        yield A.affine_grid_generator.default, [x(1, 3, 4), [1, 1, 2, 3, 1], corners]
    image = x(2, 3, 6, 8)
    values, places = torch.nn.functional.max_pool2d(image, 2, return_indices=True)
    yield A.max_unpool2d.default, [values, places, [6, 8]]
    values, places = torch.nn.functional.max_pool3d(x(1, 2, 4, 6, 4), 2, return_indices=True)
    yield A.max_unpool3d.default, [values, places, [4, 6, 4], [2, 2, 2], [0, 0, 0]]
    yield A.fractional_max_pool2d.default, [x(2, 3, 9, 7), [2, 3], [5, 3], x(2, 3, 2, low=0, high=1)]
    yield A.fractional_max_pool2d.default, [x(3, 5, 5), [2, 2], [1, 4], x(1, 3, 2, low=0, high=1)]
    yield A.fractional_max_pool3d.default, [x(1, 2, 7, 5, 6), [2, 2, 3], [4, 2, 3], x(1, 2, 3, low=0, high=1)]
    yield A.conv_tbc.default, [x(7, 2, 3), x(3, 3, 4), x(4), 1]
    yield A.norm_except_dim.default, [x(3, 4, 2), 2, 1]
    yield A.norm_except_dim.default, [x(3, 4), 2, -1]
    yield A._weight_norm.default, [x(3, 4), x(3, 1), 0]
    yield A.native_dropout_backward.default, [x(3, 4), ints(2, 3, 4).bool(), 2.0]
    targets = torch.tensor([[1, 2, 2, 3], [1, 0, 0, 0], [3, 2, 2, 1]])
    for reduction in (0, 1, 2):
        for blank in (0, 4):
            probs = torch.log_softmax(x(7, 3, 5), 2)
            own = targets if blank == 0 else torch.where(targets > 0, targets - 1, 0)
            yield A.ctc_loss.IntList, [probs, own, [7, 5, 6], [3, 1, 4], blank, reduction, False]
    yield A.ctc_loss.IntList, [torch.log_softmax(x(5, 2, 4), 2), torch.tensor([1, 2, 2, 3]), [5, 3], [3, 1], 0, 1, False]
    # A target that is too long, an empty one.
    yield A.ctc_loss.IntList, [torch.log_softmax(x(3, 2, 4), 2), torch.tensor([1, 1, 1]), [3, 3], [3, 0], 0, 1, True]
    yield A.ctc_loss.IntList, [torch.log_softmax(x(4, 2, 4), 2), torch.tensor([1, 3]), [4, 4], [2, 0], 0, 0, False]
    for layers, both, first in ((1, False, False), (2, True, True)):
        d = 2 if both else 1
        for name, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
            weights = []
            for layer in range(layers):
                for _ in range(d):
                    size = 3 if layer == 0 else 4 * d
                    weights += [x(4 * gates, size), x(4 * gates, 4), x(4 * gates), x(4 * gates)]
            data = x(2, 5, 3) if first else x(5, 2, 3)
            hidden = x(layers * d, 2, 4)
            state = [hidden, x(layers * d, 2, 4)] if name == "lstm" else hidden
            yield getattr(A, name).input, [data, state, weights, True, layers, 0.0, True, both, first]
    for name, gates in (("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
        yield getattr(A, name + "_cell").default, [x(2, 3), x(2, 4), x(4 * gates, 3), x(4 * gates, 4), x(4 * gates), x(4 * gates)]
        yield getattr(A, name + "_cell").default, [x(2, 3), x(2, 4), x(4 * gates, 3), x(4 * gates, 4), None, None]
    yield A.lstm_cell.default, [x(2, 3), [x(2, 4), x(2, 4)], x(16, 3), x(16, 4), x(16), x(16)]


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [y for v in value for y in tensors(v)] if isinstance(value, (list, tuple)) else []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    store, cases = {}, []

    def put(t):
        key = f"t{len(store)}"
        store[key] = t.detach().clone().contiguous()
        return key

    def encode(value, names):
        if isinstance(value, torch.Tensor):
            names.append((put(value), value))
            return {"tensor": names[-1][0]}
        if isinstance(value, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in value):
            return {"tensors": [encode(v, names)["tensor"] for v in value]}
        return list(value) if isinstance(value, tuple) else value

    random = torch.Generator().manual_seed(arguments.seed)
    for i, (op, args) in enumerate(calls(random)):
        for dtype, rtol, atol in ((torch.float64, 1e-7, 1e-7), (torch.float32, 1e-4, 2e-5)):
            def cast(v):
                if isinstance(v, torch.Tensor):
                    return v.to(dtype).requires_grad_() if v.is_floating_point() else v
                return [cast(w) for w in v] if isinstance(v, list) else v
            own = [cast(v) for v in args]
            # (Where windows begin has no derivative.)
            for a, v in zip(op._schema.arguments, own):
                if a.name == "random_samples":
                    v.requires_grad_(False)
            names = []
            encoded = [encode(v, names) for v in own]
            results = op(*own)
            results = list(results) if isinstance(results, (tuple, list)) else [results]
            case = {
                "id": f"{op.name()}/{str(dtype)[6:]}/{i}", "op": op.name(), "dtype": str(dtype)[6:], "args": encoded,
                "argnames": [a.name for a in op._schema.arguments][: len(encoded)], "rtol": rtol, "atol": atol,
                "outputs": [{"tensor": put(y)} for y in results],
            }
            tracked = [y for y in results if y.requires_grad]
            seeds = [torch.randn(y.shape, generator=random, dtype=torch.float64).to(dtype) for y in tracked]
            leaves = [(k, v) for k, v in names if v.requires_grad]
            grads = torch.autograd.grad(tracked, [v for _, v in leaves], seeds, allow_unused=True) if tracked else []
            rest = iter(seeds)
            case["grad_outputs"] = [put(next(rest)) if y.requires_grad else None for y in results]
            case["grads"] = [[k, put(g)] for (k, _), g in zip(leaves, grads) if g is not None]
            if not case["grads"]:
                del case["grads"], case["grad_outputs"]
            cases.append(case)
    metadata = {"cases": json.dumps(cases), "torch": torch.__version__, "seed": str(arguments.seed)}
    save_file(store, arguments.out, metadata=metadata)
    print(f"{len(cases)} cases, {len(store)} tensors")


if __name__ == "__main__":
    main()
