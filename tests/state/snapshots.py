#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Saves Linux while it boots, and restores it.

    snapshots.py [--build DIR] [--seed N] [--count N] [CASE...]     (default: all)
    snapshots.py --list

points    one boot with 4 CPUs is saved at --count moments (3; 20 with BACKPLANE_FULL in the
          environment); each is restored in a new process, reaches the shell and powers off
engines   saved under one engine and restored under the other, and back, by the prompt's command
complete  every byte of every object comes back, in the same process and in a new one; see complete.c
disk      saved while Linux writes to a disk; the restored machine ends what was begun
bad       other machines, damaged files and full disks: sentences, and the machine goes on
"""

import argparse
import hashlib
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "boot"))
sys.dont_write_bytecode = True
import boot  # noqa: E402
from boot import EXIT_S, FIRMWARE_S, KERNEL_S, PROMPT, REPLY_S, Mismatch, check, shell  # noqa: E402
from console import Console, ConsoleError  # noqa: E402
from emulator import Machine, backplane  # noqa: E402

FIRMWARE, CPUS = "opensbi-trixie", 4
GUESTS = (FIRMWARE, "linux", "initrd")
# Lines of the console: the firmware's first and the last before the guest is up are about these.
FIRST_LINE, LAST_LINE = 5, 130


class Test:
    def __init__(self, args, folder, log, guests):
        self.args, self.folder, self.log = args, Path(folder), log
        self.machine = Machine(guests / FIRMWARE / "fw_dynamic.bin", guests / "linux/Image",
                               guests / "initrd/initrd.cpio.gz", "console=ttyS0", cpus=CPUS)

    def argv(self, *more):
        return [str(a) for a in backplane(self.machine, self.args.build)] + list(map(str, more))

    def console(self, *more):
        return Console(self.argv(*more), self.log)

    def run(self, *more):
        """A run that is to end by itself: its status and what it wrote on standard error."""
        done = subprocess.run(self.argv(*more), stdin=subprocess.DEVNULL, stdout=self.log,
                              stderr=subprocess.PIPE, text=True, timeout=EXIT_S, check=False)
        self.log.write(done.stderr.encode())
        return done.returncode, done.stderr


def lines_up_to(console, pattern, seconds):
    """Waits for the pattern; how many lines of the console that took."""
    match = console.expect(pattern, seconds)
    return match.string.count("\n", 0, match.end())


def save(console, file):
    """By the signal; the machine goes on. How many lines it printed until it was saved."""
    os.kill(console.pid, signal.SIGUSR1)
    return lines_up_to(console, rf"backplane: saved to {re.escape(str(file))}$", REPLY_S)


def finish(console):
    """From wherever it was saved to the end."""
    console.expect(PROMPT, KERNEL_S)
    check(shell(console, "nproc"), rf"^{CPUS}$", "the CPUs")
    check(shell(console, "echo $((6 * 7))"), r"^42$", "arithmetic")
    check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")
    console.type("poweroff\n")
    status = console.status(EXIT_S)
    if status != 0:
        raise Mismatch(f"exit status {status}, expected 0")


def points(test):
    rng = random.Random(test.args.seed)
    lines = sorted(rng.randrange(FIRST_LINE, LAST_LINE) for _ in range(test.args.count))
    file = test.folder / "moment"
    with test.console("--save-to", file) as console:
        seen = 0
        for n, line in enumerate(lines):
            while seen < line:
                seen += lines_up_to(console, r"\n", FIRMWARE_S)
            time.sleep(rng.random() * 0.02)
            seen += save(console, file)
            file.rename(test.folder / f"moment.{n}")
        finish(console)
    for n, line in enumerate(lines):
        moment = test.folder / f"moment.{n}"
        try:
            with test.console("--restore", moment) as console:
                finish(console)
        except (ConsoleError, Mismatch) as e:
            raise Mismatch(f"saved behind line {line} (seed {test.args.seed}): {e}") from None
        moment.unlink()


def engines(test):
    file, second = test.folder / "engines", test.folder / "engines2"
    with test.console("--engine", "jit", "--save-to", file) as console:
        console.expect(r"smp: Brought up", FIRMWARE_S)
        save(console, file)
    with test.console("--engine", "interp", "--restore", file) as console:
        console.expect(PROMPT, KERNEL_S)
        check(shell(console, "word=kept; echo $word"), r"^kept$", "the shell")
        console.type(f"\x01csave {second}\r")
        console.expect(rf"backplane: saved to {re.escape(str(second))}$", REPLY_S)
    with test.console("--engine", "jit", "--restore", second) as console:
        console.type("\n")
        console.expect(PROMPT, REPLY_S)
        check(shell(console, "echo $word"), r"^kept$", "the shell's variable")
        finish_typed(console)


def finish_typed(console):
    console.type("\n")
    finish(console)


def complete(test):
    m, build = test.machine, test.args.build
    board = HERE.parent.parent / "machines/riscv-virt.toml"
    virtio = HERE.parent / "boot/virtio-console.toml"
    ports = HERE.parent / "boot/virtio-ports.toml"
    sockets = [f"{name}.path={test.folder / name}" for name in ("wire", "lines")]
    guest = [f"firmware={m.firmware}", f"kernel={m.kernel}", f"initrd={m.initrd}",
             f"memory={m.memory}"]
    for machine, console, options in ((board, "ttyS0", [f"cpus={CPUS}"]),
                                      (board, "ttyS0", ["cpus=1", "cpu.v=true", "cpu.vlen=256"]),
                                      (virtio, "hvc0", ["cpus=2"]),
                                      (ports, "hvc0", ["cpus=1", *sockets])):
        for moments in ("8", "0"):
            argv = [build / "tests/state/state-complete", machine, build / "plugins", test.folder,
                    moments, *guest, f"append=console={console} bp.test=poweroff", *options]
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=test.log,
                                  stderr=subprocess.PIPE, text=True, timeout=KERNEL_S,
                                  check=False)
            if done.returncode:
                raise Mismatch(f"{' '.join(map(str, argv))}:\n{done.stderr}")


def expect_refusal(test, status, pattern, *argv):
    got, said = test.run(*argv)
    lines = said.strip().splitlines()
    if got != status or len(lines) != 1 or not re.search(pattern, lines[0]):
        raise Mismatch(f"{argv}: expected status {status} and one line like `{pattern}`; "
                       f"status {got}:\n{said}")


def bad(test):
    file, wrong = test.folder / "good", test.folder / "wrong"
    with test.console("--save-to", file) as console:
        console.expect(r"Linux version", FIRMWARE_S)
        save(console, file)
        # A disk that is full, or nearly: the old file stays, and the machine goes on.
        before = file.read_bytes()
        resource.prlimit(console.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        os.kill(console.pid, signal.SIGUSR1)
        console.expect(r"the machine was not saved: File too large; it goes on as it was", REPLY_S)
        if file.read_bytes() != before or len(list(test.folder.glob("good*"))) != 1:
            raise Mismatch("a save that failed changed files")
        finish(console)
    expect_refusal(test, 1, r"another machine: it has \"cpu\.2 of type \S+\" in \[the list of objects\]",
                   "--restore", file, "--cpus", "2")
    expect_refusal(test, 1, r"another machine: it has \"size = 536870912\" in \[ram\]",
                   "--restore", file, "--memory", "256M")
    expect_refusal(test, 2, r"cannot be opened: No such file", "--restore", wrong)
    expect_refusal(test, 2, r"is no regular file", "--restore", test.folder)
    for name, data, pattern in (
            ("empty", b"", r"is no snapshot"),
            ("other", b"\x7fELF" + bytes(100), r"is no snapshot"),
            ("later", before[:8] + b"\2" + before[9:], r"has format 2; this version reads format 1"),
            ("short", before[:-1], r"ends at byte \d+, before its end mark; it was cut off"),
            ("shorter", before[:len(before) // 3], r"it was cut off"),
            ("longer", before + b"x", r"something follows its end"),
            ("flipped", before[:5000] + bytes([before[5000] ^ 4]) + before[5001:],
             r"is damaged: a checksum is another one")):
        wrong.write_bytes(data)
        try:
            expect_refusal(test, 2, pattern, "--restore", wrong)
        except Mismatch as e:
            raise Mismatch(f"{name}: {e}") from None


def part(image, mib):
    with open(image, "rb") as f:
        f.seek(mib << 20)
        return f.read(1 << 20)


def disk(test):
    """A big direct write is cut in two by a save; what is on the disk in the end is all of it."""
    file, image = test.folder / "disk", test.folder / "disk.raw"
    image.touch()
    os.truncate(image, 256 << 20)
    # Every write waits for the host's disk, so that there is time to save.
    test.machine.drives = ((image, "raw,cache=writethrough"),)
    try:
        with test.console("--save-to", file) as console:
            console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
            shell(console, "dd if=/dev/urandom of=/tmp/r bs=1M count=64")
            digest = check(shell(console, "md5sum /tmp/r"), r"^([0-9a-f]{32}) ", "md5sum")[1]
            console.type("dd if=/tmp/r of=/dev/vda bs=16k oflag=direct; echo done=$?\n")
            console.expect(r"done=\$\?\n", REPLY_S)
            while not any(part(image, 4)):
                time.sleep(0.01)
            save(console, file)
            console.type("\x01x")
            console.status(EXIT_S)
        if any(part(image, 63)):
            raise Mismatch("dd was over before the machine was saved")
        with test.console("--restore", file) as console:
            console.expect(r"done=0\n", KERNEL_S)
            console.expect(PROMPT, REPLY_S)
            check(shell(console, "dd if=/dev/vda bs=1M count=64 iflag=direct | md5sum"),
                  rf"^{digest} ", "what the disk holds")
            finish_typed(console)
        if hashlib.md5(image.read_bytes()[:64 << 20]).hexdigest() != digest:
            raise Mismatch("the image does not hold what the guest wrote")
    finally:
        test.machine.drives = ()


CASES = {"points": points, "engines": engines, "complete": complete, "disk": disk, "bad": bad}


def main():
    full = bool(os.environ.get("BACKPLANE_FULL"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--build", type=Path, default=HERE.parent.parent / "build")
    parser.add_argument("--count", type=int, default=20 if full else 3)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32) if full else 1)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if args.list:
        print("\n".join(CASES))
        return 0
    args.build = args.build.resolve()
    logs = args.build / "boot-logs"
    logs.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}", flush=True)
    fetch, failed = boot.fetch_module(), 0
    for name in args.cases or CASES:
        began = time.monotonic()
        with open(logs / f"state-{name}.log", "wb") as log, TemporaryDirectory() as folder:
            try:
                CASES[name](Test(args, folder, log, fetch.ensure(GUESTS)))
                fault = ""
            except (ConsoleError, Mismatch, OSError, subprocess.TimeoutExpired,
                    fetch.debian.FetchError) as e:
                fault = str(e)
        print(f"{'FAIL' if fault else 'ok'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
        if fault:
            failed += 1
            print(f"{fault}\nThe whole session: {log.name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
