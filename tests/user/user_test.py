#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Own programs under `backplane user`: static and dynamic, on native code and on the interpreter; files
that are no programs; scripts.

    user_test.py --build BUILD      all checks, as TAP
"""

import argparse
import itertools
import os
import random
import resource
import shutil
import signal
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

    def compile(self, name, *flags, host=False):
        out = self.folder / (name + ("-static" if "-static" in flags else "-dynamic") +
                             ("-host" if host else ""))
        subprocess.run(["gcc" if host else COMPILER, "-O1", "-w", "-pthread", *flags, HERE / f"{name}.c", "-o", out],
                       check=True)
        return out

    def narrow(self, name="narrow", host=False):
        """For riscv32, without a library: there is none. Or for the host's own 32 bits."""
        out = self.folder / (name + "-host" * host)
        compiler = ["gcc", "-m32"] if host else [COMPILER, "-march=rv32imac", "-mabi=ilp32", "-Wl,--no-relax"]
        subprocess.run([*compiler, "-O1", "-ffreestanding", "-fno-stack-protector", "-nostdlib", "-static",
                        "-no-pie", HERE / f"{name}.c", "-o", out], check=True)
        return out

    def run(self, program, *args, options=(), timeout=120, env=None, cwd=None, **more):
        return subprocess.run([*self.command, "--sysroot", SYSROOT, *options, program, *args],
                              capture_output=True, timeout=timeout, cwd=cwd or self.folder,
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


def as_on_the_host(c, name, done, program):
    native = subprocess.run([program], capture_output=True, timeout=60)
    differ = [f"{a} <> {b}" for a, b in itertools.zip_longest(
        done.stdout.splitlines(), native.stdout.splitlines()) if a != b]
    c.check(f"{name}: as on the host", not differ, "\n".join(differ[:10]))


def host_runs_narrow():
    """Whether its kernel does, and the compiler makes some."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "a.c", Path(folder) / "a"
        source.write_text('void _start(void) { __asm__("int $0x80" : : "a"(1), "b"(0)); }')
        made = subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", source, "-o", out],
                              capture_output=True)
        try:
            return made.returncode == 0 and subprocess.run([out], timeout=20).returncode == 0
        except OSError:
            return False


def programs(c, r):
    for engine in ("jit", "interp"):
        for link in (["-static"], []):
            what = f"{engine} {'static' if link else 'dynamic'}"
            done = r.run(r.compile("basic", *link), options=["--engine", engine])
            checks_of_program(c, "basic " + what, done)
        done = r.run(r.compile("forks", "-static"), options=["--engine", engine])
        checks_of_program(c, "forks " + engine, done)
    done = r.run(r.compile("basic", "-static"), options=["--confine"])
    checks_of_program(c, "basic --confine", done)
    done = r.run(r.compile("rseq", "-static"), env={"GLIBC_TUNABLES": "glibc.pthread.rseq=0"})
    checks_of_program(c, "rseq", done)
    for options in ([], ["--engine", "interp"], ["--confine"]):
        done = r.run(r.narrow(), "word", options=options, env={"TOLD": "x"})
        checks_of_program(c, "32 bits" + "".join(" " + o for o in options), done)
    for name in ("wild", "hostile"):
        done = r.run(r.compile(name, "-static"), timeout=300)
        checks_of_program(c, name, done)
    for name in ("calls", "odd"):
        done = r.run(r.compile(name))
        checks_of_program(c, name, done)
        as_on_the_host(c, name, done, r.compile(name, host=True))
    done = r.run(r.narrow("cut"))
    checks_of_program(c, "cut", done)
    if host_runs_narrow():
        as_on_the_host(c, "cut", done, r.narrow("cut", host=True))
    else:
        c.check("cut: as on the host # SKIP no 32-bit programs here", True)


def flags(c, r):
    """Forks with flags. Not under the sanitizers, whose own allocator a fork does not mend."""
    for engine in ("jit", "interp"):
        # One heap: threads of the emulator are all the more often in one another's way.
        done = r.run(r.compile("forks", "-static"), "flags", options=["--engine", engine],
                     env={"MALLOC_ARENA_MAX": "1"})
        checks_of_program(c, "forks " + engine, done)


def storms(c, r, seconds):
    """200 threads, signals between them, futexes; another storm beside it would starve both."""
    done = r.run(r.compile("threads", "-static"), str(seconds), timeout=seconds + 120)
    c.check(f"200 threads, {seconds} s", done.stdout == b"good\n" and done.returncode == 0,
            explain(done))


def cores(c, r):
    """gdb reads the core of a crash, and sees all threads."""
    program = r.compile("crash", "-g")

    def dumps():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background ignores it

    allow = {"preexec_fn": dumps}
    folder = r.folder / "cores"
    folder.mkdir()
    for what, word, number in (("a fault", "fault", signal.SIGSEGV),
                               ("abort", "abort", signal.SIGABRT),
                               ("a signal from outside", "kill", signal.SIGQUIT)):
        done = r.run(program, word, cwd=folder, **allow)
        found = sorted(folder.glob("*core*"))
        c.check(f"core: {what}", done.returncode == -number and len(found) == 1, explain(done))
        if not found:
            continue
        read = subprocess.run(
            ["gdb-multiarch", "-batch", "-nx", "-ex", f"set sysroot {SYSROOT}", "-ex", "bt", "-ex",
             "print told", "-ex", "print $fs0", "-ex", "thread apply all bt", "-ex", "info auxv",
             "-ex", "info proc mappings", program, found[0]], capture_output=True, timeout=120,
            text=True) if shutil.which("gdb-multiarch") else None
        if read is None:
            c.check(f"core: gdb, {what} # SKIP no gdb-multiarch", True)
        else:
            wants = ("in fall (depth=", "in main", f'$1 = "{word}', "waits (", "AT_ENTRY",
                     "libc.so.6", "double = 1.5", f"Core was generated by `{program} {word}'")
            missing = [w for w in wants if w not in read.stdout]
            c.check(f"core: gdb, {what}", not missing, f"{missing}\n{read.stdout}\n{read.stderr}")
        found[0].unlink()
    done = r.run(program, "fault", cwd=folder, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CORE, (0, 0)))
    c.check("core: none", done.returncode == -signal.SIGSEGV and not list(folder.iterdir()),
            explain(done))
    done = r.run(program, "fault", cwd=folder, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CORE, (65536, 65536)))
    sizes = [p.stat().st_size for p in folder.iterdir()]
    c.check("core: cut at the limit", sizes == [65536], f"{sizes}")


def chroot(c, r):
    """The static program alone in a tree without /proc, also after the guest's exec."""
    static = r.command[0].parent.parent / "plugins/backplane-user"
    if not static.exists() or os.getuid() != 0:
        c.check("chroot # SKIP no backplane-user, or not root", True)
        return
    root = r.folder / "root"
    (root / "lib").mkdir(parents=True)
    for name in ("ld-linux-riscv64-lp64d.so.1", "libc.so.6"):
        shutil.copy(f"{SYSROOT}/lib/{name}", root / "lib")
    for program in (static, r.compile("again"), r.compile("tell")):
        shutil.copy(program, root / program.name)
    done = subprocess.run(["chroot", root, "/backplane-user", "/again-dynamic", "/tell-dynamic", "x"],
                          capture_output=True, timeout=60, env={"TOLD": "this", "PATH": os.environ["PATH"]})
    c.check("chroot", done.returncode == 7 and done.stdout.decode() ==
            "/again-dynamic /backplane-user /lib /tell-dynamic \n"
            "/tell-dynamic\nx\nthis\n/tell-dynamic\n", explain(done))


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
    # The byte order of a header says how the rest of it is read: here a big-endian program.
    for data, machine, says in ((2, 243, b"elf64-big-243"), (2, 21, b"elf64-big-21"),
                                (1, 21, b"elf64-little-21"), (3, 243, b"no program")):
        other = r.folder / "other-end"
        order = "big" if data == 2 else "little"
        other.write_bytes(b"\x7fELF\2" + bytes((data, 1)) + bytes(9) +
                          b"".join(n.to_bytes(2, order) for n in (2, machine)) + bytes(44))
        other.chmod(0o755)
        done = r.run(other)
        c.check(f"refused: byte order {data}, machine {machine}",
                done.returncode == 1 and says in done.stderr, explain(done))
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
    narrow = r.narrow().read_bytes()
    cases += [mutate(narrow, rng) for _ in range(MUTATIONS // 3)]
    cases += [narrow[:n] for n in (20, 51, 52, 80, 200, len(narrow) // 2)]
    for i, data in enumerate(cases):
        path = r.folder / "damaged"
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(0o755)
        try:
            # A session of its own: some send signals to their group.
            done = r.run(path, options=["--trace", "sys"], timeout=20, start_new_session=True)
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
    parser.add_argument("--storm", type=int, default=60, metavar="SECONDS",
                        help="how long 200 threads trouble each other (default 60)")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of: starting damaged programs "
                        "flags cores chroot storms; default: all")
    args = parser.parse_args()
    c = tap.Checks()
    with tempfile.TemporaryDirectory() as folder:
        r = Runner(args.build.resolve(), Path(folder))
        for part in (starting, damaged, programs, flags, cores, chroot, storms):
            if not args.parts or part.__name__ in args.parts:
                part(c, r, *([args.storm] if part is storms else []))
    sys.exit(c.finish())


if __name__ == "__main__":
    main()
