#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Native code against the interpreter, by name, as meson calls it: twins_test.py --build DIR NAME.

With BACKPLANE_FULL in the environment the counts are those of the long run, and its seeds are new each
time; twins prints them. BACKPLANE_JIT: modes for tests, see core/jit/native.c.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import tap  # noqa: E402

# Name: instructions in CI, in the long run, modes of BACKPLANE_JIT, words for twins.
TESTS = {
    "rv64": (5_000_000, 60_000_000, "", ""),
    "rv32": (3_000_000, 30_000_000, "", "xlen=32"),
    "evict": (1_000_000, 10_000_000, "evict", ""),
    "nolink": (1_000_000, 10_000_000, "nolink", ""),
    "evict-nolink-rv32": (500_000, 5_000_000, "evict,nolink", "xlen=32"),
    "short-blocks": (500_000, 5_000_000, "", "right.block-limit=3"),
    "long-blocks": (500_000, 5_000_000, "", "right.block-limit=1024"),
    "vlen256": (500_000, 5_000_000, "", "left.vlen=256 right.vlen=256"),
    "no-compressed": (500_000, 5_000_000, "", "left.c=false right.c=false"),
}


def command(build, words):
    """How twins is called."""
    return [os.path.join(build, "tests/jit/jit-twins"), os.path.join(HERE, "twins.toml"),
            os.path.join(build, "plugins"), *words]


def main():
    build, name = tap.chosen(__doc__, TESTS)
    few, many, modes, words = TESTS[name]
    full = os.environ.get("BACKPLANE_FULL")
    words = [f"count={many if full else few}", f"seed={0 if full else 1}", *words.split()]
    done = subprocess.run(command(build, words), check=False,
                          env=os.environ | ({"BACKPLANE_JIT": modes} if modes else {}))
    print(f"{0 if done.returncode else 1} passed, {1 if done.returncode else 0} failed")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
