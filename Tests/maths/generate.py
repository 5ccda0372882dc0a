#!/usr/bin/env python3
"""Writes the portable maths (cresset_maths_f32.inc, cresset_maths_f64.inc) from functions.template.

Each function is written once, for both precisions, in functions.template. This script fills in
what differs: types, literals and polynomial coefficients. Coefficients come from interpolation at
Chebyshev nodes in 60-digit arithmetic (mpmath), which is within a small factor of the best
polynomial; the degree is the least that reaches the tolerance.

    generate.py          write both files
    generate.py --check  exit 1 if they are not what the template gives

Template language
    Real Uint Int _T _FT       f32/f64, u32/u64, i32/i64, the suffixes _f32 and _F32
    #1.5 #{expression}         a literal of the type; names below may be used
    $u{expression}             an unsigned integer literal of the type's width, in hexadecimal
    $i{expression}             a plain integer
    POLY p(v) = NAME           the Horner lines of fit NAME
    POLY p(v) = cond ? A : B   the same with each coefficient selected; any chain of conditions
    %f32 ... %end              lines for one precision only (or %f64)
"""
import os
import re
import sys

import mpmath as mp
from mpmath import mpf

mp.mp.dps = 60
HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "..", "..", "Sources", "CBackend", "include")


# ------------------------------------------------------------------------------ fitting

def interpolate(f, a, b, degree, origin):
    """Coefficients in (v - origin) of the polynomial through f at Chebyshev nodes of [a, b]."""
    a, b = mpf(a), mpf(b)
    n = degree + 1
    middle, radius = (a + b) / 2, (b - a) / 2
    nodes = [mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    values = [f(middle + radius * t) for t in nodes]
    cheb = []
    for k in range(n):
        s = mp.fsum(values[i] * mp.cos(k * mp.pi * (2 * i + 1) / (2 * n)) for i in range(n))
        cheb.append(s * 2 / n if k else s / n)
    # Chebyshev to monomials in t, then t = (v - middle) / radius, then powers of v - origin.
    previous, current = [mpf(1)], [mpf(0), mpf(1)]
    mono = [mpf(0)] * n
    for k in range(n):
        basis = previous if k == 0 else current
        for i, c in enumerate(basis):
            mono[i] += cheb[k] * c
        if k >= 1:
            following = [mpf(0)] + [2 * c for c in current]
            for i, c in enumerate(previous):
                following[i] -= c
            previous, current = current, following
    result = [mono[-1]]
    shift = (mpf(origin) - middle) / radius
    for c in reversed(mono[:-1]):  # Horner over polynomials: result * (shift + u / radius) + c
        grown = [mpf(0)] * (len(result) + 1)
        for i, r in enumerate(result):
            grown[i] += r * shift
            grown[i + 1] += r / radius
        grown[0] += c
        result = grown
    return result


def evaluate(coefficients, v):
    r = mpf(0)
    for c in reversed(coefficients):
        r = r * v + c
    return r


CACHE = {}


def fit(precision, name):
    """The coefficients of a fit: least degree whose error weight * |f - p| stays below the tolerance."""
    key = (precision, name)
    if key in CACHE:
        return CACHE[key]
    f, a, b, origin, weight = FITS[name](precision)
    tolerance = mpf(2) ** (-28 if precision == 32 else -57)
    probes = [mpf(a) + (mpf(b) - mpf(a)) * (i + mpf(1) / 3) / 33 for i in range(33)]
    truth = [f(v) for v in probes]
    for degree in range(1 if precision == 32 else 4, 40):
        c = interpolate(f, a, b, degree, origin)
        worst = max(abs((evaluate(c, v - origin) - t) * weight(v)) for v, t in zip(probes, truth))
        if worst < tolerance:
            break
    else:
        raise SystemExit(f"{name}: no degree reaches the tolerance")
    print(f"f{precision} {name}: degree {degree}, error 2^{float(mp.log(worst, 2)):.1f}", file=sys.stderr)
    CACHE[key] = c
    return c


def taylor_quotient(f, terms, power):
    """(f(v) - terms(v)) / v^power, computed with digits to spare so that v near 0 is no matter."""
    def g(v):
        with mp.workdps(150):
            v = mpf(v)
            if abs(v) < mpf(10) ** -25:
                v = mpf(10) ** -25
            r = (f(v) - terms(v)) / v ** power
        return +r
    return g


def of_square(g):
    return lambda z: g(mp.sqrt(z))


def inverse_normal_ratio(w):
    """erfinv(x) / x where w = -log(1 - x^2)."""
    w = mpf(w)
    if w < mpf(10) ** -30:
        return mp.sqrt(mp.pi) / 2
    e = mp.exp(-w)
    x = mp.sqrt(1 - e)
    if w < 3:
        y = mp.erfinv(x)
        return y / x
    q = mp.log(e / (1 + x))
    y = mp.sqrt(w)
    for _ in range(60):
        c = mp.erfc(y)
        slope = -2 / mp.sqrt(mp.pi) * mp.exp(-y * y) / c
        step = (mp.log(c) - q) / slope
        y -= step
        if abs(step) < mpf(10) ** -50:
            break
    return y / x


def bounds(precision, single, double):
    return single if precision == 32 else double


HALF_LN2 = mp.log(2) / 2
SQRT_HALF = mp.sqrt(mpf(1) / 2)
SQRT2 = mp.sqrt(2)
TAN_EIGHTH = mp.tan(mp.pi / 8)
PSI_ROOT = mp.findroot(lambda x: mp.digamma(x), 1.4616)
ONE = lambda v: 1
K_ERFC = mpf("3.75")
ERFC_TOP = {32: mpf("10.2"), 64: mpf("27.3")}


def erfc_t(x):
    return (x - K_ERFC) / (x + K_ERFC)


def scaled_erfc(t):
    x = K_ERFC * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


ERFC_MIDDLE = scaled_erfc(mpf(0))


def stirling(precision):
    def g(z):  # z = 1/x^2
        z = max(mpf(z), mpf(10) ** -12)
        with mp.workdps(90):
            x = 1 / mp.sqrt(z)
            r = (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x
        return +r
    return g


def psi_tail(z):  # x^2 (log x - 1/(2x) - psi(x)), z = 1/x^2
    z = max(mpf(z), mpf(10) ** -12)
    with mp.workdps(90):
        x = 1 / mp.sqrt(z)
        r = (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) / z
    return +r


def log_gamma_piece(a, b, root, center):
    def g(v):
        v = mpf(v)
        if abs(v - root) < mpf(10) ** -20:
            v += mpf(10) ** -20
        with mp.workdps(90):
            r = mp.log(mp.gamma(v)) / (v - root)
        return +r
    # The quotient is fitted as a function of v; the text evaluates it in v - center.
    return lambda p: (g, a, b, mpf(center), lambda v: 1 / abs(g(v)))


def psi_first(v):
    v = mpf(v)
    if abs(v - PSI_ROOT) < mpf(10) ** -20:
        v += mpf(10) ** -20
    with mp.workdps(90):
        root = mp.findroot(lambda x: mp.digamma(x), PSI_ROOT)
        r = mp.digamma(v) / (v - root)
    return +r


LG = [mpf("0.7"), mpf("1.35"), mpf("2.6"), mpf(5), mpf("9.7")]
NORMAL_EDGE = {32: (mpf(5), mpf(4)), 64: (mpf("6.25"), mpf(5))}  # w of the middle, sqrt(w) of the near tail
NORMAL_TOP = {32: mpf("10.2"), 64: mpf("27.4")}
NORMAL_FAR = {32: mpf(10), 64: mpf(12)}

# name -> precision -> (function, from, to, origin, weight of the error)
FITS = {
    # (e^r - 1 - r) / r^2
    "exp": lambda p: (taylor_quotient(mp.exp, lambda r: 1 + r, 2), -HALF_LN2 * 1.01, HALF_LN2 * 1.01, 0,
                      lambda r: abs(r)),
    # (2^r - 1) / r
    "exp2": lambda p: (taylor_quotient(lambda r: mpf(2) ** r, lambda r: 1, 1), mpf("-0.505"), mpf("0.505"), 0,
                       lambda r: abs(r)),
    # (log(1 + f) - f + f^2/2) / f^3
    "log": lambda p: (taylor_quotient(lambda f: mp.log(1 + f), lambda f: f - f * f / 2, 3),
                      SQRT_HALF - 1, SQRT2 - 1, 0, lambda f: f * f),
    # log2((1+s)/(1-s)) = c1 s + c3 s^3 + s^5 P(s^2)
    "log2_odd": lambda p: (of_square(taylor_quotient(
        lambda s: 2 * mp.atanh(s) / mp.log(2), lambda s: (2 * s + 2 * s ** 3 / 3) / mp.log(2), 5)),
        0, mpf("0.02945"), 0, lambda z: z * z * mpf(2) ** bounds(p, 8, 11)),
    "sin": lambda p: (of_square(taylor_quotient(mp.sin, lambda r: r, 3)), 0, mpf("0.63"), 0, lambda z: z),
    "cos": lambda p: (of_square(taylor_quotient(mp.cos, lambda r: 1 - r * r / 2, 4)), 0, mpf("0.63"), 0,
                      lambda z: z * z),
    "asin": lambda p: (of_square(taylor_quotient(mp.asin, lambda x: x, 3)), 0, mpf("0.25"), 0, lambda z: z),
    "atan": lambda p: (of_square(taylor_quotient(mp.atan, lambda x: x, 3)), 0, TAN_EIGHTH ** 2 * mpf("1.001"), 0,
                       lambda z: z),
    "sinh": lambda p: (of_square(taylor_quotient(mp.sinh, lambda x: x, 3)), 0, 1, 0, lambda z: z),
    "tanh": lambda p: (of_square(taylor_quotient(mp.tanh, lambda x: x, 3)), 0, mpf("0.36"), 0, lambda z: z),
    "asinh": lambda p: (of_square(taylor_quotient(mp.asinh, lambda x: x, 3)), 0, mpf("0.25"), 0, lambda z: z),
    "erf": lambda p: (of_square(taylor_quotient(mp.erf, lambda x: x, 1)), 0, 1, 0, ONE),
    "erfc": lambda p: (lambda t: (scaled_erfc(t) - ERFC_MIDDLE) / t if abs(t) > mpf(10) ** -30 else mp.diff(scaled_erfc, 0), erfc_t(mpf("0.49")), erfc_t(ERFC_TOP[p]), 0, ONE),
    # erfinv(x) / x = sqrt(pi)/2 + w P(w), and sqrt(w) + P(sqrt(w) - origin)
    "normal_middle": lambda p: (taylor_quotient(inverse_normal_ratio, lambda w: mp.sqrt(mp.pi) / 2, 1),
                                0, NORMAL_EDGE[p][0], 0, lambda w: w),
    "normal_near": lambda p: (lambda s: inverse_normal_ratio(s * s) - s, mp.sqrt(NORMAL_EDGE[p][0]), NORMAL_EDGE[p][1],
                              mpf(bounds(p, 3, "3.75")), lambda s: 1 / s),
    "normal_far": lambda p: (lambda s: inverse_normal_ratio(s * s) - s, NORMAL_EDGE[p][1],
                             bounds(p, NORMAL_TOP[p], NORMAL_FAR[p]), mpf(bounds(p, 7, "8.5")), lambda s: 1 / s),
    "normal_last": lambda p: (lambda s: inverse_normal_ratio(s * s) - s, NORMAL_FAR[p], NORMAL_TOP[p],
                              mpf(bounds(p, 10, 20)), lambda s: 1 / s),
    "lgamma_1": log_gamma_piece(LG[0], LG[1], 1, 1),
    "lgamma_2": log_gamma_piece(LG[1], LG[2], 2, 2),
    "lgamma_3": log_gamma_piece(LG[2], LG[3], 2, "3.75"),
    "lgamma_4": log_gamma_piece(LG[3], LG[4], 2, "7.25"),
    "stirling": lambda p: (stirling(p), 0, 1 / LG[4] ** 2, 0, lambda z: mpf("0.01")),
    "psi_1": lambda p: (psi_first, 1, 2, mpf("1.5"), ONE),
    "psi_2": lambda p: (mp.digamma, 2, 4, 3, ONE),
    "psi_4": lambda p: (mp.digamma, 4, 8, 6, ONE),
    "psi_tail": lambda p: (psi_tail, 0, mpf(1) / 64, 0, lambda z: mpf("0.015")),
}


# ----------------------------------------------------------------------------- printing

def rounded(precision, x):
    with mp.workprec(24 if precision == 32 else 53):
        return +mpf(x)


def literal(precision, x):
    y = rounded(precision, x)
    text = mp.nstr(abs(y), 9 if precision == 32 else 17, strip_zeros=True, min_fixed=-5, max_fixed=20)
    with mp.workprec(24 if precision == 32 else 53):
        assert mpf(text) == abs(y), (text, y)
    if "." not in text:
        text = text.replace("e", ".0e") if "e" in text else text + ".0"
    body = text + "f" if precision == 32 else f"D({text})"
    return ("-" if y < 0 else "") + body


def part(precision, x, bits=None):
    """The leading bits of x: few enough that a product with a small integer is exact."""
    bits = bits or (15 if precision == 32 else 40)
    x = mpf(x)
    scale = mpf(2) ** (bits - 1 - mp.floor(mp.log(abs(x), 2)))
    return mp.nint(x * scale) / scale


def names(precision):
    single = precision == 32
    n = dict(
        ln2=mp.log(2), log2e=1 / mp.log(2), log10e=1 / mp.log(10), log10_2=mp.log10(2), pi=+mp.pi,
        sqrt2=SQRT2, sqrt_half=SQRT_HALF, tan_eighth=TAN_EIGHTH, psi_root=PSI_ROOT, half_log_2pi=mp.log(2 * mp.pi) / 2,
        two=mpf(2), mpf=mpf, sqrt=mp.sqrt, LG=LG, K=K_ERFC, TOP=ERFC_TOP[precision],
        hi=lambda x, bits=None: part(precision, x, bits),
        lo=lambda x, bits=None: mpf(x) - part(precision, x, bits),
        near=lambda x: rounded(precision, x), rest=lambda x: mpf(x) - rounded(precision, x),
        by=lambda a, b: a if single else b,
        edge=NORMAL_EDGE[precision][0], tail=NORMAL_EDGE[precision][1], far=NORMAL_FAR[precision],
        shift=23 if single else 52, bias=127 if single else 1023,
        one_bits=0x3f800000 if single else 0x3ff0000000000000,
        root_bits=0x3f3504f3 if single else 0x3fe6a09e667f3bcd,
        fraction=0x7fffff if single else 0xfffffffffffff,
        sign=1 << (31 if single else 63), magnitude=(1 << (31 if single else 63)) - 1,
        infinity=0x7f800000 if single else 0x7ff0000000000000, nan=0x7fc00000 if single else 0x7ff8000000000000,
        split=0xfffff000 if single else 0xfffffffff8000000,
        magic=mpf(3) * 2 ** (22 if single else 51), magic_bits=0x4b400000 if single else 0x4338000000000000,
        erfc_middle=ERFC_MIDDLE,
        turn=lambda i, bits: int(mp.floor(1 / (2 * mp.pi) * mpf(2) ** (bits * i))) & ((1 << bits) - 1),
        turn32=lambda i: int(mp.floor(1 / (2 * mp.pi) * mpf(2) ** (32 * i + 8))) & 0xffffffff,
    )
    return n


def constant(precision, text):
    with mp.workdps(420 if "turn" in text else 60):
        return eval(text, names(precision))


def horner(precision, indent, variable, argument, chosen):
    """POLY lines. `chosen` is NAME or a chain cond ? NAME : ..."""
    parts = [s.strip() for s in re.split(r"[?:]", chosen)]
    fits = [fit(precision, n) for n in (parts[1::2] + [parts[-1]])]
    conditions = parts[0:-1:2]
    length = max(len(c) for c in fits)
    rows = [[c[i] if i < len(c) else mpf(0) for c in fits] for i in range(length)]
    real = f"f{precision}"
    lines = []
    for i in reversed(range(length)):
        row = rows[i]
        if len(row) == 1:
            value, operator = literal(precision, row[0]), "+"
            if value.startswith("-") and i < length - 1:
                value, operator = value[1:], "-"
        else:
            value, operator = literal(precision, row[-1]), "+"
            for condition, c in reversed(list(zip(conditions, row))):
                value = f"{condition} ? {literal(precision, c)} : {value}"
            value = f"({value})"
        if i == length - 1:
            lines.append(f"{indent}{real} {variable} = {value};")
        else:
            lines.append(f"{indent}{variable} = {variable} * {argument} {operator} {value};")
    return lines


def expand(precision, template):
    out, active = [], True
    for line in template.split("\n"):
        if line.startswith("%"):
            active = line.strip() in ("%end", f"%f{precision}")
            continue
        if not active:
            continue
        m = re.match(r"( *)POLY (\w+)\(([^)]+)\) = (.*)", line)
        if m:
            out += horner(precision, m.group(1), m.group(2), m.group(3), m.group(4).rstrip(";"))
            continue
        line = re.sub(r"\$u\{([^}]*)\}", lambda m: (
            f"0x{int(constant(precision, m.group(1))):x}u" if precision == 32
            else f"U64(0x{int(constant(precision, m.group(1))):x})"), line)
        line = re.sub(r"\$i\{([^}]*)\}", lambda m: str(int(constant(precision, m.group(1)))), line)
        line = re.sub(r"#\{([^}]*)\}", lambda m: literal(precision, constant(precision, m.group(1))), line)
        line = re.sub(r"#(\d[\d.]*(?:e[-+]?\d+)?)", lambda m: literal(precision, m.group(1)), line)
        for token, value in (("Real", "f"), ("Uint", "u"), ("Int", "i")):
            line = re.sub(rf"\b{token}\b", f"{value}{precision}", line)
        line = re.sub(r"_FT\b", f"_F{precision}", line)
        line = re.sub(r"_UT\b", f"_U{precision}", line)
        line = re.sub(r"\bTO_INT\b", f"TO_I{precision}", line)
        line = re.sub(r"_T\b", f"_f{precision}", line)
        out.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip() + "\n"


def main():
    with open(os.path.join(HERE, "functions.template")) as f:
        template = f.read()
    stale = False
    for precision in (32, 64):
        text = expand(precision, template)
        path = os.path.join(INCLUDE, f"cresset_maths_f{precision}.inc")
        if "--check" in sys.argv:
            with open(path) as f:
                if f.read() != text:
                    print(f"{path} differs from what the template gives")
                    stale = True
        else:
            with open(path, "w") as f:
                f.write(text)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
