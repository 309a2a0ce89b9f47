#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Own programs under `backplane user`: static and dynamic, on native code and on the interpreter; files
that are no programs; scripts.

    user_test.py --build BUILD      all checks, as TAP
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

COMPILER = "riscv64-linux-gnu-gcc"
SYSROOT = "/usr/riscv64-linux-gnu"
MUTATIONS = 300


class Runner:
    def __init__(self, build, folder):
        self.command = [build / "core/backplane", "user", "--plugin-path", build / "plugins"]
        self.folder = folder

    def compile(self, name, *flags):
        out = self.folder / (name + ("-static" if "-static" in flags else "-dynamic"))
        subprocess.run([COMPILER, "-O1", "-w", "-pthread", *flags, HERE / f"{name}.c", "-o", out],
                       check=True)
        return out

    def run(self, program, *args, options=(), timeout=120, env=None, **more):
        return subprocess.run([*self.command, "--sysroot", SYSROOT, *options, program, *args],
                              capture_output=True, timeout=timeout, cwd=self.folder,
                              env={**os.environ, **(env or {})}, **more)


def explain(done):
    return f"status {done.returncode}\n{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}"


def checks_of_program(c, name, done):
    """A line of its output is a check."""
    lines = [line for line in done.stdout.decode(errors="replace").splitlines()
             if line.startswith(("ok ", "not ok "))]
    for line in lines:
        good, _, what = line.partition("ok ")
        c.check(f"{name}: {what}", not good)
    c.check(f"{name}: ends well", lines and done.returncode == 0, explain(done))


def programs(c, r):
    for engine in ("jit", "interp"):
        for link in (["-static"], []):
            what = f"{engine} {'static' if link else 'dynamic'}"
            done = r.run(r.compile("basic", *link), options=["--engine", engine])
            checks_of_program(c, "basic " + what, done)
        done = r.run(r.compile("forks", "-static"), options=["--engine", engine])
        checks_of_program(c, "forks " + engine, done)
    done = r.run(r.compile("wild", "-static"), timeout=300)
    checks_of_program(c, "wild", done)
    done = r.run(r.compile("threads", "-static"), "5")
    c.check("200 threads", done.stdout == b"good\n" and done.returncode == 0, explain(done))


def starting(c, r):
    tell = r.compile("tell")
    done = r.run(tell, "a b", "", env={"TOLD": "this"})
    c.check("arguments, environment, status",
            done.returncode == 7 and done.stdout.decode() == f"{tell}\na b\n\nthis\n{tell}\n",
            explain(done))
    done = r.run(tell, options=["--argv0", "other"])
    c.check("argv0", done.stdout.startswith(b"other\n"), explain(done))
    script = r.folder / "script"
    script.write_text(f"#!{tell}  one word \nrest\n")
    script.chmod(0o755)
    done = r.run(script, "x")
    c.check("script", done.stdout.decode() == f"{tell}\none word\n{script}\nx\nnothing\n{tell}\n",
            explain(done))
    again = r.folder / "again"
    again.write_text(f"#!{again}\n")
    done = r.run(again)
    c.check("a script that is its own interpreter", done.returncode == 1, explain(done))
    done = r.run(tell, options=["--trace", "sys"])
    c.check("trace", b'write(1, "' in done.stderr and b"exit_group(7)" in done.stderr,
            explain(done))
    for what, words, says in (
            ("no such file", ["/nonexistent"], b"No such file"),
            ("a folder", ["/tmp"], b"/tmp: "),
            ("a text", [HERE / "tell.c"], b"this is no program"),
            ("the host's own program", ["/bin/true"], b"elf64-little-62"),
            ("an unknown option", ["--nothing", "x"], b"is no option"),
            ("nothing", [], b"no program is given")):
        done = subprocess.run([*r.command, *words], capture_output=True, timeout=20)
        c.check(f"refused: {what}", done.returncode == 1 and says in done.stderr, explain(done))


def mutate(data, rng):
    """Bytes of the ELF header and the program headers, replaced."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(16, 64 + 56 * 7)
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice((0, 1, 0xff, 0x7fffffff, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1,
                            rng.randrange(2**64)))
        data[at:at + width] = (value % 256**width).to_bytes(width, "little")
    return bytes(data)


def damaged(c, r):
    """Damaged files are refused, or run and end; what ends by a signal says so: the guest did."""
    whole = r.compile("tell", "-static").read_bytes()
    rng, bad = random.Random(4), []
    cases = [mutate(whole, rng) for _ in range(MUTATIONS)]
    cases += [whole[:n] for n in (0, 1, 4, 19, 20, 63, 64, 100, 200, 4096, len(whole) // 2)]
    for i, data in enumerate(cases):
        path = r.folder / "damaged"
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(0o755)
        try:
            done = r.run(path, options=["--trace", "sys"], timeout=20)
        except subprocess.TimeoutExpired:
            continue  # a program may loop
        if done.returncode == 1 and b"backplane" not in done.stderr and b" cannot be run" not in \
                done.stderr and b"no program" not in done.stderr and b"no CPU" not in done.stderr:
            bad.append((i, explain(done)))
        if done.returncode < 0 and b"killed by signal" not in done.stderr:
            bad.append((i, explain(done)))
        if done.returncode == 70:
            bad.append((i, explain(done)))
    c.check(f"{len(cases)} damaged files", not bad, "\n".join(f"{i}: {t}" for i, t in bad[:5]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    args = parser.parse_args()
    c = tap.Checks()
    with tempfile.TemporaryDirectory() as folder:
        r = Runner(args.build.resolve(), Path(folder))
        starting(c, r)
        damaged(c, r)
        programs(c, r)
    sys.exit(c.finish())


if __name__ == "__main__":
    main()
