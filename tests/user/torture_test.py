#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GCC's C torture execution tests (Debian's package gcc-12-source), cross-compiled for riscv64 at -O0, -O2
and -O3, under `backplane user`. What fails is run by Debian's qemu-riscv64 too: it is an error where that
one passes.

    torture_test.py --build BUILD                a fixed sample, as TAP
    torture_test.py --build BUILD --full         all of them; BACKPLANE_FULL=1 too
    torture_test.py --build BUILD [NAME...]      these, such as 20000112-1 or ieee/fp-cmp-1
"""

import argparse
import concurrent.futures
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

COMPILER = "riscv64-linux-gnu-gcc"
LEVELS = ("-O0", "-O2", "-O3")
SAMPLE_STEP, SAMPLE_FIRST = 20, 7  # every 20th of all, each level another one
SECONDS = 60
# gcc/testsuite/gcc.c-torture/execute/ieee/ieee.exp: what these are compiled with everywhere
IEEE = ["-fno-inline"]


def guests():
    loader = importlib.machinery.SourceFileLoader("fetch", str(HERE.parent / "guests/fetch"))
    spec = importlib.util.spec_from_loader("fetch", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.ensure(["gcc-torture", "qemu-user"])


def all_names(folder):
    """Programs, by their path without .c; builtins/ has a second file for each, and lib/."""
    names = [str(p.relative_to(folder).with_suffix("")) for p in sorted(folder.rglob("*.c"))]
    return [n for n in names if "/lib/" not in n and not n.endswith("-lib")]


def own_options(text):
    """DejaGnu's options that hold for every target."""
    found = re.findall(r'dg-(?:additional-)?options\s+"([^"]*)"\s*\}', text)
    return [word for options in found for word in options.split()]


class Torture:
    def __init__(self, build, guests_folder, folder):
        self.sources = guests_folder / "gcc-torture/execute"
        self.ours = [build / "core/backplane", "user", "--plugin-path", build / "plugins"]
        self.qemu = [guests_folder / "qemu-user/qemu-riscv64"]
        self.folder = folder

    def compile(self, name, level, out):
        source = self.sources / f"{name}.c"
        options = own_options(source.read_text(errors="replace"))
        files = [source]
        if name.startswith("builtins/"):
            files += [self.sources / f"{name}-lib.c", self.sources / "builtins/lib/main.c"]
        if name.startswith("ieee/"):
            options += IEEE
        done = subprocess.run([COMPILER, level, "-w", "-static", *options, *files, "-o", out,
                               "-lm"], capture_output=True, cwd=self.folder)
        return done.returncode == 0

    def passes(self, command, program):
        try:
            done = subprocess.run([*command, program], stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=SECONDS, cwd=self.folder)
        except subprocess.TimeoutExpired:
            return False, "no end"
        return done.returncode == 0, f"status {done.returncode} {done.stderr[-300:]!r}"

    def one(self, case):
        """What came of it, and why."""
        name, level = case
        out = self.folder / (name.replace("/", "-") + level)
        try:
            if not self.compile(name, level, out):
                return case, "not compiled", ""
            good, why = self.passes(self.ours, out)
            if good:
                return case, "passed", ""
            return case, "failed" if self.passes(self.qemu, out)[0] else "failed as in qemu", why
        finally:
            out.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--full", action="store_true", help="all, not the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    c = tap.Checks()
    with tempfile.TemporaryDirectory() as folder:
        t = Torture(args.build.resolve(), guests(), Path(folder))
        names = args.names or all_names(t.sources)
        full = args.full or "BACKPLANE_FULL" in os.environ
        step = 1 if full or args.names else SAMPLE_STEP
        cases = [(n, level) for i, level in enumerate(LEVELS)
                 for n in names[(SAMPLE_FIRST + i) % step::step]]
        counts = {level: Counter() for level in LEVELS}
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for (name, level), what, why in pool.map(t.one, cases):
                counts[level][what] += 1
                if what == "failed as in qemu":
                    print(f"# {name} {level}: {what}: {why}", flush=True)
                if what == "failed":
                    c.check(f"{name} {level}", False, why)
        for level, count in counts.items():
            says = ", ".join(f"{n} {what}" for what, n in sorted(count.items()))
            c.check(f"{level}: {says}", count["passed"] > 0)
    sys.exit(c.finish())


if __name__ == "__main__":
    main()
