#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build and run the programs of four harts (see README.md here).

run.py list                     names of all programs
run.py build NAME OUT.bin       compile one program
run.py run NAME [--seconds N] [--seed N] [--engine jit|interp] [--emulator backplane|qemu]

Seconds are the guest's; with BACKPLANE_FULL in the environment they are those of the long run, and the seed
is a new one each time. It is printed, and --seed or BACKPLANE_SEED gives it again.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "priv"), str(HERE.parent)]  # its run.py, not this one
import gen  # noqa: E402
import run as priv  # noqa: E402
import tap  # noqa: E402

# Name: sources, seconds in CI by engine, and in the long run: ten minutes for all, a third on the interpreter.
PROGRAMS = {
    "litmus": (["litmus.c"], {"jit": 10, "interp": 6}, 300),
    "lrsc": (["lrsc.c"], {"jit": 6, "interp": 5}, 100),
    "tables": (["tables.c"], {"jit": 8, "interp": 6}, 100),
    "code": (["code.c"], {"jit": 8, "interp": 6}, 100),
}
ARCH = "rv64imafdc_zicsr_zifencei"
MAGIC = b"litmus-parameter"
PATIENCE = float(os.environ.get("BACKPLANE_TEST_PATIENCE", "1"))


def build(name, out):
    sources = [HERE / "harts.c", *(HERE / s for s in PROGRAMS[name][0])]
    with tempfile.TemporaryDirectory() as tmp:
        if name == "litmus":
            sources.append(Path(tmp) / "table.c")
            with open(sources[-1], "w", encoding="utf-8") as f:
                gen.write(f)
        priv.compile_image(list(map(str, sources)), out, ARCH, include=[str(HERE)])


def command(args, image):
    if args.emulator == "qemu":
        return ["qemu-system-riscv64", "-M", "virt", "-nodefaults", "-display", "none", "-monitor", "none",
                "-serial", "stdio", "-m", "128M", "-smp", "4", "-bios", image]
    return [args.build / "core/backplane", "run", HERE.parent.parent / "machines/riscv-virt.toml",
            "--plugin-path", args.build / "plugins", "--memory", "128M", "--cpus", "4",
            "--firmware", image, *(["--engine", args.engine] if args.engine else []), *args.more]


def run(args, seconds, seed):
    image = (args.image or args.build / f"tests/litmus/{args.name}.bin").read_bytes()
    at = image.index(MAGIC) + len(MAGIC)
    with tempfile.NamedTemporaryFile(suffix=".bin") as f:
        f.write(image[:at] + seed.to_bytes(8, "little") + int(seconds * 1000).to_bytes(8, "little")
                + image[at + 16:])
        f.flush()
        argv = list(map(str, command(args, f.name)))
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  timeout=(3 * seconds + 60) * PATIENCE)
            return done.returncode, done.stdout.decode("utf-8", "replace").replace("\r", "")
        except subprocess.TimeoutExpired as e:
            return None, (e.stdout or b"").decode("utf-8", "replace").replace("\r", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    b = commands.add_parser("build")
    b.add_argument("name", choices=PROGRAMS)
    b.add_argument("out")
    r = commands.add_parser("run")
    r.add_argument("name", choices=PROGRAMS)
    r.add_argument("--build", type=Path, default=HERE.parent.parent / "build")
    r.add_argument("--image", type=Path, help="built before (BUILD/tests/litmus/NAME.bin)")
    r.add_argument("--seconds", type=float)
    r.add_argument("--seed", type=lambda n: int(n, 0))
    r.add_argument("--engine", choices=("jit", "interp"))
    r.add_argument("--emulator", choices=("backplane", "qemu"), default="backplane")
    r.add_argument("--more", action="append", default=[], help="an argument for backplane run")
    args = parser.parse_args()
    if args.command == "list":
        print("\n".join(PROGRAMS))
        return 0
    if args.command == "build":
        build(args.name, args.out)
        return 0
    args.build = args.build.resolve()
    full = bool(os.environ.get("BACKPLANE_FULL"))
    _, short, long = PROGRAMS[args.name]
    engine = args.engine or "jit"
    seconds = args.seconds or ((long if engine == "jit" else long // 3) if full else short[engine])
    seed = args.seed if args.seed is not None else int(os.environ.get("BACKPLANE_SEED", "0"), 0)
    seed = seed or (time.time_ns() if full else 1)
    print(f"# {args.name}: seed {seed}, {seconds} s", flush=True)
    status, output = run(args, seconds, seed)
    checks = tap.Checks()
    found = re.findall(r"^(ok|not ok) \d+ - (.*)$", output, re.M)
    notes = [line for line in output.split("\n") if line and not re.match(r"(not )?ok |1\.\.", line)]
    print("\n".join(line if line[0] == "#" else f"# {line}" for line in notes))
    for word, title in found:
        checks.check(title, word == "ok", f"seed {seed}")
    bad = checks.bad
    plan = re.findall(r"^1\.\.(\d+)$", output, re.M)
    checks.check("reached its end", plan == [str(len(found))] and status == (1 if bad else 0),
                 f"exit status {status} (None: too slow), seed {seed}; the last output was:\n{output[-800:]}")
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
