#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the random code finds faults of the aarch64 back end, as tests/jit/planted.py does for
this machine's own: each of planted.toml is put into a copy of the sources, alone, cross-built, and must
make native code differ from the interpreter.

    planted_test.py --build DIR [NAME...]      DIR: a folder that tests/aarch64/cross has made
"""
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../jit"))
loader = SourceFileLoader("jit_planted", os.path.join(HERE, "../jit/planted.py"))
jit_planted = module_from_spec(spec_from_loader("jit_planted", loader))
loader.exec_module(jit_planted)
planted = jit_planted.planted

COUNT = 300_000


class Twins(jit_planted.Twins):
    def __init__(self, folder, build):
        # what is emulated is to be quick; the last of two options counts
        self.setup = ["--cross-file", os.path.join(build, "cross.ini"), "-Doptimization=1"]
        self.run = os.path.join(build, "run")
        self.clean = {}  # what ran without a fault: the same code is not run twice
        self.changed = False
        super().__init__(folder)

    def command(self, words):
        return [self.run, *super().command(words)]

    def differs(self, fault, seed=1):
        fault = {"count": COUNT, **fault}
        if self.changed:
            return super().differs(fault, seed)
        key = (fault["count"], *fault.get("words", []), fault.get("modes"), seed)
        if key not in self.clean:
            self.clean[key] = super().differs(fault, seed)
        return self.clean[key]

    def plant(self, fault):
        self.changed = True
        return super().plant(fault)


def main():
    options = planted.read_options(__doc__)
    build = os.path.abspath(options.build)
    faults = planted.read_faults(os.path.join(HERE, "planted.toml"), options.names, jit_planted.LEAST)
    return 0 if planted.plant_all(faults, options, "planted",
                                  lambda folder: Twins(folder, build)) else 1


if __name__ == "__main__":
    sys.exit(main())
