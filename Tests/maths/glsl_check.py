#!/usr/bin/env python3
"""Compiles the portable maths as a Vulkan compute shader that calls every function, and as an OpenCL
C 1.2 program. Needs glslangValidator (and spirv-val, if there), and clang for OpenCL C."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "..", "..", "Sources", "CBackend", "include")


def read(name):
    with open(os.path.join(INCLUDE, name)) as f:
        return f.read()


def functions():
    """(name, arguments) from CRESSET_FUNCTIONS."""
    table = read("cresset_backend.h").split("#define CRESSET_FUNCTIONS(X)")[1].split("enum {")[0]
    return [(n, int(a)) for n, a in re.findall(r"X\((\w+), \d+, (\d)\)", table)]


def as_glsl(text):
    text = re.sub(r"\bD\(([^()]*)\)", r"\1lf", text)
    return re.sub(r"\bU64\(([^()]*)\)", r"\1ul", text)


def check_layout(text):
    """The host cuts the text into functions by these rules."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        starts = line[:1] not in ("", " ")
        if inside:
            assert not starts or line == "}", f"line {number}: {line}"
            inside = line != "}"
        elif starts:
            assert line.startswith("//") or line.startswith("FN "), f"line {number}: {line}"
            inside = line.startswith("FN ")


def shader(precision, name, arguments):
    call = f"cresset_{name}_f{precision}(a[i]{', b[i]' if arguments == 2 else ''})"
    real = "float" if precision == 32 else "double"
    buffers = "\n".join(f"layout(set = 0, binding = {k}, std430) buffer B{k} {{ {real} {n}[]; }};"
                        for k, n in enumerate("aby"))
    return buffers, f"y[i] = {call};"


def glsl(everything):
    calls = []
    parts = ["#version 460", read("cresset_maths_glsl.inc"), as_glsl(everything),
             "layout(local_size_x = 64) in;",
             "layout(set = 0, binding = 0, std430) buffer A32 { float a[]; };",
             "layout(set = 0, binding = 1, std430) buffer B32 { float b[]; };",
             "layout(set = 0, binding = 2, std430) buffer A64 { double c[]; };",
             "layout(set = 0, binding = 3, std430) buffer B64 { double d[]; };",
             "void main() {", "  uint i = gl_GlobalInvocationID.x;"]
    for name, arguments in functions():
        second32, second64 = (", b[i]", ", d[i]") if arguments == 2 else ("", "")
        calls.append(f"  a[i] = cresset_{name}_f32(a[i]{second32});")
        calls.append(f"  c[i] = cresset_{name}_f64(c[i]{second64});")
    return "\n".join(parts + calls + ["}"]) + "\n"


def opencl(everything):
    lines = [read("cresset_maths_opencl.inc"), everything,
             "kernel void all(global float *a, global float *b, global double *c, global double *d) {",
             "  size_t i = get_global_id(0);"]
    for name, arguments in functions():
        second32, second64 = (", b[i]", ", d[i]") if arguments == 2 else ("", "")
        lines.append(f"  a[i] = cresset_{name}_f32(a[i]{second32});")
        lines.append(f"  c[i] = cresset_{name}_f64(c[i]{second64});")
    return "\n".join(lines + ["}"]) + "\n"


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)}\n{(result.stdout + result.stderr)[:4000]}")
    return result.stdout + result.stderr


def main():
    everything = read("cresset_maths_f32.inc") + "\n" + read("cresset_maths_f64.inc")
    check_layout(everything)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "maths.comp")
        with open(path, "w") as f:
            f.write(glsl(everything))
        binary = os.path.join(folder, "maths.spv")
        run(["glslangValidator", "-V", "--target-env", "vulkan1.2", path, "-o", binary])
        if shutil.which("spirv-val"):
            run(["spirv-val", "--target-env", "vulkan1.2", binary])
        if shutil.which("spirv-dis"):
            text = run(["spirv-dis", binary])
            arithmetic = set(re.findall(r"(%\w+) = OpF(?:Add|Sub|Mul|Div) ", text))
            kept = set(re.findall(r"OpDecorate (%\w+) NoContraction", text))
            # With raw ids both sides are numbers or names alike.
            missing = arithmetic - kept
            if missing:
                sys.exit(f"{len(missing)} of {len(arithmetic)} operations may be contracted")
        print(f"GLSL: {len(functions()) * 2} functions compile")
        path = os.path.join(folder, "maths.cl")
        with open(path, "w") as f:
            f.write(opencl(everything))
        if shutil.which("clang"):
            run(["clang", "-x", "cl", "-cl-std=CL1.2", "-fsyntax-only", "-target", "spir64-unknown-unknown", "-Xclang",
                 "-finclude-default-header", "-Wall", "-Wno-unused-function", path])
            print("OpenCL C: compiles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
