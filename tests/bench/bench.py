#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Backplane beside Debian's QEMU, run in turns, by CPU time (see README.md here).

bench.py start                 --version, the first guest instruction, the way to userspace
bench.py kernels [WORD...]     kernels inside Linux against the same C code on the host
bench.py user [WORD...]        kernels as programs of their own, under `backplane user` and qemu-riscv64
bench.py translate             a guest that runs distinct code once, less an empty run
bench.py mmio                  an access to a device from executed code
bench.py scaling [WORD...]     copies of a kernel at once, on as many CPUs, against one: wall-clock time
bench.py disks [REGEX...]      fio in the guest on a raw and a qcow2 disk
bench.py networks              iperf3 in the guest through the user-mode network and between two guests
"""
import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "boot"), str(HERE.parent / "guests")]
import bare  # noqa: E402
import boot  # noqa: E402
import cpio  # noqa: E402
import debian  # noqa: E402
import emulator  # noqa: E402
import measure  # noqa: E402
import transfer  # noqa: E402
from measure import BenchError  # noqa: E402

GROUPS = ("int", "mem", "flt", "vecs", "vecv", "sys")
USER_GROUPS = ("int", "mem", "flt")
# The sets after the first; run where asked for (see README.md).
MORE_GROUPS = tuple(f"{kind}{n}" for n in range(2, 6) for kind in ("int", "mem", "flt", "sys"))
SCALING = ("crc", "qsort", "stream", "nbody")
HOST_SCALE = 4  # the host is faster by so much
GUESTS = ("opensbi-bookworm", "linux")
# One CPU, as the tests' QEMU but on one thread and without a network.
QEMU_ARGS = "-no-reboot -nic none -accel tcg,thread=single"
CFLAGS = ("-O2 -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wno-sign-compare -static -ffp-contract=off "
          "-fno-strict-aliasing").split()
SCALAR = ["-fno-tree-vectorize"]
PLAIN_LOOPS = [*SCALAR, "-fno-tree-loop-distribute-patterns"]  # no calls of memcpy in their place
OBJECTS = {  # a source, and how it is compiled beside CFLAGS
    "main": ("main.c", SCALAR), "system": ("system.c", SCALAR), "int": ("int.c", SCALAR), "codec": ("codec.c", SCALAR),
    "mem": ("mem.c", PLAIN_LOOPS),
    "flt": ("flt.c", SCALAR), "sys": ("sys.c", SCALAR), "vecs": ("vec.c", SCALAR),
    "vecv": ("vec.c", ["-O3", "-ftree-vectorize", "-DVECTORISED"]),
    "int2": ("int2.c", SCALAR), "flt2": ("flt2.c", SCALAR), "sys2": ("sys2.c", SCALAR),
    "mem2": ("mem2.c", PLAIN_LOOPS),
    "int3": ("int3.c", SCALAR), "text3": ("text3.c", SCALAR),
    "flt3": ("flt3.c", SCALAR), "signal3": ("signal3.c", SCALAR), "sys3": ("sys3.c", SCALAR),
    "mem3": ("mem3.c", PLAIN_LOOPS),
    "int4": ("int4.c", SCALAR), "text4": ("text4.c", SCALAR),
    "flt4": ("flt4.c", SCALAR), "picture4": ("picture4.c", SCALAR), "sys4": ("sys4.c", SCALAR),
    "mem4": ("mem4.c", PLAIN_LOOPS),
    "int5": ("int5.c", SCALAR), "text5": ("text5.c", SCALAR), "code5": ("code5.c", SCALAR),
    "flt5": ("flt5.c", SCALAR), "scene5": ("scene5.c", SCALAR), "sys5": ("sys5.c", SCALAR),
    "mem5": ("mem5.c", PLAIN_LOOPS),
    "table5": ("table5.c", PLAIN_LOOPS),
}


class Emulators:
    """The columns: Backplane with each set of arguments, then QEMU."""

    def __init__(self, args):
        self.build = args.build.resolve()
        self.extra = {("backplane " + a).strip(): shlex.split(a) for a in args.backplane_args or [""]}
        self.qemu = shlex.split(args.qemu_args)
        self.names = list(self.extra)
        if shutil.which("qemu-system-riscv64") and not args.no_qemu:
            self.names.append("qemu")
        elif not args.no_qemu:
            print("qemu-system-riscv64 is not installed (Debian package qemu-system-misc)")

    def version(self, name):
        return (["qemu-system-riscv64"] if name == "qemu" else [self.build / "core/backplane"]) + \
            ["--version"]

    def argv(self, name, machine):
        if name == "qemu":
            return emulator.qemu(machine, self.build) + self.qemu
        return emulator.backplane(machine, self.build) + self.extra[name]

    def table(self, title, samples, unit, scale):
        """Medians, and each Backplane's ratio to QEMU."""
        ours = self.names[:-1] if self.names[-1] == "qemu" else []
        rows = [[f"{row}, {unit}" if unit else row]
                + [scale * samples.median(row, n) for n in self.names]
                + [samples.ratio(row, n, "qemu") for n in ours] for row in samples.rows]
        measure.print_table(title, ["", *self.names, *(n + "/qemu" for n in ours)], rows)


def image(args, name, data):
    path = args.build / "bench" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def compile_kernels(args, name, compiler, flags=()):
    """The kernels as one static program."""
    folder = args.build / "bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    objects = [folder / f"{o}.o" for o in OBJECTS]
    commands = [[compiler, *CFLAGS, *options, *flags, "-c", HERE / "kernels" / source, "-o", o]
                for o, (source, options) in zip(objects, OBJECTS.values())]
    for command in [*commands, [compiler, "-static", *objects, "-lm", "-o", folder / "bench"]]:
        if subprocess.run(command).returncode:
            raise BenchError(f"the kernels cannot be built for {name}: see above")
    return folder / "bench"


def linux(args):
    """A machine whose userspace is the kernels."""
    guests = boot.fetch_module().ensure(GUESTS)
    program = compile_kernels(args, "riscv64", "riscv64-linux-gnu-gcc", shlex.split(args.guest_flags))
    tree = cpio.Archive()
    tree.folder("dev")
    tree.char_device("dev/console", 5, 1)
    tree.file("init", program.read_bytes(), 0o755)
    return emulator.Machine(guests / GUESTS[0] / "fw_dynamic.bin", guests / "linux/Image",
                            image(args, "initrd.cpio", tree.bytes()))


def boot_linux(emulators, name, machine, words):
    machine.append = f"console=ttyS0 earlycon=sbi bench={words}"
    run = measure.run(emulators.argv(name, machine), ("USERSPACE-UP", "BENCH-", "R "))
    run.one("BENCH-DONE")
    return run


def start(args, emulators):
    samples = measure.Samples(emulators.names)
    first = emulator.Machine(image(args, "first.bin", bare.first_instruction()), memory="128M")
    for _ in range(args.runs):
        for name in emulators.names:
            samples.add("--version", name, measure.run(emulators.version(name)).cpu)
            samples.add("first instruction", name, measure.run(emulators.argv(name, first)).cpu)
    emulators.table(f"CPU time, median of {args.runs} runs", samples, "ms", 1e3)
    memory = measure.Samples(emulators.names)
    machine = linux(args) if args.boots else None
    for _ in range(args.boots):
        for name in emulators.names:
            up = boot_linux(emulators, name, machine, "").one("USERSPACE-UP")
            memory.add("CPU to userspace, s", name, up.cpu)
            memory.add("resident there, MiB", name, up.rss_mib)
    if args.boots:
        emulators.table(f"Linux on 512 MiB, median of {args.boots} boots", memory, "", 1)
    samples.rows.update(memory.rows)
    return samples


def results(run, add):
    """Hands each kernel of a guest's run to add(name, group, CPU seconds since the one before, sum)."""
    last = run.one("BENCH-START").cpu
    for mark in run.find("R "):
        _, kernel, group, _, checksum = mark.text.split()
        add(kernel, group, mark.cpu - last, checksum)
        last = mark.cpu


def run_native(program, words):
    """The CPU seconds that kernels report on the host, of three runs the middle, and checksums."""
    seconds, checksums = {}, {}
    for _ in range(3):
        for mark in measure.run([program, *words], ("R ",)).marks:
            _, kernel, _, cpu, checksums[kernel] = mark.text.split()
            seconds.setdefault(kernel, []).append(float(cpu))
    return {k: (statistics.median(s), checksums[k]) for k, s in seconds.items()}


def kernels(args, emulators):
    machine, program = linux(args), compile_kernels(args, "host", "gcc")
    samples, group_of, wrong = measure.Samples(["host", *emulators.names]), {}, set()
    for _ in range(args.runs):
        for word in args.words or GROUPS:
            native = run_native(program, [str(args.scale), *word.split(",")])
            for kernel, (seconds, _) in native.items():
                samples.add(kernel, "host", seconds)
            for name in emulators.names:
                def add(kernel, group, seconds, checksum, name=name, native=native):
                    group_of[kernel] = group
                    samples.add(kernel, name, seconds)
                    if native[kernel][1] != checksum:
                        wrong.add(f"{name}: {kernel}: {checksum}, not {native[kernel][1]}")
                results(boot_linux(emulators, name, machine, f"{args.scale},{word}"), add)
    print_kernels(args, emulators, samples, group_of)
    if wrong:
        raise BenchError("other checksums than on the host:\n" + "\n".join(sorted(wrong)))
    return samples


def print_kernels(args, emulators, samples, group_of):
    """Slow-downs against the host, and against QEMU where it ran."""
    names = emulators.names
    pairs = [(n, "host") for n in names] + [(n, "qemu") for n in names[:-1] if "qemu" in names]
    rows, ratios = [], {}
    for kernel, group in group_of.items():
        row = [samples.ratio(kernel, a, b) for a, b in pairs]
        rows.append([f"{kernel} ({group})", 1e3 * samples.median(kernel, "host"), *row])
        ratios.setdefault(group, []).append(row)
    for group, table in ratios.items():
        rows.append([f"= {group}, geometric mean", "", *map(measure.geometric_mean, zip(*table))])
    measure.print_table(f"CPU time against the host's (against QEMU's), median of {args.runs} turns",
                        ["", "host ms", *names, *(f"{a}/{b}" for a, b in pairs[len(names):])], rows)


def user(args, emulators):
    """Kernels in processes of their own: all of a process counts, its start and translation too."""
    program = compile_kernels(args, "riscv64", "riscv64-linux-gnu-gcc", shlex.split(args.guest_flags))
    native = compile_kernels(args, "host", "gcc")
    ours = [args.build.resolve() / "core/backplane", "user", "--plugin-path",
            args.build.resolve() / "plugins"]
    commands = {name: [*ours, *extra, program] for name, extra in emulators.extra.items()}
    if not args.no_qemu:
        guest = boot.fetch_module().ensure(["qemu-user-bookworm"]) / "qemu-user-bookworm"
        commands["qemu"] = [args.qemu_user or guest / "qemu-riscv64", program]
    emulators.names = list(commands)
    commands["host"] = [native]
    samples, group_of, wrong = measure.Samples(["host", *emulators.names]), {}, []
    names = [mark.text.split()[1:3] for mark in
             measure.run([native, "1", *(args.words or USER_GROUPS)], ("R ",)).marks]
    for _ in range(args.runs):
        for kernel, group in names:
            group_of[kernel], sums = group, {}
            for name, command in commands.items():
                run = measure.run([*command, args.scale, kernel], ("R ",))
                samples.add(kernel, name, run.cpu)
                sums[name] = run.one("R ").text.split()[-1]
            wrong += [f"{name}: {kernel}: {s}, not {sums['host']}" for name, s in sums.items()
                      if s != sums["host"]]
    print_kernels(args, emulators, samples, group_of)
    if wrong:
        raise BenchError("other checksums than on the host:\n" + "\n".join(sorted(set(wrong))))
    return samples


def translate(args, emulators):
    size = int(args.mib * 2**20)
    machines = {empty: emulator.Machine(
        image(args, "empty.bin" if empty else "once.bin", bare.once(size, empty=empty)),
        memory="128M") for empty in (True, False)}
    samples, sums = measure.Samples(emulators.names), {True: set(), False: set()}
    for _ in range(args.runs):
        for name in emulators.names:
            cpu = {}
            for empty, machine in machines.items():
                run = measure.run(emulators.argv(name, machine))
                cpu[empty] = run.cpu
                sums[empty].add(run.output)
            samples.add("empty run", name, cpu[True])
            samples.add("distinct code", name, cpu[False] - cpu[True])
    emulators.table(f"CPU time of {args.mib:g} MiB of code run once, median of {args.runs} runs",
                    samples, "ms", 1e3)
    if any(len(s) != 1 for s in sums.values()):
        raise BenchError(f"the guests ended with different sums: {sums}")
    return samples


def mmio(args, emulators):
    """Nanoseconds of an access to a device, less what stands in its place in a loop without."""
    count = args.accesses * 1000000
    machines = {kind: emulator.Machine(image(args, f"{kind}.bin", bare.accesses(kind, count)), memory="128M")
                for kind in bare.ACCESSES}
    samples = measure.Samples(emulators.names)
    for _ in range(args.runs):
        for name in emulators.names:
            cpu = {kind: measure.run(emulators.argv(name, m)).cpu for kind, m in machines.items()}
            for kind in ("store", "load"):
                samples.add(kind, name, (cpu[kind] - cpu["none"]) / count)
    emulators.table(f"CPU time of an access to the UART's scratch register, median of {args.runs} runs",
                    samples, "ns", 1e9)
    return samples


def copies_of(run, add):
    """Hands each kernel of a run to add(name, copies, seconds of wall-clock time, checksum)."""
    starts = {tuple(m.text.split()[1:3]): m.wall for m in run.find("S ")}
    for mark in run.find("C "):
        _, kernel, copies, checksum, *different = mark.text.split()
        add(kernel, int(copies), mark.wall - starts[kernel, copies], " ".join([checksum, *different]))


def scaling(args, emulators):
    """Throughput of all copies over that of one, on the host too: that is what the machine has to give."""
    machine, program = linux(args), compile_kernels(args, "host", "gcc")
    machine.cpus = args.copies
    words = [f"copies={args.copies}", *(args.words or SCALING)]
    samples, sums = measure.Samples(["host", *emulators.names]), {}
    for _ in range(args.runs):
        for name in samples.columns:
            took = {}
            def add(kernel, copies, seconds, checksum, took=took):
                took[kernel, copies] = seconds
                sums.setdefault(kernel, set()).add(checksum)
            if name == "host":
                scale = str(args.scale * HOST_SCALE)
                run = measure.run([program, scale, *words], ("S ", "C "))
                copies_of(run, lambda k, n, s, c: add(k, n, s, "host"))
            else:
                machine.append = f"console=ttyS0 earlycon=sbi bench={args.scale},{','.join(words)}"
                argv = emulators.argv(name, machine)
                run = measure.run([a.replace("thread=single", "thread=multi") if name == "qemu" else a
                                   for a in map(str, argv)], ("USERSPACE-UP", "BENCH-", "S ", "C "))
                run.one("BENCH-DONE")
                copies_of(run, add)
            for kernel, n in took:
                if n == 1 and (kernel, args.copies) in took:
                    samples.add(kernel, name, args.copies * took[kernel, 1] / took[kernel, args.copies])
    rows = [[k, *(samples.median(k, n) for n in samples.columns)] for k in samples.rows]
    rows.append(["= geometric mean", *map(measure.geometric_mean, zip(*(r[1:] for r in rows)))])
    measure.print_table(f"Throughput of {args.copies} copies on {args.copies} CPUs over one, wall-clock, "
                        f"median of {args.runs} turns; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
                        ["", *samples.columns], rows)
    wrong = [f"{k}: {sorted(s - {'host'})}" for k, s in sums.items() if len(s - {"host"}) > 1]
    if wrong:
        raise BenchError("copies ended with different checksums:\n" + "\n".join(wrong))
    return samples


def main():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--build", type=Path, default=HERE.parent.parent / "build")
    common.add_argument("--backplane-args", action="append", metavar="ARGS",
                        help="for `backplane run`, e.g. '--engine interp'; each one is a column")
    common.add_argument("--qemu-args", default=QEMU_ARGS, metavar="ARGS", help=f"now {QEMU_ARGS}")
    common.add_argument("--no-qemu", action="store_true", help="Backplane alone")
    common.add_argument("--guest-flags", default="", metavar="FLAGS",
                        help="more compiler flags for the guest's kernels")
    common.add_argument("--json", type=Path, metavar="FILE", help="every figure of every turn")
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for do, runs in ((start, 15), (kernels, 3), (user, 3), (translate, 5), (mmio, 5), (scaling, 3),
                     (transfer.disks, 3), (transfer.networks, 3)):
        sub = commands.add_parser(do.__name__, parents=[common])
        sub.set_defaults(do=do)
        sub.add_argument("--runs", type=int, default=runs, help=f"turns (default {runs})")
        if do is start:
            sub.add_argument("--boots", type=int, default=3, help="boots of Linux (default 3)")
        elif do is kernels:
            sub.add_argument("--scale", type=int, default=1, help="units of work of each kernel")
            sub.add_argument("words", nargs="*", metavar="WORD", help="kernels or groups ("
                             + " ".join(GROUPS + MORE_GROUPS)
                             + f"), joined by commas if of one boot; default: {' '.join(GROUPS)}")
        elif do is mmio:
            sub.add_argument("--accesses", type=int, default=20, metavar="MILLIONS", help="default 20")
        elif do is user:
            sub.add_argument("--scale", type=int, default=10, help="units of work (default 10)")
            sub.add_argument("--qemu-user", metavar="PROGRAM",
                             help="the peer; default: bookworm's qemu-riscv64")
            sub.add_argument("words", nargs="*", metavar="WORD",
                             help=f"kernels or groups; default: {' '.join(USER_GROUPS)}")
        elif do is scaling:
            sub.add_argument("--copies", type=int, default=4, help="and CPUs (default 4)")
            sub.add_argument("--scale", type=int, default=10, help="units of work of each kernel")
            sub.add_argument("words", nargs="*", metavar="WORD",
                             help=f"kernels or groups; default: {' '.join(SCALING)}")
        elif do in (transfer.disks, transfer.networks):
            transfer.add_arguments(sub, do)
        else:
            sub.add_argument("--mib", type=float, default=16, help="of code (default 16)")
    args = parser.parse_args()
    try:
        samples = args.do(args, Emulators(args))
        if args.json:
            measure.write_json(args.json, samples)
    except (BenchError, OSError, subprocess.SubprocessError, debian.FetchError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
