#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Native code on an aarch64 host: random code and guests, under qemu-aarch64.

    host_test.py BUILD CLASS...     BUILD: a folder that tests/aarch64/cross has made

With BACKPLANE_FULL in the environment more of each, with new seeds where there are seeds, all the
programs of tests/priv, and Linux with 1 and 4 CPUs.
"""

import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(TESTS), str(TESTS / "jit"), str(TESTS / "determinism"), str(TESTS / "boot")]
import determinism_test  # noqa: E402
import tap  # noqa: E402
import twins_test  # noqa: E402

FULL = "BACKPLANE_FULL" in os.environ
SHARE = 5  # of the instructions that are run on a host that is none of this emulator's
SLOWER = 8  # than such a host, at most
PROGRAMS = [] if FULL else ["atomic", "fpv", "smc", "smp", "traps32"]
SECONDS = 900
build = None  # what looks like a build folder of this machine's


def run(*command, **env):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=SECONDS, env=os.environ | env)
    return done.returncode, done.stdout


class Twins(unittest.TestCase):
    """Random code on native code and on the interpreter: tests/jit."""

    def check(self, name):
        few, many, modes, words = twins_test.TESTS[name]
        count = (many if FULL else few) // SHARE
        status, text = run(*twins_test.command(build, [f"count={count}", f"seed={0 if FULL else 1}",
                                                       *words.split()]),
                           **({"BACKPLANE_JIT": modes} if modes else {}))
        self.assertEqual(status, 0, text)


for _name in twins_test.TESTS:
    setattr(Twins, "test_" + _name, lambda self, name=_name: self.check(name))


class OldProcessor(unittest.TestCase):
    def test_without_lse(self):
        """The first generation has no single-instruction atomics."""
        status, text = run(*twins_test.command(build, ["count=200000", "seed=1"]),
                           QEMU_CPU="cortex-a53")
        self.assertEqual(status, 0, text)


class Guests(determinism_test.Same):
    def test_programs(self):
        status, text = run(sys.executable, TESTS / "priv/run.py", "run", "--build", build,
                           "--patience", str(SLOWER), *PROGRAMS)
        self.assertEqual(status, 0, text)

    def test_instructions(self):
        """Random streams in a guest, on either engine."""
        status, text = run(sys.executable, TESTS / "isa/isa_test.py", "--build", build, "engines")
        self.assertEqual(status, 0, text)

    def test_traces(self):
        """A deterministic run with interrupts is the same on either engine."""
        check = determinism_test.Programs.check
        self.assertIn("interrupt at", check(self, "irq", "log").trace)

    if FULL:
        def test_linux(self):
            for cpus in (1, 4):
                self.boot(cpus)

    def boot(self, cpus):
        from boot import fetch_module
        guests = fetch_module().ensure(("opensbi-trixie", "linux", "initrd"))
        status, text = run(
            build / "core/backplane", "run", determinism_test.machine(),
            "--plugin-path", build / "plugins", "--memory", "512M", "--cpus", str(cpus),
            "--firmware", guests / "opensbi-trixie/fw_dynamic.bin",
            "--kernel", guests / "linux/Image", "--initrd", guests / "initrd/initrd.cpio.gz",
            "--append", "console=ttyS0 bp.test=poweroff")
        self.assertEqual(status, 0, text)
        self.assertIn("=== GUEST-UP riscv64", text)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    build = determinism_test.build = folder / "as-native/build"
    determinism_test.images = folder / "tests/priv"
    determinism_test.SLOW = SLOWER
    result = tap.Result()
    unittest.defaultTestLoader.loadTestsFromNames(sys.argv[2:], sys.modules[__name__]).run(result)
    print(f"1..{result.count}")
    sys.exit(0 if result.wasSuccessful() and result.count else 1)
