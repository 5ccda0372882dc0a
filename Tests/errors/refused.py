"""Asks PyTorch about every call that Cresset's suite says must be refused.

    cresset ops --refused > calls.json && python Tests/errors/refused.py calls.json

It prints the calls that one of the two takes and the other refuses. Calls with tensors on two devices are not made, as they
would need two. What Cresset refuses on purpose is in TAKEN.
"""

import json
import sys

import torch


# By words of Cresset's message: why it refuses what PyTorch takes.
TAKEN = {
    "reduction must be 0 (none), 1 (mean) or 2 (sum)": "an unknown number is a mistake; PyTorch takes it for none",
    "min_val": "a range that is empty is a mistake, as torch.nn.functional.hardtanh says too",
    "margin must be positive": "as torch.nn.functional.triplet_margin_loss says too",
    "p must not be negative": "that is no distance",
}


class TwoDevices(Exception):
    pass


def tensor(x):
    dtype = getattr(torch, x["dtype"])
    numbers = [float(v) for v in x["data"]]
    if dtype.is_complex:
        pairs = torch.tensor(numbers, dtype=torch.float64).reshape(x["shape"] + [2])
        return torch.view_as_complex(pairs).to(dtype)
    result = torch.tensor(numbers, dtype=torch.float64).reshape(x["shape"]).to(dtype)
    if x["device"] != "reference:0":
        raise TwoDevices
    return result


def argument(x):
    if not isinstance(x, dict):
        return x
    if "data" in x:
        return tensor(x)
    if "tensors" in x:
        return [argument(t) for t in x["tensors"]]
    if "number" in x:
        return float(x["number"])
    if "dtype" in x:
        return getattr(torch, x["dtype"])
    return torch.device("cpu")


def operator(name):
    base, _, overload = name.removeprefix("aten::").partition(".")
    packet = getattr(torch.ops.aten, base, None)
    return packet and getattr(packet, overload or "default", None)


def call(op, values):
    """The arguments behind a `*` go by name."""
    args, named = [], {}
    for argument, value in zip(op._schema.arguments, values):
        if argument.kwarg_only:
            named[argument.name] = value
        else:
            args.append(value)
    return op(*args, **named)


def main():
    calls = json.load(open(sys.argv[1]))
    asked = differing = 0
    for item in calls:
        op = operator(item["op"])
        if op is None:
            continue
        asked += 1
        try:
            call(op, [argument(x) for x in item["args"]])
            told = None
        except TwoDevices:
            asked -= 1
            continue
        except Exception as error:  # whatever it is, it is a refusal
            told = str(error).split("\n")[0]
        if (told is None) == (item["message"] is None):
            continue
        if told is None and any(words in item["message"] for words in TAKEN):
            continue
        differing += 1
        short = [
            f"{x['dtype']}{x['shape']}@{x['device']}" if isinstance(x, dict) and "data" in x else x for x in item["args"]
        ]
        who = "Cresset takes" if item["message"] is None else "PyTorch takes"
        print(f"{who} {item['op']} {short}\n    {told or item['message']}")
    print(f"{asked} calls of {len(calls)} asked, {differing} answered otherwise")


main()
