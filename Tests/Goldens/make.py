#!/usr/bin/env python3
"""Makes the case file that judges the reference backend from larger ones that PyTorch computed.

  make.py SOURCE_DIR [--ops OPS.json] [--out FILE] [--per-op N] [--limit BYTES]

SOURCE_DIR holds *.safetensors files in the form of DESIGN.md, "Conformance case files". Kept are
the cases of operations that Cresset declares (as `cresset ops --json` lists them; --ops names a file
with that output, otherwise .build/release/cresset is run), at most N for an operation and dtype,
without tensors above the limit. Equal tensors are stored once. The same sources give the same bytes.
"""
import argparse
import collections
import glob
import gzip
import json
import os
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KEPT = ("id", "op", "dtype", "args", "argnames", "outputs", "grad_outputs", "grads", "rtol", "atol")


def read(path):
    """Cases, header of the tensors, their bytes, and the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    (count,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + count])
    metadata = header.pop("__metadata__")
    return json.loads(metadata["cases"]), header, data[8 + count :], metadata


def keys(case):
    """The places of a case where the names of tensors stand, as (list or dict, index)."""
    for value in case["args"] + case["outputs"]:
        if isinstance(value, dict) and "tensor" in value:
            yield value, "tensor"
        if isinstance(value, dict) and "tensors" in value:
            for i, key in enumerate(value["tensors"]):
                if key is not None:
                    yield value["tensors"], i
    for i, key in enumerate(case.get("grad_outputs", [])):
        if key is not None:
            yield case["grad_outputs"], i
    for pair in case.get("grads", []):
        yield pair, 0
        yield pair, 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--ops")
    parser.add_argument("--out", default=os.path.join(ROOT, "Conformance/Goldens/goldens.safetensors.gz"))
    parser.add_argument("--per-op", type=int, default=8)
    parser.add_argument("--limit", type=int, default=16384)
    arguments = parser.parse_args()

    if arguments.ops:
        with open(arguments.ops) as file:
            listing = json.load(file)
    else:
        command = [os.path.join(ROOT, ".build/release/cresset"), "ops", "--device", "reference", "--json"]
        listing = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    declared = {name: set(op["dtypes"]) for name, op in listing["operations"].items()}

    tensors = {}  # (dtype, shape, bytes) -> new name
    cases = []
    versions = set()
    seen = collections.Counter()
    for path in sorted(glob.glob(os.path.join(arguments.source, "*.safetensors"))):
        all_cases, header, data, metadata = read(path)
        versions.add(metadata.get("torch", "unknown"))
        for case in all_cases:
            if case["dtype"] not in declared.get(case["op"], ()):
                continue
            places = list(keys(case))
            entries = [header[holder[i]] for holder, i in places]
            if any(e["dtype"] in ("C64", "C128") for e in entries):
                continue
            if any(e["data_offsets"][1] - e["data_offsets"][0] > arguments.limit for e in entries):
                continue
            kind = (case["op"], case["dtype"])
            if seen[kind] == arguments.per_op:
                continue
            seen[kind] += 1
            # A tensor may stand at several places of one case, as an argument and as what a gradient
            # is of: equal bytes alone must not make two arguments of a case one.
            names = {}
            used = set()
            for (holder, i), entry in zip(places, entries):
                old = holder[i]
                if old not in names:
                    start, end = entry["data_offsets"]
                    content = (entry["dtype"], tuple(entry["shape"]), data[start:end], 0)
                    while content in tensors and tensors[content] in used:
                        content = content[:3] + (content[3] + 1,)
                    names[old] = tensors.setdefault(content, f"t{len(tensors)}")
                    used.add(names[old])
                holder[i] = names[old]
            cases.append({key: case[key] for key in KEPT if key in case})

    body = b""
    header = {"__metadata__": {"cases": json.dumps(cases, separators=(",", ":")), "torch": ", ".join(sorted(versions))}}
    # Wider elements first, so that each tensor is aligned.
    width = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}
    for content, name in sorted(tensors.items(), key=lambda item: (-width.get(item[0][0], 1), int(item[1][1:]))):
        dtype, shape, data, _ = content
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + body
    packed = gzip.compress(whole, 9, mtime=0)
    with open(arguments.out, "wb") as file:
        file.write(packed)
    print(f"{len(cases)} cases of {len({c['op'] for c in cases})} operations, {len(tensors)} tensors, "
          f"{len(whole)} bytes, {len(packed)} packed")


main()
