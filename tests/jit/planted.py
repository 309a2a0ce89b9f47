#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the random code finds faults of the JIT: each of planted.toml is put into a copy of the
sources, alone, built, and must make native code differ from the interpreter. The same code must not
differ without the fault. Without BACKPLANE_FULL every other fault is planted.

    planted.py --build DIR [NAME...]
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../isa"))
import planted  # noqa: E402
import twins_test  # noqa: E402

LEAST = 20  # what must be found at least: a shorter table is an error
MILLION = 1000000
SECONDS = 30  # of a run, and
SECONDS_MILLION = 5  # of each million instructions; a second will do


class Twins(planted.Tree):
    def __init__(self, folder):
        super().__init__(folder, None, {})

    def wanted(self):
        return ["tests/jit/jit-twins", "plugins/cpu-riscv/cpu-riscv.so"]

    def command(self, words):
        return twins_test.command(self.build, words)

    def differs(self, fault, seed=1):
        """What twins says when it finds something. To end by a signal or never is a find too: native
        code that is wrong may do anything."""
        count = fault.get("count", MILLION)
        seconds = SECONDS + SECONDS_MILLION * count // MILLION
        words = [f"seed={seed * MILLION}", f"count={count}", *fault.get("words", [])]
        environment = os.environ | ({"BACKPLANE_JIT": fault["modes"]} if "modes" in fault else {})
        try:
            done = subprocess.run(self.command(words), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False,
                                  env=environment, timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"no end after {seconds} s"
        if done.returncode in (0, 1):
            return done.stdout if done.returncode else None
        if done.returncode < 0:
            return f"signal {-done.returncode}\n" + done.stdout
        raise planted.Failed("twins did not run:\n" + done.stdout[-2000:])


def main():
    options = planted.read_options(__doc__)
    faults = planted.read_faults(os.path.join(HERE, "planted.toml"), options.names, LEAST)
    if not options.names and not os.environ.get("BACKPLANE_FULL"):
        faults = faults[::2]
    return 0 if planted.plant_all(faults, options, "planted-jit", Twins) else 1


if __name__ == "__main__":
    sys.exit(main())
