#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two deterministic runs are one run, on native code and on the interpreter.

    determinism_test.py BUILD IMAGES          short bare-metal guests, instruction by instruction
    determinism_test.py BUILD --linux CPUS    Linux from reset to power off, exception by exception
"""

import fcntl
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

SLOW = float(os.environ.get("BACKPLANE_TEST_PATIENCE", "1"))
ENGINES = ("jit", "interp") if platform.machine() in ("x86_64", "aarch64") else ("interp",)
PIPE = 4096  # the smallest there is
# Where each block is dropped as soon as it ran, native code boots Linux once: it takes half an hour.
EVICTING = "evict" in os.environ.get("BACKPLANE_JIT", "").split(",")
build = images = None


class Run:
    """One run: its exit status, output, trace and report."""

    def __init__(self, arguments, engine=ENGINES[0], trace="log", slow_reader=False, seconds=60):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            command = [build / "core/backplane", "run", "--plugin-path", build / "plugins",
                       "--deterministic", "--engine", engine, "--report", folder / "report",
                       *arguments]
            if trace:
                command += ["--trace", f"{trace},file={folder}/trace"]
            self.status, self.output = execute(command, slow_reader, seconds * SLOW)
            self.report = read(folder / "report")
            self.trace = read(folder / "trace")

    def count(self, word):
        return [int(n) for n in re.findall(rf"\b{word} (\d+)$", self.report, re.M)]


def read(path):
    return path.read_text() if path.exists() else ""


def execute(command, slow_reader, seconds):
    ours, theirs = os.pipe()
    if slow_reader:
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PIPE)
    with open(ours, "rb") as output, \
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs) as p:
        os.close(theirs)
        watch = threading.Timer(seconds, p.kill)
        watch.start()
        if slow_reader:
            time.sleep(0.5)
        text = output.read()
        status = p.wait()
        watch.cancel()
    return status, text


def machine():
    source = build.parent if (build.parent / "machines").is_dir() else build
    return source / "machines/riscv-virt.toml"


def program(name, *arguments, cpus=1, **how):
    return Run([machine(), "--memory", "128M", "--cpus", str(cpus), "--set", "cpu.v=true",
                "--firmware", images / f"{name}.bin", *arguments], **how)


class Same(unittest.TestCase):
    def same(self, a, b):
        for what in ("status", "output", "report", "trace"):
            x, y = getattr(a, what), getattr(b, what)
            if x == y:
                continue
            if isinstance(x, str):
                pairs = zip(x.splitlines(), y.splitlines())
                n, (p, q) = next(((n, pq) for n, pq in enumerate(pairs) if pq[0] != pq[1]),
                                 (-1, ("", "one ends sooner")))
                self.fail(f"{what}: line {n + 1}: `{p}` and `{q}`")
            self.fail(f"{what}: {x} and {y}")


class Programs(Same):
    def check(self, name, *traces, cpus=1):
        """Untraced, then traced: twice each, on either engine. A run of the last kind."""
        for trace in (None, *traces):
            runs = [program(name, cpus=cpus, engine=e, trace=trace) for e in ENGINES for _ in "12"]
            for other in runs[1:]:
                self.same(runs[0], other)
            self.assertTrue(runs[0].output)
            self.assertEqual(bool(runs[0].trace), trace is not None)
        return runs[0]

    def test_timer_interrupts(self):
        run = self.check("sstc", "log", "log,exec=true")
        self.assertTrue("interrupt at" in run.trace)
        self.assertEqual(run.trace.count(" exec "), sum(run.count("instructions")))
        # It waits: then time jumps.
        self.assertGreater(run.count("time")[0], sum(run.count("instructions")))

    def test_interrupts(self):
        self.assertTrue("interrupt at" in self.check("irq", "log").trace)

    def test_devices(self):
        self.check("plic", "log")

    def test_four_cpus(self):
        run = self.check("smp", "log,exec=true,cpu=3,limit=200000", "log", cpus=4)
        self.assertEqual(len(run.count("instructions")), 4)
        for cpu in range(4):
            self.assertTrue(f"cpu{cpu} " in run.trace)

    def test_storms(self):
        """Traps without an instruction between them take time, too."""
        self.check("storm", "log,limit=100000")

    def test_code_that_changes(self):
        self.check("itself", "log")

    def test_output_that_waits(self):
        """How fast the output is taken is not seen by the guest."""
        fast, slow = program("irq"), program("irq", slow_reader=True)
        self.assertGreater(len(fast.output), PIPE)
        self.same(fast, slow)

    def test_quantum(self):
        """Other turns are another run; its own repetition is the same."""
        a, b = (program("smp", "--set", "machine.quantum=777", cpus=4) for _ in "12")
        self.same(a, b)
        self.assertNotEqual(a.report, program("smp", cpus=4).report)

    def test_seed(self):
        """The seed in the device tree."""
        a, b, c = (program("sstc", "--set", f"machine.seed={n}") for n in (3, 3, 4))
        self.same(a, b)
        self.assertNotEqual(a.report, c.report)
        self.assertEqual(a.trace, c.trace)

    def test_speed(self):
        """Instructions a virtual second."""
        run = program("plic", "--set", "machine.ips=100_000_000")
        self.assertEqual(run.status, 0)
        self.assertGreaterEqual(run.count("time")[0], 10 * sum(run.count("instructions")))


class Linux(Same):
    cpus = 1

    def test_boots(self):
        sys.path.insert(0, str(HERE.parent / "boot"))
        from boot import fetch_module
        fetch = fetch_module()
        try:
            guests = fetch.ensure(("opensbi-trixie", "linux", "initrd"))
        except fetch.debian.FetchError as e:
            self.fail(str(e))
        runs = [Run([machine(), "--memory", "512M", "--cpus", str(self.cpus),
                     "--firmware", guests / "opensbi-trixie/fw_dynamic.bin",
                     "--kernel", guests / "linux/Image",
                     "--initrd", guests / "initrd/initrd.cpio.gz",
                     "--append", "console=ttyS0 bp.test=poweroff"], engine=e, seconds=400)
                for e in (ENGINES if EVICTING else (ENGINES[0], *ENGINES))]
        self.assertEqual(runs[0].status, 0)
        self.assertIn(b"=== GUEST-UP riscv64", runs[0].output)
        self.assertRegex(runs[0].output, rb"clock: goldfish_rtc \S+ 2026-01-01 00:00")
        self.assertGreater(runs[0].trace.count("interrupt at"), 100)
        for other in runs[1:]:
            self.same(runs[0], other)


if __name__ == "__main__":
    build = Path(sys.argv[1]).resolve()
    sys.dont_write_bytecode = True
    case = Programs
    if sys.argv[2] == "--linux":
        case = Linux
        case.cpus = int(sys.argv[3])
    else:
        images = Path(sys.argv[2])
    result = tap.Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    print(f"1..{result.count}")
    sys.exit(0 if result.wasSuccessful() and result.count else 1)
