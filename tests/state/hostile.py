#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Snapshots that nobody should believe, of a whole machine.

    hostile.py BUILD IMAGES

The small guest of tests/determinism is saved once. Then its file is cut, changed at random with
checksums that tell, and changed at random with checksums that are right: the first two must be refused,
the last may also be run, whatever comes of it, in bounded memory and without an end by a signal. A
refusal is one sentence, and nothing of the guest has run then. Guests that will never do anything again
are saved all the same. BACKPLANE_FULL: more, with a new seed;
BACKPLANE_SEED=N repeats one. (Every bit of a small machine's file: core/state/state_test.c; files by a
fuzzer: tests/fuzz/fuzz_snapshot.c; full disks and other machines, with Linux: snapshots.py.)
"""

import itertools
import json
import os
import random
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

FULL = bool(os.environ.get("BACKPLANE_FULL"))
SEED = int(os.environ.get("BACKPLANE_SEED", random.randrange(1 << 32) if FULL else 1))
MIB = 150  # resident, when no sanitizer has its own
RUN_S, END_S = 1, 60  # a guest that was changed may run for ever
MASK, ODD = (1 << 64) - 1, 0x9e3779b97f4a7c15
ENGINES = ("--engine=jit", "--engine=interp")[platform.machine() != "x86_64":]
build = images = None


def checksum(seed, data):
    """As state_sum() in core/state/stream_out.c."""
    h = (seed ^ len(data)) * ODD & MASK
    whole = len(data) & ~7
    for at in range(0, whole, 8):
        h = (h ^ int.from_bytes(data[at:at + 8], "little")) * ODD & MASK
        h ^= h >> 29
    for byte in data[whole:]:
        h = ((h ^ byte) * ODD & MASK) ^ h >> 31
    return h ^ h >> 32


def split(data):
    """[kind, contents] of each section but the last; docs/snapshots.md."""
    at, found = 16, []
    while data[at:at + 4] != b"DONE":
        length = int.from_bytes(data[at + 8:at + 16], "little")
        found.append([data[at:at + 4], data[at + 16:at + 16 + length]])
        at += 16 + length + 8
    return found


def join(head, sections):
    out, chain = bytearray(head), 0
    end = len(sections).to_bytes(8, "little")
    for kind, what in [*sections, [b"DONE", None]]:
        what = end + chain.to_bytes(8, "little") if what is None else what
        number = int.from_bytes(kind, "little")
        total = checksum(number, what).to_bytes(8, "little")
        out += kind + bytes(4) + len(what).to_bytes(8, "little") + what + total
        chain = checksum(chain ^ number, total)
    return bytes(out)


def sanitized():
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    return any(o["name"] == "b_sanitize" and o["value"] not in ("none", []) for o in options)


def catches_usr1(pid):
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return caught and int(caught[1], 16) >> (signal.SIGUSR1 - 1) & 1


def command(*arguments):
    source = build.parent if (build.parent / "machines").is_dir() else build
    return [build / "core/backplane", "run", "--plugin-path", build / "plugins",
            source / "machines/riscv-virt.toml", "--memory", "128M", "--cpus", "2", "--set",
            "cpu.v=true", *arguments]


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.file = Path(cls.folder.name) / "wrong"
        good = Path(cls.folder.name) / "good"
        cls.run_one("--save-to", good, "--save-at", "150000")
        cls.good = Path(f"{good}.150000").read_bytes()
        cls.limit = 1 << 30 if sanitized() else MIB << 10

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def run_one(*arguments, seconds=END_S):
        """Its exit status (None: it went on and on), output, errors, most memory in KiB."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            p = subprocess.Popen(command("--firmware", images / "moments.bin", "--deterministic",
                                         *arguments), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            until, pid, late = time.monotonic() + seconds, 0, False
            while not pid:
                pid, status, usage = os.wait4(p.pid, os.WNOHANG)
                if not pid and not late and time.monotonic() > until:
                    late = True
                    p.kill()
                time.sleep(0 if pid else 0.005)
            p.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            return (None if late else p.returncode, out.read(), err.read().decode(), usage.ru_maxrss)

    def restore(self, data, what, seconds=END_S):
        self.file.write_bytes(data)
        status, out, err, resident = self.run_one("--restore", self.file, seconds=seconds)
        self.assertTrue(status is None or status >= 0, f"{what}: signal {status}:\n{err}")
        self.assertNotIn("Sanitizer", err, what)
        self.assertNotIn("runtime error", err, what)
        self.assertLess(resident, self.limit, what)
        return status, out, err

    def refused(self, data, statuses, pattern, what):
        status, out, err = self.restore(data, what)
        self.assertIn(status, statuses, f"{what}: {err}")
        self.assertEqual(out, b"", what)
        self.assertRegex(err, r"\A[^\n]*" + pattern + r"[^\n]*\n\Z", what)

    def test_good(self):
        """What the other cases start from, and that checksums are made as the file's are."""
        self.assertEqual(join(self.good[:16], split(self.good)), self.good)
        status, out, _ = self.restore(self.good, "good")
        self.assertEqual(status, 0)
        self.assertIn(b"PASS", out)

    def test_cut(self):
        rng = random.Random(SEED)
        for _ in range(200 if FULL else 12):
            n = rng.randrange(len(self.good))
            self.refused(self.good[:n], (2,), "", f"seed {SEED}: cut to {n} bytes")

    def test_changed(self):
        """One byte in every part of the file: in each section, its head, its checksum."""
        rng, at, places = random.Random(SEED), 16, [range(16)]
        for _, what in [*split(self.good), (b"DONE", bytes(16))]:
            places += [range(at, at + 16), range(at + 16, at + 16 + len(what)),
                       range(at + 16 + len(what), at + 24 + len(what))]
            at += 24 + len(what)
        self.assertEqual(at, len(self.good))
        places = places if FULL else [*places[:1], *rng.sample(places, 40)]
        for place in [[n] for n in places[0]] + places[1:]:
            n, data = rng.choice(place), bytearray(self.good)
            data[n] ^= 1 << rng.randrange(8)
            self.refused(data, (2,), "", f"seed {SEED}: byte {n} changed")

    def test_changed_well(self):
        """One byte of a section, or its length, with the checksums that belong to it."""
        rng, whole, ran = random.Random(SEED), split(self.good), 0
        small = [n for n, (kind, _) in enumerate(whole) if kind not in (b"PAGE", b"DESC")]
        for turn in range(1000 if FULL else 70):
            sections = [list(s) for s in whole]
            n = rng.choice(small) if turn % 8 else rng.randrange(len(whole))
            what, at = bytearray(sections[n][1]), rng.randrange(len(sections[n][1]))
            if rng.randrange(8):
                what[at] = rng.choice((0, 0xff, what[at] ^ 1 << rng.randrange(8)))
            else:
                what[at:at] = what[at:at + rng.randrange(9)]
            sections[n][1] = bytes(what)
            name = f"seed {SEED}: turn {turn}: {sections[n][0]} number {n}, byte {at}"
            status, out, err = self.restore(join(self.good[:16], sections), name, RUN_S)
            if status in (1, 2) and not out:
                self.assertRegex(err, r"\A[^\n]+\n\Z", name)
            else:
                ran += 1
        print(f"# {ran} of them ran", flush=True)

    def test_endless(self):
        """Traps for ever, a loop onto itself, waiting for what is not enabled: SIGUSR1 saves it."""
        code, file = Path(self.folder.name) / "code", Path(self.folder.name) / "endless"
        for name, words in (("traps", (0x30501073, 0x00100073)), ("loop", (0x0000006f,)),
                            ("wfi", (0x10500073, 0xffdff06f))):
            code.write_bytes(b"".join(w.to_bytes(4, "little") for w in words))
            for more in itertools.product(ENGINES, ((), ("--deterministic",))):
                p = subprocess.Popen(command("--firmware", code, "--save-to", file, more[0], *more[1]),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True)
                watch = threading.Timer(END_S, p.kill)
                watch.start()
                while p.poll() is None and not catches_usr1(p.pid):
                    time.sleep(0.01)
                time.sleep(0.2)
                p.send_signal(signal.SIGUSR1)
                said = p.stderr.readline()
                p.kill()
                p.communicate()
                watch.cancel()
                self.assertEqual(said, f"backplane: saved to {file}\n", f"{name}, {more}")
                file.unlink()

    def test_unknown(self):
        whole = split(self.good)
        first = next(n for n, (kind, _) in enumerate(whole) if kind == b"OBJT")
        cpu = next(n for n, (kind, what) in enumerate(whole) if kind == b"OBJT" and b"mstatus" in what)

        def changed(n, old, new):
            sections = [list(s) for s in whole]
            self.assertIn(old, sections[n][1])
            sections[n][1] = sections[n][1].replace(old, new, 1)
            return join(self.good[:16], sections)

        def with_section(kind, what):
            return join(self.good[:16], [*whole[:first], [kind, what], *whole[first:]])

        text = len("rng").to_bytes(4, "little") + b"rng\0"
        for what, data, status, pattern in (
                ("section", with_section(b"MORE", b"what"), 2, "section .* unknown"),
                ("field", changed(cpu, b"mstatus\0", b"mstatue\0"), 1, "mstatue is unknown"),
                ("type", changed(cpu, b"riscv64\0", b"riscv65\0"), 1, "type riscv65"),
                ("machine", changed(0, b"type = riscv64", b"type = riscv63"), 1, "another machine"),
                ("order", join(self.good[:16], whole[1:]), 2, "does not begin with a machine"),
                ("lost", join(self.good[:16], whole[:first] + whole[first + 1:]), 2, "it has no "),
                ("twice", with_section(*whole[first]), 2, "there twice"),
                ("random", with_section(b"RAND", text.replace(b"rng", b"gnr") + bytes(4)), 2,
                 "random numbers of gnr"),
                ("speed", changed(1 + [k for k, _ in whole].index(b"DESC"), *self.field(
                    "turn_ips", (10 ** 13).to_bytes(8, "little"), whole)), 1, "turn_ips is 1000")):
            self.refused(data, (status,), pattern, what)

    @staticmethod
    def field(name, value, whole):
        """A number's field as it stands in a section, and with another value."""
        for _, what in whole:
            m = re.search(re.escape(name.encode()) + rb"\0.{14}", what, re.S)
            if m:
                return what[m.start():m.end() + len(value)], m[0] + value
        raise AssertionError(name)


if __name__ == "__main__":
    build, images = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    print(f"# seed {SEED}", flush=True)
    result = tap.Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(Hostile).run(result)
    print(f"1..{result.count}")
    sys.exit(0 if result.wasSuccessful() and result.count else 1)
