#!/usr/bin/env python3
"""Writes Sources/Cresset/Operators/SpecialTables.swift: polynomials of which special functions are made.

Each is a Chebyshev expansion over [-1, 1], from 60-digit values (mpmath) at 96 nodes, cut where the rest
is below the precision, in powers of t. The functions that are expanded, and where, are in FITS below;
Special*.swift has the formulas that they are parts of.

    special.py           write the file
    special.py --check   exit 1 if it is not what would be written
"""
import os
import sys

import mpmath as mp
from mpmath import mpf

mp.mp.dps = 60
NODES = 96
PATH = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "Sources", "Cresset", "Operators", "SpecialTables.swift")


def chebyshev(f):
    """Coefficients of the Chebyshev expansion of f over [-1, 1]."""
    angles = [mp.pi * (2 * i + 1) / (2 * NODES) for i in range(NODES)]
    values = [f(mp.cos(a)) for a in angles]
    result = []
    for k in range(NODES):
        s = mp.fsum(v * mp.cos(k * a) for v, a in zip(values, angles))
        result.append(s * 2 / NODES if k else s / NODES)
    return result


def powers(series):
    """The same polynomial in powers of t."""
    previous, current = [mpf(1)], [mpf(0), mpf(1)]
    result = [mpf(0)] * len(series)
    for k, c in enumerate(series):
        if k >= 2:
            following = [mpf(0)] + [2 * x for x in current]
            for i, x in enumerate(previous):
                following[i] -= x
            previous, current = current, following
        for i, x in enumerate(previous if k == 0 else current):
            result[i] += c * x
    return result


def cut(series, bits, least):
    """As many terms as are needed for an error of 2^-bits of the least value of the function."""
    for n in range(2, NODES - 8):
        if mp.fsum(abs(c) for c in series[n:]) < least * mpf(2) ** -bits:
            return series[:n]
    raise SystemExit("the expansion does not converge")


def bessel_phase(order, part):
    """P and x·Q of J = sqrt(2/(pi x)) (P cos chi - Q sin chi), chi = x - (2 order + 1) pi/4, in (8/x)^2."""
    def f(t):
        x = 8 / mp.sqrt(max((t + 1) / 2, mpf(10) ** -16))
        with mp.workdps(80):
            chi = x - (2 * order + 1) * mp.pi / 4
            j, y = mp.besselj(order, x), mp.bessely(order, x)
            root = mp.sqrt(mp.pi * x / 2)
            if part == "P":
                return root * (j * mp.cos(chi) + y * mp.sin(chi))
            return root * (y * mp.cos(chi) - j * mp.sin(chi)) * x
    return f


ZETA_LEFT = mpf(2) / 3 * mpf("4.5") ** mpf("1.5")
ZETA_RIGHT = mpf(2) / 3 * mpf(2) ** mpf("1.5")


def airy_left(part):
    """f and zeta·g of Ai(-z) = z^(-1/4)/sqrt(pi) (f cos theta + g sin theta), theta = zeta - pi/4."""
    def f(t):
        zeta = ZETA_LEFT / mp.sqrt(max((t + 1) / 2, mpf(10) ** -16))
        with mp.workdps(80):
            z = (zeta * 3 / 2) ** (mpf(2) / 3)
            a, b = mp.airyai(-z), mp.airybi(-z)
            theta = zeta - mp.pi / 4
            root = mp.sqrt(mp.pi) * mp.sqrt(mp.sqrt(z))
            if part == "f":
                return root * (a * mp.cos(theta) - b * mp.sin(theta))
            return root * (a * mp.sin(theta) + b * mp.cos(theta)) * zeta
    return f


def airy_right(t):
    zeta = ZETA_RIGHT * 2 / max(t + 1, mpf(10) ** -12)
    x = (zeta * 3 / 2) ** (mpf(2) / 3)
    with mp.workdps(80):
        # Ai(x) = sqrt(x/3)/pi K_{1/3}(zeta): no underflow, as mpmath's exponents have no limit.
        return 2 * mp.sqrt(mp.pi) * mp.sqrt(mp.sqrt(x)) * mp.exp(zeta) * mp.sqrt(x / 3) / mp.pi * mp.besselk(
            mpf(1) / 3, zeta)


def large(function, scale):
    """sqrt(x) e^(-+x) of a modified Bessel function from `scale`/2 on, in t = scale/x - 1."""
    def f(t):
        x = scale / max(t + 1, mpf(10) ** -12)
        with mp.workdps(80):
            return mp.sqrt(x) * function(x)
    return f


def small(function, scale):
    """A function of x that is even, in t = x^2/scale - 1."""
    def f(t):
        return function(mp.sqrt(max((t + 1) * scale, mpf(10) ** -30)))
    return f


def erfcx(t):
    if t > 1 - mpf(10) ** -9:
        return 2 / mp.sqrt(mp.pi)
    x = mpf("3.75") * (1 + t) / (1 - t)
    if x > 40:
        # 1/(x sqrt(pi)) sum (-1)^k (2k-1)!!/(2x^2)^k
        total, term = mpf(1), mpf(1)
        for k in range(1, 60):
            following = -term * (2 * k - 1) / (2 * x * x)
            if abs(following) > abs(term):
                break
            term = following
            total += term
        return (1 + 2 * x) * total / (x * mp.sqrt(mp.pi))
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


I0, I1, K0, K1 = (lambda x: mp.besseli(0, x)), (lambda x: mp.besseli(1, x)), (lambda x: mp.besselk(0, x)), (
    lambda x: mp.besselk(1, x))
J0, J1, Y0, Y1 = (lambda x: mp.besselj(0, x)), (lambda x: mp.besselj(1, x)), (lambda x: mp.bessely(0, x)), (
    lambda x: mp.bessely(1, x))


def scaled(x, f):
    return mp.exp(-x) * f(x)


# name, what it is, the function of t, the least magnitude that the error is relative to
FITS = [
    ("erfcx", "(1 + 2x)·erfcx(x), t = (x - 3.75)/(x + 3.75)", erfcx, 1),
    ("i0Small", "e⁻ˣ·I₀(x), t = x/4 - 1", lambda t: scaled(4 * (t + 1), I0), mpf("0.14")),
    ("i0Large", "√x·e⁻ˣ·I₀(x), t = 16/x - 1", large(lambda x: mp.exp(-x) * I0(x), 16), mpf("0.4")),
    ("i1Small", "e⁻ˣ·I₁(x)/x, t = x/4 - 1",
     lambda t: mpf("0.5") if t + 1 < mpf(10) ** -40 else scaled(4 * (t + 1), I1) / (4 * (t + 1)), mpf("0.017")),
    ("i1Large", "√x·e⁻ˣ·I₁(x), t = 16/x - 1", large(lambda x: mp.exp(-x) * I1(x), 16), mpf("0.38")),
    ("k0Small", "K₀(x) + ln(x/2)·I₀(x), t = x²/2 - 1", small(lambda x: K0(x) + mp.log(x / 2) * I0(x), 2), mpf("0.11")),
    ("k0Large", "√x·eˣ·K₀(x), t = 4/x - 1", large(lambda x: mp.exp(x) * K0(x), 4), 1),
    ("k1Small", "x·(K₁(x) - ln(x/2)·I₁(x)), t = x²/2 - 1",
     small(lambda x: x * (K1(x) - mp.log(x / 2) * I1(x)), 2), mpf("0.28")),
    ("k1Large", "√x·eˣ·K₁(x), t = 4/x - 1", large(lambda x: mp.exp(x) * K1(x), 4), 1),
    ("j0Small", "J₀(x), t = x²/32 - 1", small(J0, 32), mpf("0.3")),
    ("j1Small", "J₁(x)/x, t = x²/32 - 1", small(lambda x: J1(x) / x, 32), mpf("0.05")),
    ("y0Small", "Y₀(x) - 2/π·ln(x/2)·J₀(x), t = x²/32 - 1",
     small(lambda x: Y0(x) - 2 / mp.pi * mp.log(x / 2) * J0(x), 32), mpf("0.3")),
    ("y1Small", "(Y₁(x) - 2/π·(ln(x/2)·J₁(x) - 1/x))/x, t = x²/32 - 1",
     small(lambda x: (Y1(x) - 2 / mp.pi * (mp.log(x / 2) * J1(x) - 1 / x)) / x, 32), mpf("0.05")),
    ("p0", "the phase's P of order 0, t = 128/x² - 1", bessel_phase(0, "P"), 1),
    ("q0", "x times its Q", bessel_phase(0, "Q"), mpf("0.12")),
    ("p1", "the phase's P of order 1, t = 128/x² - 1", bessel_phase(1, "P"), 1),
    ("q1", "x times its Q", bessel_phase(1, "Q"), mpf("0.37")),
    ("airyMiddle", "Ai(x), t = (x + 1.25)/3.25", lambda t: mp.airyai(mpf("3.25") * t - mpf("1.25")), mpf("0.2")),
    ("airyRight", "2√π·x^(1/4)·e^ζ·Ai(x), t = 2ζ₀/ζ - 1, ζ = ⅔x^(3/2), ζ₀ that of 2", airy_right, mpf("0.9")),
    ("airyCosine", "the phase's f, t = 2(ζ₀/ζ)² - 1, ζ₀ that of 4.5", airy_left("f"), 1),
    ("airySine", "ζ times its g", airy_left("g"), mpf("0.06")),
]


def literal(x):
    return repr(float(x))


def table(coefficients):
    lines, line = [], "            "
    for c in coefficients:
        text = literal(c) + ", "
        if len(line) + len(text) > 119:
            lines.append(line.rstrip())
            line = "            "
        line += text
    return "\n".join(lines + [line.rstrip()])


def text():
    out = """// Written by Tests/maths/special.py, which says how; change that.

/// Polynomials in t over [-1, 1], from the constant on, for float32 and for float64.
extension Fit {
"""
    for name, what, f, least in FITS:
        series = chebyshev(f)
        single, double = cut(series, 27, mpf(least)), cut(series, 56, mpf(least))
        print(f"{name}: degrees {len(single) - 1} and {len(double) - 1}", file=sys.stderr)
        out += f"    /// {what}\n    static let {name} = Fit(\n        single: [\n{table(powers(single))}\n        ],\n"
        out += f"        double: [\n{table(powers(double))}\n        ])\n"
    return out + "}\n"


if __name__ == "__main__":
    made = text()
    if "--check" in sys.argv:
        with open(PATH) as file:
            if file.read() != made:
                raise SystemExit("SpecialTables.swift is not what special.py writes")
    else:
        with open(PATH, "w") as file:
            file.write(made)
