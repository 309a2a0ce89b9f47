#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The virt board as a whole: its device tree beside that of Debian's QEMU, what it refuses, and small
programs that print, end the machine, and are left by a key."""
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

ROOT = HERE.parent.parent
BUILD = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else ROOT / "build").resolve()
RAM = 0x80000000


def run(*args, bits=64, stdin=b"", machine=None):
    board = "riscv-virt" if bits == 64 else "riscv32-virt"
    command = [BUILD / "core/backplane", "run", machine or ROOT / f"machines/{board}.toml",
               "--plugin-path", BUILD / "plugins", *args]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)


def elf(code, at=RAM, bits=64, machine=243, size=None, entry=None, second=None):
    """An executable of one segment, or two: (address, bytes)."""
    word, head, each = ("Q", 64, 56) if bits == 64 else ("I", 52, 32)
    segments = [(at, code)] + ([second] if second else [])
    offset = head + each * len(segments)
    table = body = b""
    for address, data in segments:
        where = offset + len(body)
        fields = (where, address, address, len(data), size or len(data))
        table += struct.pack("<IIQQQQQQ", 1, 7, *fields, 4096) if bits == 64 else \
            struct.pack("<IIIIIIII", 1, *fields, 7, 4096)
        body += data
    return struct.pack(f"<16sHHI{word}{word}{word}IHHHHHH",
                       b"\x7fELF" + bytes([bits // 32, 1, 1]), 2, machine, 1,
                       at if entry is None else entry, head, 0, 0, head, each, len(segments),
                       0, 0, 0) + table + body


def words(*values):
    return struct.pack(f"<{len(values)}I", *values)


SPIN = words(0x0000006f)                                # j .
FAIL5 = words(0x001002b7, 0x00053337, 0x33330313, 0x0062a023, 0x0000006f)  # 0x53333 -> 0x100000
PRINT_A = words(0x100002b7, 0x04100313, 0x00628023)     # 'A' -> 0x10000000
AWAIT = words(0x100002b7, 0x0052c303, 0x00137313, 0xfe030ce3, 0x0002c303)  # a byte from 0x10000000
RESET = words(0x001002b7, 0x00007337, 0x77730313, 0x0062a023, 0x0000006f)  # 0x7777 -> 0x100000
PASS = words(0x001002b7, 0x00005337, 0x55530313, 0x0062a023, 0x0000006f)   # 0x5555 -> 0x100000


def tree(blob):
    """{path: {property: bytes}} of a flattened device tree (Devicetree Specification v0.4, 5)."""
    magic, _, at, strings = struct.unpack_from(">4I", blob)
    assert magic == 0xd00dfeed
    path, nodes = [], {}
    while True:
        token, = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            end = blob.index(b"\0", at)
            path.append(blob[at:end].decode())
            at = end + 4 & ~3
            nodes["/".join(path) or "/"] = {}
        elif token == 2:
            path.pop()
        elif token == 3:
            length, name = struct.unpack_from(">2I", blob, at)
            end = blob.index(b"\0", strings + name)
            nodes["/".join(path) or "/"][blob[strings + name:end].decode()] = \
                blob[at + 8:at + 8 + length]
            at = at + 8 + length + 3 & ~3
        elif token == 9:
            return nodes


def cells(value):
    return list(struct.unpack(f">{len(value) // 4}I", value))


def strings(value):
    return value.decode().rstrip("\0").split("\0")


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name, data):
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def dump(self, *args, **more):
        out = self.folder / "out.dtb"
        r = run("--set", f"boot.dumpdtb={out}", *args, **more)
        self.assertEqual((r.returncode, r.stdout, r.stderr), (0, b"", b""))
        return out.read_bytes()


class Tree(Folder):
    def test_dtc_accepts_it(self):
        for bits in (32, 64):
            path = self.file("t.dtb", self.dump("--cpus", "3", bits=bits))
            r = subprocess.run(["dtc", "-I", "dtb", "-O", "dts", path], capture_output=True,
                               text=True, check=False)
            self.assertEqual(r.returncode, 0, r.stderr)
            left = [line for line in r.stderr.splitlines() if "Missing #address-cells in interrupt"
                    not in line]
            self.assertEqual(left, [])

    def described(self, nodes):
        """What drivers look at, in a form without phandles: {unit address: facts}."""
        who = {cells(p["phandle"])[0]: path for path, p in nodes.items() if "phandle" in p}
        facts = {}
        for path, p in nodes.items():
            if "reg" not in p or "compatible" not in p:
                continue
            fact = {"compatible": strings(p["compatible"])[0], "reg": cells(p["reg"])}
            if "/cpus/" not in path:
                fact["reg"] = [c for i, c in enumerate(fact["reg"]) if i % 4 < 2]
            if "interrupts" in p:
                fact["interrupts"] = cells(p["interrupts"])
                fact["parent"] = strings(nodes[who[cells(p["interrupt-parent"])[0]]]
                                         ["compatible"])[0]
            if "interrupts-extended" in p:
                c = cells(p["interrupts-extended"])
                fact["wires"] = [(who[c[i]].split("/")[2], c[i + 1]) for i in range(0, len(c), 2)]
            for name in ("riscv,ndev", "clock-frequency", "bank-width", "device_type",
                         "#interrupt-cells", "ranges", "bus-range", "interrupt-map-mask",
                         "dma-coherent", "linux,pci-domain"):
                if name in p:
                    fact[name] = p[name]
            if "interrupt-map" in p:  # unit address, pin, phandle, input
                c = cells(p["interrupt-map"])
                fact["map"] = [(c[i], c[i + 3], c[i + 5]) for i in range(0, len(c), 6)]
            facts[path.split("@")[1] + (" cpu" if "/cpus/" in path else "")] = fact
        return facts

    def test_it_says_what_the_other_emulator_says(self):
        if not shutil.which("qemu-system-riscv64"):
            self.skipTest("qemu-system-riscv64 is not installed")
        theirs = self.folder / "theirs.dtb"
        subprocess.run(["qemu-system-riscv64", "-M", f"virt,dumpdtb={theirs}", "-smp", "4", "-m",
                        "128M"], capture_output=True, check=True)
        theirs = tree(theirs.read_bytes())
        ours = tree(self.dump("--cpus", "4"))
        want, have = self.described(theirs), self.described(ours)
        for address in ("10100000", "4000000"):  # fw_cfg: not on this board
            want.pop(address, None)
        self.assertIn(cells(want["c000000"].pop("riscv,ndev"))[0], (95, 96))  # 7.2 counts source 0
        self.assertEqual(cells(have["c000000"].pop("riscv,ndev")), [95])
        self.maxDiff = None
        self.assertEqual(have, want)
        for path, name in (("/cpus", "timebase-frequency"), ("/", "compatible"),
                           ("/memory@80000000", "reg"),
                           ("/memory@80000000", "device_type"), ("/poweroff", "value"),
                           ("/poweroff", "offset"), ("/poweroff", "compatible"),
                           ("/reboot", "value"), ("/reboot", "compatible"), ("/soc", "ranges")):
            self.assertEqual(ours[path][name], theirs[path][name], f"{path} {name}")
        self.assertEqual(ours["/chosen"]["stdout-path"], b"/soc/serial@10000000\0")
        self.assertEqual(len(ours["/chosen"]["rng-seed"]), 32)
        for hart in range(4):
            core = ours[f"/cpus/cpu-map/cluster0/core{hart}"]["cpu"]
            self.assertEqual(core, ours[f"/cpus/cpu@{hart}"]["phandle"])

    def test_initrd_and_memory(self):
        initrd = self.file("initrd", b"i" * 5000)
        chosen = tree(self.dump("--memory", "64M", "--initrd", initrd))["/chosen"]
        start, = struct.unpack(">Q", chosen["linux,initrd-start"])
        end, = struct.unpack(">Q", chosen["linux,initrd-end"])
        self.assertEqual(end - start, 5000)
        self.assertEqual(start % 4096, 0)
        self.assertLess(end, RAM + (64 << 20))

    def test_a_tree_of_the_users(self):
        first = self.file("own.dtb", self.dump())
        again = tree(self.dump("--dtb", first, "--append", "from=me"))
        self.assertEqual(again["/chosen"]["bootargs"], b"from=me\0")
        self.assertIn("/soc/serial@10000000", again)

    def test_aclint(self):
        machine = self.file("aclint.toml", f"""
include = ["{ROOT}/machines/riscv-virt.toml"]
remove = ["clint"]
cpu.time = "mtimer"
mswi = {{ type = "riscv,aclint-mswi", at = 0x200_0000, msip = "cpu.*:msip" }}
sswi = {{ type = "riscv,aclint-sswi", at = 0x2f0_0000, ssip = "cpu.*:ssip" }}
[mtimer]
type = "riscv,aclint-mtimer"
at = {{ mtime = 0x200_bff8, mtimecmp = 0x200_4000 }}
mtip = "cpu.*:mtip"
""".encode())
        nodes = tree(self.dump("--cpus", "2", machine=machine))
        # Firmware takes the first window for mtime.
        self.assertEqual(cells(nodes["/soc/mtimer@200bff8"]["reg"]),
                         [0, 0x200bff8, 0, 8, 0, 0x2004000, 0, 8 * 4095])
        self.assertEqual(cells(nodes["/cpus"]["timebase-frequency"]), [10000000])
        for name, irq in (("mswi@2000000", 3), ("sswi@2f00000", 1), ("mtimer@200bff8", 7)):
            wires = cells(nodes["/soc/" + name]["interrupts-extended"])
            self.assertEqual(wires[1::2], [irq, irq])
        self.assertEqual(cells(nodes["/soc/mswi@2000000"]["#interrupt-cells"]), [0])

    def test_many_harts(self):
        nodes = tree(self.dump("--cpus", "64"))
        self.assertEqual(len([p for p in nodes if p.startswith("/cpus/cpu@") and p.count("/") == 2]),
                         64)


class Refusals(Folder):
    def refuse(self, wanted, *args, **more):
        r = run(*args, **more)
        lines = r.stderr.decode().splitlines()
        self.assertEqual((r.returncode, r.stdout), (1, b""), r.stderr)
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(wanted, lines[0])

    def test_nothing_to_run(self):
        self.refuse("--firmware names what runs first")
        self.refuse("--firmware names one", "--kernel", self.file("k", b"\x13" * 64))

    def test_files_that_are_not_there(self):
        self.refuse("/no/such/file: No such file", "--firmware", "/no/such/file")
        self.refuse("file of at most 4 GiB", "--firmware", self.folder)
        self.refuse("file of at most 4 GiB", "--firmware", "/dev/zero")
        self.refuse("it is empty", "--firmware", self.file("empty", b""))

    def test_programs(self):
        """As firmware, as a kernel behind firmware, and as a kernel alone."""
        firmware = self.file("firmware", elf(SPIN))
        at = RAM + (2 << 20)
        good = elf(SPIN, at=at)
        for data, wanted in ((good[:40], "cut off"), (good[:100], "truncated"),
                             (good[:-1], "truncated"), (b"", "it is empty"),
                             (elf(SPIN, bits=32, at=at), "class 1; 64 bits"),
                             (elf(SPIN, machine=62, at=at), "machine 62"),
                             (elf(SPIN, at=0x1000), "do not fit the memory"),
                             (elf(SPIN, at=RAM + (128 << 20) - 2), "do not fit the memory"),
                             (elf(SPIN, size=1 << 40, at=at), "do not fit the memory"),
                             (elf(SPIN, entry=0x90000000, at=at), "entry 0x90000000"),
                             (elf(SPIN, at=at, second=(at, SPIN)), "overlap"),
                             (b"\x1f\x8b\x08" + bytes(20), "packed (gzip)")):
            path = self.file("program.elf", data)
            for words_ in (("--firmware", path), ("--firmware", firmware, "--kernel", path),
                           ("--kernel", path), ("--firmware", "none", "--kernel", path)):
                self.refuse(wanted, *words_)
                self.refuse("program.elf", *words_)
        self.refuse("class 2; 32 bits", "--firmware", self.file("f", good), bits=32)
        self.refuse("class 2; 32 bits", "--kernel", self.file("f", good), bits=32)

    def test_segments_in_the_way(self):
        """A program where the device tree or the initial file system has to be."""
        top = self.file("top", elf(SPIN, at=RAM + (126 << 20)))
        low = self.file("low", elf(SPIN))
        self.refuse("no room for a device tree", "--firmware", top)
        self.refuse("no room for a device tree", "--firmware", low, "--kernel", top)
        below = self.file("below", elf(SPIN, at=RAM + (124 << 20)))
        self.refuse("has no room for it", "--firmware", below, "--initrd",
                    self.file("initrd", bytes(100)))

    def test_initrd(self):
        firmware = self.file("firmware", elf(SPIN))
        for path, wanted in ((self.file("empty", b""), "it is empty"),
                             ("/no/such/file", "No such file"), (self.folder, "at most 4 GiB"),
                             ("/dev/zero", "at most 4 GiB")):
            self.refuse(wanted, "--firmware", firmware, "--initrd", path)

    def test_tree_cut_anywhere(self):
        firmware = self.file("firmware", elf(SPIN))
        whole = self.dump()
        for n in (0, 3, 4, 39, 40, 56, 100, len(whole) // 2, len(whole) - 1):
            self.refuse("is no flattened device tree", "--firmware", firmware, "--dtb",
                        self.file("cut.dtb", whole[:n]))

    def test_kernel_initrd_and_tree(self):
        firmware = self.file("firmware", elf(SPIN))
        self.refuse("overlaps the firmware", "--firmware", firmware, "--kernel",
                    self.file("kernel", elf(SPIN)))
        big = self.file("big", b"")
        with open(big, "r+b") as f:
            f.truncate(100 << 20)
        self.refuse("do not fit the memory", "--firmware", firmware, "--memory", "64M",
                    "--kernel", big)
        self.refuse("has no room for it", "--firmware", firmware, "--memory", "64M",
                    "--initrd", big)
        self.refuse("is no flattened device tree", "--firmware", firmware, "--dtb",
                    self.file("dtb", b"\xd0\x0d\xfe\xed" + b"\xff" * 100))
        self.refuse("no room for a device tree", "--firmware", firmware, "--memory", "64K")
        self.refuse("dumpdtb: /no/such/folder/t", "--set", "boot.dumpdtb=/no/such/folder/t")

    def test_interrupts_that_are_not_there(self):
        firmware = self.file("firmware", elf(SPIN))
        for n in (0, 96):
            self.refuse(f"plic has 95 inputs irq, numbered from 1", "--firmware", firmware,
                        "--set", f"uart0.irq=plic:{n}")


class Programs(Folder):
    def test_output_and_power_off(self):
        for bits in (32, 64):
            r = run("--firmware", self.file("p", elf(PRINT_A + PASS, bits=bits)), bits=bits)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (0, b"A", b""))

    def test_serial_lines(self):
        program = self.file("p", elf(PRINT_A + PASS))
        for line, wanted in (("stdio", b"A"), ("null", b""), (f"file:{self.folder}/out", b"")):
            r = run("--serial", line, "--firmware", program)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (0, wanted, b""))
        self.assertEqual((self.folder / "out").read_bytes(), b"A")

    def test_exit_code(self):
        program = self.file("p", elf(FAIL5))
        self.assertEqual(run("--kernel", program).returncode, 5)
        self.assertEqual(run("--firmware", "none", "--kernel", program).returncode, 5)
        self.assertEqual(run("--firmware", self.file("raw", FAIL5)).returncode, 5)

    def test_reset(self):
        """Each reset loads the file again; one that has changed ends the run with a sentence."""
        program = self.file("p", PRINT_A + AWAIT + RESET)
        command = [BUILD / "core/backplane", "run", ROOT / "machines/riscv-virt.toml",
                   "--plugin-path", BUILD / "plugins", "--firmware", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, bufsize=0) as p:
            for reset in range(3):
                self.assertEqual(p.stdout.read(1), b"A")
                if reset == 2:
                    program.write_bytes(SPIN)
                p.stdin.write(b"x")
            self.assertEqual(p.wait(60), 1)
            self.assertRegex(p.stderr.read().decode(),
                             rf"firmware: {program} has changed since the machine was started")

    def test_ctrl_a_x(self):
        r = run("--firmware", self.file("p", elf(SPIN)), stdin=b"\x01x")
        self.assertEqual((r.returncode, r.stdout), (0, b""))

    def test_commands(self):
        r = run("--firmware", self.file("p", elf(SPIN)), stdin=b"\x01cinfo\nquit\n")
        self.assertEqual((r.returncode, r.stdout), (0, b""))
        self.assertIn(b"(backplane) ", r.stderr)
        self.assertIn(b"running", r.stderr)


if __name__ == "__main__":
    tap.main()
