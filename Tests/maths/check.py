#!/usr/bin/env python3
"""Judges the portable maths by mpmath, which shares no code with what ulp_test.c trusts.

    check.py [points per function, default 400]

Also checks that the .inc files are what the template gives. Needs clang (for #embed), mpmath.
"""
import ctypes
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

import mpmath as mp

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "..", "..", "Sources", "CBackend")
INCLUDE = os.path.join(SOURCES, "include")
mp.mp.dps = 60


def functions():
    """[(name, arguments)] in the order of their numbers."""
    with open(os.path.join(INCLUDE, "cresset_backend.h")) as f:
        table = f.read().split("#define CRESSET_FUNCTIONS(X)")[1].split("enum {")[0]
    rows = [(int(i), n, int(a)) for n, i, a in re.findall(r"X\((\w+), (\d+), (\d)\)", table)]
    return [(n, a) for _, n, a in sorted(rows)]


def bounds():
    with open(os.path.join(INCLUDE, "cresset_ulp.h")) as f:
        rows = re.findall(r"X\((\w+), ([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+)\)", f.read())
    return {n: {32: (float(a), float(c)), 64: (float(b), float(d))} for n, a, b, c, d in rows}


def normal_quantile(u):
    if u == 0.5:
        return mp.mpf(0)
    p = mp.log(u if u < 0.5 else 1 - u)
    start = mp.sqrt(max(-2 * p - mp.log(max(-4 * mp.pi * p, 1)), mp.mpf("0.01")))
    # Newton's method on the logarithm of the tail, which is nearly quadratic.
    z = start
    for _ in range(200):
        tail = mp.erfc(z / mp.sqrt(2)) / 2
        slope = -mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi) / tail
        step = (mp.log(tail) - p) / slope
        z -= step
        if abs(step) <= abs(z) * mp.mpf(10) ** -40:
            break
    return -z if u < 0.5 else z


def inverse_erf(x):
    if abs(x) < 0.9:
        return mp.erfinv(x)
    return mp.sign(x) * normal_quantile((1 + abs(x)) / 2) / mp.sqrt(2)


TRUTH = dict(
    exp=mp.exp, exp2=lambda x: mp.mpf(2) ** x, expm1=mp.expm1, log=mp.log, log2=lambda x: mp.log(x) / mp.log(2),
    log10=mp.log10, log1p=mp.log1p, sin=mp.sin, cos=mp.cos, tan=mp.tan, asin=mp.asin, acos=mp.acos, atan=mp.atan,
    atan2=mp.atan2, sinh=mp.sinh, cosh=mp.cosh, tanh=mp.tanh, asinh=mp.asinh, acosh=mp.acosh, atanh=mp.atanh,
    erf=mp.erf, erfc=mp.erfc, erfinv=inverse_erf, lgamma=lambda x: mp.log(abs(mp.gamma(x))) if abs(x) < 1e5 else (
        mp.re(mp.loggamma(x))), digamma=mp.digamma, pow=lambda x, y: mp.power(x, y), normal=normal_quantile)

DOMAIN = dict(
    log=(0, None), log2=(0, None), log10=(0, None), log1p=(-1, None), asin=(-1, 1), acos=(-1, 1), atanh=(-1, 1),
    erfinv=(-1, 1), acosh=(1, None), normal=(0, 1))

# Past these the result is 0, 1 or infinity, and mpmath would only take long over it.
LIMIT = dict(exp=2000, exp2=2000, expm1=2000, sinh=2000, cosh=2000, tanh=2000, erf=30, erfc=30)


def as_float(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def sample(random_, name, precision):
    width = 32 if precision == 32 else 64
    kind = random_.randrange(6)
    low, high = DOMAIN.get(name, (None, None))
    if kind == 0:
        bits = random_.getrandbits(width)
        x = struct.unpack("f" if width == 32 else "d", bits.to_bytes(width // 8, "little"))[0]
    elif kind == 1:
        x = random_.uniform(-1, 1)
    elif kind == 2:
        x = random_.uniform(-30, 30)
    elif kind == 3:
        x = random_.choice([-1, 1]) * math.exp(random_.uniform(-20, 20))
    elif kind == 4:
        x = random_.randrange(-40, 40) / 2 + random_.uniform(-1, 1) * 10 ** random_.uniform(-8, -1)
    else:
        x = random_.randrange(1, 1 << 20) * math.pi / 2
    if low == 0 or low == 1:
        x = abs(x)
    if high == 1 and abs(x) > 1:
        x = 1 / x
    if low == 1 and 0 < x < 1:
        x = 1 / x if 1 / x < 3e38 else 2.0
    if low == -1 and high is None and x <= -1:
        x = -x
    if precision == 32 and math.isfinite(x):
        x = as_float(x) if abs(x) < 3.4e38 else 1.5
    return x


def usable(name, x, y):
    if not (math.isfinite(x) and math.isfinite(y)):
        return False
    low, high = DOMAIN.get(name, (None, None))
    if low is not None and (x < low or (x == low and low != 1)):
        return False
    if high is not None and (x > high or (x == high and name not in ("asin", "acos"))):
        return False
    if name in ("asin", "acos", "atanh", "erfinv") and abs(x) >= 1:
        return False
    if name in LIMIT and abs(x) > LIMIT[name]:
        return False
    if name in ("lgamma", "digamma") and x <= 0 and (x == math.floor(x) or x < -1e6):
        return False
    if name == "pow":
        return x > 0 and y != 0 and abs(y * math.log2(x)) < 5000
    if name == "atan2":
        return x != 0
    return True


def gap(t, precision):
    digits, least, top = (24, -149, 128) if precision == 32 else (53, -1074, 1024)
    if t == 0:
        return mp.mpf(2) ** least
    e = int(mp.floor(mp.log(abs(t), 2))) + 1 - digits
    return mp.mpf(2) ** min(max(e, least), top - digits)


def main():
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "libmaths.so")
        subprocess.run(["clang", "-std=gnu2x", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-I", INCLUDE,
                        os.path.join(SOURCES, "maths.c"), "-o", library], check=True)
        loaded = ctypes.CDLL(library)
    loaded.cresset_function_name.restype = ctypes.c_char_p
    allowed = bounds()
    random_ = random.Random(1)
    for number, (name, arguments) in enumerate(functions()):
        assert loaded.cresset_function_name(number).decode() == name
        line = f"{name:8}"
        for precision in (32, 64):
            call = getattr(loaded, f"cresset_call_f{precision}")
            real = ctypes.c_float if precision == 32 else ctypes.c_double
            call.argtypes, call.restype = [ctypes.c_int, real, real], real
            ulp, slack = allowed[name][precision]
            slack = slack * mp.mpf(2) ** (-24 if precision == 32 else -53)
            top = mp.mpf(2) ** (128 if precision == 32 else 1024)
            worst, at, done = mp.mpf(-1), None, 0
            while done < points:
                x = sample(random_, name, precision)
                y = sample(random_, name, precision) if arguments == 2 else 0.0
                if not usable(name, x, y):
                    continue
                done += 1
                # Enough digits for arguments that are huge next to pi.
                with mp.workdps(60 + max(0, int(math.log10(abs(x) + 1)))):
                    truth = TRUTH[name](*([mp.mpf(x), mp.mpf(y)][:arguments]))
                truth = max(min(truth, top), -top)
                got = call(number, x, y)
                value = mp.mpf(got) if math.isfinite(got) else (top if got > 0 else -top)
                error = (abs(value - truth) - slack) / gap(truth, precision) if got == got else mp.inf
                if error > worst:
                    worst, at = error, (x, y)[:arguments]
            bad = worst > ulp
            failed |= bad
            line += f"  f{precision} {float(max(worst, 0)):7.3f} of {ulp:4.1f} at {at}{'  TOO MUCH' if bad else ''}"
        print(line, flush=True)
    failed |= subprocess.run([sys.executable, os.path.join(HERE, "generate.py"), "--check"],
                             stderr=subprocess.DEVNULL).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
