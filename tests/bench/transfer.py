# SPDX-License-Identifier: MIT
"""Disks and networks of a guest: fio and iperf3 of Debian trixie in it, the same files and cache mode and
asynchronous I/O on both sides. A figure is data by wall-clock time and by CPU time of the emulator."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import boot
import cpio
import debian
import emulator
import measure
import network
from measure import BenchError

HERE = Path(__file__).resolve().parent
SUITE = ("trixie", "riscv64")
PROGRAMS = ("usr/bin/fio", "usr/bin/iperf3")
GUESTS = ("opensbi-trixie", "linux", "initrd")
QEMU_ARGS = "-no-reboot -nic none"
SUFFIX = {"raw": 0, "qcow2": 1}  # the disks' sizes differ by so many MiB, and so the guest tells them
# name: rw, block size, depth
JOBS = {f"{rw}-{size}-qd{depth}": (rw, size, depth) for size, depth in (("4k", 1), ("4k", 32), ("1M", 4))
        for rw in ("read", "write", "randread", "randwrite") if size == "4k" or "rand" not in rw}
MIB = 2**20
FIO_GLOBAL = """\
[global]
ioengine=libaio
direct=1
thread=1
time_based=1
norandommap=1
runtime={seconds}
"""
FIO_JOB = """
[{disk}-{name}]
stonewall
filename=${{{disk}}}
rw={rw}
bs={size}
iodepth={depth}
exec_prerun=mark J begin {disk}-{name}
exec_postrun=mark J end {disk}-{name}
"""
RUN_DISKS = """\
export {disks}
fio --eta=never --output-format=terse --terse-version=3 --output=/tmp/said /transfer/jobs && cat /tmp/said
"""
MARK = '#!/bin/sh\necho "$*" >/dev/console\n'
IPERF = "-i 0 -f k --forceflush"
MARKS = ("[  5] local", "TESTED", "TRANSFER-")
RUN_USER = """\
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
for way in "" -R; do
	iperf3 -c 10.0.2.2 -p {port} -t {args.seconds} {iperf} $way && echo TESTED
done
"""
RUN_SERVER = """\
ifconfig eth0 10.9.0.1 netmask 255.255.255.0 up
iperf3 -s -1 {iperf} && echo TESTED
"""
RUN_CLIENT = """\
ifconfig eth0 10.9.0.2 netmask 255.255.255.0 up
until iperf3 -c 10.9.0.1 -t {args.seconds} {iperf}; do sleep 1; done
echo TESTED
"""


def needed(tree, programs):
    """The programs' libraries, by name, out of an unpacked tree."""
    libraries = {p.name: p for p in tree.rglob("*.so*")}
    found, todo = {}, [tree / p for p in programs]
    while todo:
        said = subprocess.check_output(["readelf", "-d", todo.pop()], text=True)
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", said):
            if name not in libraries:
                raise BenchError(f"no package that fio and iperf3 depend on has the library {name}")
            if name not in found:
                found[name] = libraries[name]
                todo.append(libraries[name])
    return found


def packages(store):
    """fio, iperf3 and all that they depend on, from the cache or from Debian."""
    folder = store.folder / "packages" / f"{'-'.join(SUITE)}-transfer"
    if not folder.is_dir():
        print("fetching fio and iperf3", flush=True)
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store.folder) as temp:
            debs = store.suite(*SUITE).download_all([Path(p).name for p in PROGRAMS], temp)
            new = Path(temp) / "new"
            new.mkdir()
            for deb in debs:
                deb.rename(new / deb.name)
            new.rename(folder)
    return sorted(folder.glob("*.deb"))


def programs(store):
    """An archive of fio, iperf3 and their libraries, and of what is common to all runs."""
    tree = cpio.Archive()
    for folder in ("lib", "transfer"):
        tree.folder(folder)
    with tempfile.TemporaryDirectory(dir=store.folder) as temp:
        for deb in packages(store):
            subprocess.run(["dpkg-deb", "--extract", deb, temp], check=True)
        for name in PROGRAMS:
            tree.file(f"transfer/{Path(name).name}", (Path(temp) / name).read_bytes(), 0o755)
        for name, path in needed(Path(temp), PROGRAMS).items():
            tree.file(f"lib/{name}", path.read_bytes(), 0o755)
    tree.file("transfer/init", (HERE / "transfer.init").read_bytes(), 0o755)
    tree.file("transfer/mark", MARK.encode(), 0o755)
    return tree.bytes()


class Guest:
    """What all boots share."""

    def __init__(self, args):
        fetch = boot.fetch_module()
        self.folder = args.build / "bench"
        self.folder.mkdir(exist_ok=True)
        self.guests = fetch.ensure(GUESTS)
        store = fetch.Store(fetch.cache_folder())
        with fetch.alone(store.folder):
            self.programs = programs(store)
            self.iperf = host_iperf(store, self.folder / "iperf3")

    def machine(self, name, run, **more):
        """A machine whose guest does `run`, a shell's words; `name` is its archive's."""
        tree = cpio.Archive()
        tree.file("transfer/run", run.encode())
        for file, text in more.pop("files", {}).items():
            tree.file(file, text.encode())
        path = self.folder / f"{name}.cpio"
        # The packed archive comes last: those before it end where the next may begin.
        path.write_bytes(self.programs + tree.bytes() + (self.guests / "initrd/initrd.cpio.gz").read_bytes())
        return emulator.Machine(self.guests / GUESTS[0] / "fw_dynamic.bin", self.guests / "linux/Image",
                                path, "console=ttyS0 quiet rdinit=/transfer/init", **more)


def host_iperf(store, into):
    """iperf3 for this machine, as an argument vector: what is installed, or Debian's package."""
    if shutil.which("iperf3"):
        return ["iperf3"]
    suite = debian.codename(Path("/"))
    into.mkdir(exist_ok=True)
    for package in ("iperf3", "libiperf0", "libsctp1"):
        store.unpack((suite, "host", package), into, ["*"])
    library = next(into.rglob("libiperf.so.0")).parent
    return ["env", f"LD_LIBRARY_PATH={library}", into / "usr/bin/iperf3"]


def windows(run, begin, end):
    """(begin, end) of each pair of marks."""
    begins, ends = run.find(begin), run.find(end)
    if len(begins) != len(ends) or not begins or "TRANSFER-FAULT" in run.output:
        raise BenchError(f"expected as many lines `{end}` as `{begin}`, found {len(ends)} and "
                         f"{len(begins)}; the last output was:\n{run.output[-1500:]}")
    return list(zip(begins, ends))


class Figures:
    """By wall-clock time and by CPU time."""

    def __init__(self, emulators):
        self.emulators = emulators
        self.wall, self.cpu = (measure.Samples(emulators.names) for _ in range(2))

    def add(self, row, name, amount, wall, cpu):
        self.wall.add(row, name, amount / wall)
        self.cpu.add(row, name, amount / cpu)

    def show(self, what, unit):
        self.emulators.table(f"{what}, {unit} a second (a ratio above 1: faster than QEMU)",
                             self.wall, "", 1)
        self.emulators.table(f"{what}, {unit} a second of CPU time", self.cpu, "", 1)
        both = measure.Samples(self.emulators.names)
        both.rows = {**{f"{r}, wall": v for r, v in self.wall.rows.items()},
                     **{f"{r}, CPU": v for r, v in self.cpu.rows.items()}}
        return both


def make_images(args, guest, folder):
    """Both disks, every byte of them written once."""
    images, block = {}, os.urandom(MIB)
    for kind in args.formats.split(","):
        mib = args.mib + SUFFIX[kind]
        images[kind] = folder / f"disk.{kind}"
        raw = folder / "fill"
        with open(raw, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, mib * MIB)
            for n in range(mib):
                f.write(n.to_bytes(8, "little") + block[8:])
            f.flush()
            os.fsync(f.fileno())
        if kind == "raw":
            raw.rename(images[kind])
            continue
        env = {**os.environ, "BACKPLANE_PLUGIN_PATH": str(args.build.resolve() / "plugins")}
        subprocess.run([args.build.resolve() / "core/backplane", "img", "convert", "-f", "raw", "-O", kind,
                        raw, images[kind]], env=env, check=True)
        raw.unlink()
    os.sync()
    return images


def fio_kib(line):
    """(job, KiB moved, seconds by the guest's clock) of a line of terse output, version 3."""
    part = line.split(";")
    if part[4] != "0":
        raise BenchError(f"fio reports error {part[4]}: {line[:200]}")
    read, write = (int(part[5]), int(part[8])), (int(part[46]), int(part[49]))
    kib, ms = max(read, write)
    return part[2], kib, ms / 1e3


def disks(args, emulators):
    """fio's jobs on a raw and a qcow2 disk."""
    guest, figures = Guest(args), Figures(emulators)
    jobs = {n: j for n, j in JOBS.items() if not args.words or any(re.search(w, n) for w in args.words)}
    if not jobs:
        raise BenchError(f"no job matches {' or '.join(args.words)}; there are {', '.join(JOBS)}")
    with tempfile.TemporaryDirectory(dir=args.images or guest.folder) as temp:
        images = make_images(args, guest, Path(temp))
        text = FIO_GLOBAL.format(seconds=args.seconds) + "".join(
            FIO_JOB.format(disk=kind, name=name, rw=rw, size=size, depth=depth)
            for kind in images for name, (rw, size, depth) in jobs.items())
        run = RUN_DISKS.format(disks=" ".join(f"{k}=$(disk {args.mib + SUFFIX[k]})" for k in images))
        machine = guest.machine("disks", run, files={"transfer/jobs": text})
        for _ in range(args.runs):
            for name in emulators.names:
                aio = args.qemu_aio if name == "qemu" else args.aio
                machine.drives = [(path, f"{kind},cache={args.cache},aio={aio}")
                                  for kind, path in images.items()]
                done = measure.run(emulators.argv(name, machine), ("J ", "3;fio"))
                moved = {job: kib for job, kib, _ in map(fio_kib, (m.text for m in done.find("3;fio")))}
                for begin, end in windows(done, "J begin ", "J end "):
                    job = begin.text.removeprefix("J begin ")
                    figures.add(job, name, moved[job] / 1024, end.wall - begin.wall, end.cpu - begin.cpu)
    return figures.show(f"fio, cache={args.cache}, aio={args.aio}, QEMU's {args.qemu_aio}", "MiB")


@contextmanager
def server(guest, port):
    """iperf3 on the host's loopback."""
    with subprocess.Popen([*guest.iperf, "-s", "-B", "127.0.0.1", "-p", str(port)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def iperf_windows(run, row, rows):
    """The figures of the tests in a guest's output: row -> (MiB, wall, cpu)."""
    pairs = windows(run, "[  5] local", "TESTED")
    rates = re.findall(r"^\[  5\] +0\.00-([\d.]+) +sec +.* ([\d.]+) Kbits/sec +receiver", run.output.replace(
        "\r", ""), re.M)
    if len(rates) != len(pairs) or len(rows) != len(pairs):
        raise BenchError(f"expected {len(rows)} results of iperf3, found {len(rates)}; the last output was:\n"
                         f"{run.output[-1500:]}")
    for name, (begin, end), (seconds, kbit) in zip(rows, pairs, rates):
        mib = float(kbit) * 1000 / 8 * float(seconds) / MIB
        row(name, mib, float(seconds), end.cpu - begin.cpu)


def unix_wire(folder):
    """Both ends of a wire between two machines, as values of --net: the listener's first."""
    path = folder / "wire"
    path.unlink(missing_ok=True)
    return f"unix:{path}", f"unix:{path},connect=true"


def run_pair(emulators, name, guest, args, folder):
    """One guest sends to another; returns MiB, seconds and CPU seconds of both emulators."""
    words = {"pair-server": RUN_SERVER.format(iperf=IPERF),
             "pair-client": RUN_CLIENT.format(args=args, iperf=IPERF)}
    wires = unix_wire(folder)
    machines = [guest.machine(file, text, net=[wire],
                              mac=f"52:54:00:12:34:{n:02}")
                for n, ((file, text), wire) in enumerate(zip(words.items(), wires))]
    results, errors = {}, []

    def play(n):
        try:
            done = measure.run(emulators.argv(name, machines[n]), MARKS, seconds=args.seconds + 300)
            iperf_windows(done, lambda row, *figures: results.update({n: figures}), ["pair"])
        except (BenchError, OSError) as e:
            errors.append(e)

    threads = [threading.Thread(target=play, args=(n,)) for n in range(2)]
    threads[0].start()
    end = time.monotonic() + 60
    while not (folder / "wire").exists() and time.monotonic() < end and not errors:
        time.sleep(0.05)
    threads[1].start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    (mib, seconds, cpu), (_, _, other) = results[0], results[1]
    return mib, seconds, cpu + other


def networks(args, emulators):
    """iperf3 through the user-mode network to the host's loopback, and between two guests."""
    guest, figures, port = Guest(args), Figures(emulators), network.free_port()
    user = guest.machine("net-user", RUN_USER.format(args=args, port=port, iperf=IPERF), net=["user"])
    rows = ("user, guest to host", "user, host to guest")
    with tempfile.TemporaryDirectory() as temp, server(guest, port):
        for _ in range(args.runs):
            for name in emulators.names:
                done = measure.run(emulators.argv(name, user), MARKS, seconds=2 * args.seconds + 300)
                iperf_windows(done, lambda row, *f, name=name: figures.add(row, name, *f), rows)
            for name in emulators.names:
                figures.add("unix socket, guest to guest", name,
                            *run_pair(emulators, name, guest, args, Path(temp)))
    return figures.show("iperf3, TCP", "MiB")


def add_arguments(parser, do):
    parser.set_defaults(qemu_args=QEMU_ARGS)
    parser.add_argument("--seconds", type=int, default=4, help="of each test (default 4)")
    if do is disks:
        parser.add_argument("--mib", type=int, default=1024, help="of each disk (default 1024)")
        parser.add_argument("--cache", default="writeback", help="mode of both sides (default writeback)")
        parser.add_argument("--aio", default="auto", help="Backplane's (default auto)")
        parser.add_argument("--qemu-aio", default="io_uring", help="QEMU's (default io_uring)")
        parser.add_argument("--formats", default="raw,qcow2", help="of the disks (default raw,qcow2)")
        parser.add_argument("--images", metavar="FOLDER", help="for the disks; default: the build's")
        parser.add_argument("words", nargs="*", metavar="REGEX",
                            help="jobs: " + ", ".join(JOBS) + "; default: all")
