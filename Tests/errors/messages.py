"""Records what PyTorch says of the wrong calls of Tests/ConformanceTests/ErrorTableRows.swift.

    python Tests/errors/messages.py > Tests/errors/torch.json

Only the first line of a message is kept, and of that the first three sentences: what follows is advice.
"""

import json
import pathlib
import re
import sys
import warnings

import torch

warnings.simplefilter("ignore")


def message(code):
    try:
        exec(code, {"torch": torch})
    except Exception as error:
        line = str(error).strip().split("\n")[0]
        return ". ".join(line.split(". ")[:3]).strip()
    sys.exit(f"PyTorch takes {code}")


rows = pathlib.Path(__file__).parents[1] / "ConformanceTests" / "ErrorTableRows.swift"
codes = re.findall(r'torch:\s*"([^"]+)"', rows.read_text())
messages = {code: message(code) for code in codes}
version = torch.__version__.split("+")[0]
print(json.dumps({"version": version, "messages": messages}, indent=2, ensure_ascii=False))
