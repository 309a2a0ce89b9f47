#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A deterministic run, saved at random counts of instructions: each restored run is its rest.

    moments_test.py BUILD IMAGES          moments.c, with two harts, instruction by instruction
    moments_test.py BUILD --linux CPUS    Linux, exception by exception, and what devices were asked

The run that saves is compared too. Engines alternate: who saves, and who goes on. Native code hands
traced instructions to the interpreter, so its runs are traced by what code asks of devices, by wires and
exceptions with their counts, and by registers and memory in the end. With BACKPLANE_FULL in the
environment seeds are new each time, and Linux is saved at 50 counts and traced by digests of all its
instructions. BACKPLANE_SEED=N repeats a seed.
"""

import os
import random
import re
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))
import determinism_test as determinism  # noqa: E402
import tap  # noqa: E402
from determinism_test import ENGINES, Run, Same, machine, program  # noqa: E402

FULL = bool(os.environ.get("BACKPLANE_FULL"))
SEED = int(os.environ.get("BACKPLANE_SEED", random.randrange(1 << 32) if FULL else 1))
AT_ONCE = 10  # snapshots that lie there together
DIGEST = re.compile(r"(cpu\d+) exec (\d+)\.\.(\d+): digest ")


def same_line(part, whole):
    """Equal; but a restored run's first digest of a CPU begins where the run does."""
    if part == whole:
        return True
    p, w = DIGEST.match(part), DIGEST.match(whole)
    return bool(p and w and p[1] == w[1] and p[3] == w[3] and int(p[2]) > int(w[2]))


def sections(data):
    """Of a snapshot, as docs/snapshots.md has it: (kind, contents)."""
    at = 16
    while at < len(data):
        length = int.from_bytes(data[at + 8:at + 16], "little")
        yield data[at:at + 4], data[at + 16:at + 16 + length]
        at += 16 + length + 8


class Moments(Same):
    def rest(self, whole, part, what):
        """part is the end of whole."""
        for name in ("status", "report"):
            self.assertEqual(getattr(whole, name), getattr(part, name), f"{what}: {name}")
        self.assertTrue(whole.output.endswith(part.output), f"{what}: the output")
        w, p = whole.trace.splitlines(), part.trace.splitlines()
        self.assertLessEqual(len(p), len(w), what)
        for n, (x, y) in enumerate(zip(p, w[len(w) - len(p):])):
            if not same_line(x, y):
                self.fail(f"{what}: line {n + 1} of the rest: `{x}`, was `{y}`")

    def moments(self, run, traces, count):
        """run(engine, trace, *arguments); traces: how each engine is traced."""
        wholes = {e: run(e, traces[e]) for e in ENGINES}
        total = sum(wholes[ENGINES[0]].count("instructions"))
        rng = random.Random(SEED)
        counts = sorted(rng.sample(range(total), count))
        for at in range(0, count, AT_ONCE):
            self.some(run, traces, wholes, list(enumerate(counts))[at:at + AT_ONCE])
        return wholes, counts

    def some(self, run, traces, wholes, counts):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "moment"
            for k, engine in enumerate(ENGINES):
                own = [str(c) for n, c in counts if n % len(ENGINES) == k]
                saving = run(engine, traces[engine], "--save-to", file, "--save-at", ",".join(own))
                self.same(wholes[engine], saving)
            for n, c in counts:
                engine = ENGINES[n // 2 % len(ENGINES)]
                restored = run(engine, traces[engine], "--restore", f"{file}.{c}")
                what = f"seed {SEED}: saved at {c}, gone on with {engine}"
                self.rest(wholes[engine], restored, what)
                self.after(wholes[engine], restored, c, what)
                Path(f"{file}.{c}").unlink()

    def after(self, whole, restored, count, what):
        """For what the kind of trace allows beyond rest()."""


class Short(Moments):
    def run_one(self, engine, trace, *arguments):
        return program("moments", *arguments, cpus=2, engine=engine, trace=trace)

    def after(self, whole, restored, count, what):
        if " exec " in whole.trace:
            left = sum(whole.count("instructions")) - count
            self.assertEqual(restored.trace.count(" exec "), left, what)

    def test_moments(self):
        traces = {"jit": "log,register=true,line=true", "interp": "log,exec=true"}
        wholes, _ = self.moments(self.run_one, traces, 50)
        for whole in wholes.values():
            self.assertIn(b"\nPASS", whole.output.replace(b"\r", b""))

    def test_seed_is_kept(self):
        """The run's own seed, date and quantum hold, whatever stands beside --restore."""
        other = [w for s in ("seed=5", "quantum=77", "ips=7_000_000", "date='2031-01-01T00:00:00Z'")
                 for w in ("--set", f"machine.{s}")]
        whole = self.run_one(ENGINES[0], "log")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "moment"
            self.run_one(ENGINES[0], "log", "--save-to", file, "--save-at", "5000")
            self.rest(whole, self.run_one(ENGINES[0], "log", "--restore", f"{file}.5000", *other),
                      "with other settings")
        self.assertNotEqual(whole.output, self.run_one(ENGINES[0], "log", *other).output)

    def test_saved_on_the_way(self):
        """A restored run saves where the unbroken one does, and what it does."""
        with tempfile.TemporaryDirectory() as folder:
            a, b = Path(folder) / "a", Path(folder) / "b"
            self.run_one(ENGINES[0], None, "--save-to", a, "--save-at", "100000,10000,0")
            self.run_one(ENGINES[-1], None, "--save-to", b, "--save-at", "100000,10000",
                         "--restore", f"{a}.10000")
            for count in ("10000", "100000"):
                # The description has names of files that differ; the end has checksums.
                x, y = ([(kind, what) for kind, what in sections(Path(f"{f}.{count}").read_bytes())
                         if kind not in (b"DESC", b"DONE")] for f in (a, b))
                self.assertGreater(len(x), 20)
                self.assertTrue(x == y, count)
            self.assertEqual(len(os.listdir(folder)), 5)

    def test_wrong_use(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "moment"
            self.run_one(ENGINES[0], None, "--save-to", file, "--save-at", "1000")
            for why, arguments in (
                    ("needs --save-to", ("--save-at", "5")),
                    ("numbers of instructions", ("--save-to", file, "--save-at", "5,x")),
                    ("numbers of instructions", ("--save-to", file, "--save-at", "")),
                    ("numbers of instructions", ("--save-to", file, "--save-at", "-1")),
                    ("there twice", ("--save-to", file, "--save-at", "7,5,7")),
                    ("begins behind", ("--save-to", file, "--save-at", "999", "--restore",
                                       f"{file}.1000"))):
                run = self.run_one(ENGINES[0], None, *arguments)
                self.assertEqual((run.status, run.output, run.report), (1, b"", ""), why)
                self.assertEqual(os.listdir(folder), ["moment.1000"])


class Linux(Moments):
    cpus = 1

    def run_one(self, engine, trace, *arguments):
        return Run([machine(), "--memory", "512M", "--cpus", str(self.cpus),
                    "--firmware", self.guests / "opensbi-trixie/fw_dynamic.bin",
                    "--kernel", self.guests / "linux/Image",
                    "--initrd", self.guests / "initrd/initrd.cpio.gz",
                    "--append", "console=ttyS0 bp.test=poweroff", *arguments],
                   engine=engine, trace=trace, seconds=400)

    def test_moments(self):
        sys.path.insert(0, str(HERE.parent / "boot"))
        from boot import fetch_module
        fetch = fetch_module()
        try:
            self.guests = fetch.ensure(("opensbi-trixie", "linux", "initrd"))
        except fetch.debian.FetchError as e:
            self.fail(str(e))
        traces = {"jit": "log,register=true",
                  "interp": "log,digest=1_000_000" if FULL else "log,register=true"}
        wholes, _ = self.moments(self.run_one, traces, 50 if FULL else 4)
        self.assertIn(b"=== GUEST-UP riscv64", wholes[ENGINES[0]].output)


if __name__ == "__main__":
    determinism.build = Path(sys.argv[1]).resolve()
    case = Short
    if sys.argv[2] == "--linux":
        case = Linux
        case.cpus = int(sys.argv[3])
    else:
        determinism.images = Path(sys.argv[2])
    print(f"# seed {SEED}", flush=True)
    result = tap.Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    print(f"1..{result.count}")
    sys.exit(0 if result.wasSuccessful() and result.count else 1)
