#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images of Debian's qemu-img read the same here, and those made here pass its check.

    qemu_test.py BUILD
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tap  # noqa: E402

MiB = 1 << 20
SIZE = 9 * MiB + 512  # no whole number of clusters
# Options of creation, by name; `-c` packs clusters.
VARIANTS = {
    "v3": "", "v2": "compat=0.10",
    "cluster 512": "cluster_size=512", "cluster 4K": "cluster_size=4k", "cluster 2M": "cluster_size=2M",
    "refcounts of 1 bit": "refcount_bits=1", "refcounts of 2 bits": "refcount_bits=2",
    "refcounts of 4 bits": "refcount_bits=4", "refcounts of 8 bits": "refcount_bits=8",
    "refcounts of 32 bits": "refcount_bits=32", "refcounts of 64 bits": "refcount_bits=64,cluster_size=512",
    "lazy refcounts": "lazy_refcounts=on",
    "subclusters": "extended_l2=on", "subclusters 16K": "extended_l2=on,cluster_size=16k",
    "metadata": "preallocation=metadata", "falloc": "preallocation=falloc", "full": "preallocation=full",
    "subclusters metadata": "extended_l2=on,preallocation=metadata",
    "packed": "-c", "packed v2": "-c compat=0.10", "packed 512": "-c cluster_size=512",
    "packed 2M": "-c cluster_size=2M", "packed zstd": "-c compression_type=zstd",
    "packed subclusters": "-c extended_l2=on,compression_type=zstd",
    "packed refcounts of 1 bit": "-c refcount_bits=1",
}


def run(*argv, good=(0,), **kw):
    for _ in range(5):
        r = subprocess.run([str(a) for a in argv], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=120, check=False, **kw)
        # qemu-img times its key derivation, and gives up where other processes have the CPU.
        if "Unable to get accurate CPU usage" not in r.stdout:
            break
    if good is not None and r.returncode not in good:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit status {r.returncode}\n{r.stdout}")
    return r


def qemu(*argv, **kw):
    return run("qemu-img", *argv, **kw)


def img(*argv, **kw):
    env = os.environ | {"BACKPLANE_PLUGIN_PATH": str(BUILD / "plugins")}
    return run(BUILD / "core/backplane", "img", *argv, env=env, **kw)


def options(text):
    packed, rest = text.startswith("-c"), text.removeprefix("-c").strip()
    return (["-c"] if packed else []) + (["-o", rest] if rest else [])


@unittest.skipUnless(shutil.which("qemu-img") and shutil.which("qemu-io"), "needs qemu-utils")
class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.raw = self.dir / "source.raw"
        self.image = self.dir / "image.qcow2"
        self.random = random.Random(self.id())
        data = bytearray(SIZE)
        for at in range(0, SIZE, 192 * 1024):  # random, text, nothing
            kind = self.random.randrange(3)
            n = min(self.random.randrange(1, 192 * 1024), SIZE - at)
            if kind == 0:
                data[at:at + n] = self.random.randbytes(n)
            elif kind == 1:
                data[at:at + n] = (b"backplane %d " % at * n)[:n]
        self.raw.write_bytes(data)
        self.data = data

    def same(self, image=None, data=None):
        """Both programs say that it is sound and read the same from it."""
        image = image or self.image
        qemu("check", "-q", "-f", "qcow2", image)
        img("check", "-q", "-f", "qcow2", image)
        for tool in (qemu, img):
            out = self.dir / "out.raw"
            tool("convert", "-f", "qcow2", "-O", "raw", image, out)
            got, want = out.read_bytes(), bytes(self.data if data is None else data)
            self.assertEqual(len(want), len(got), tool)
            if got != want:
                at = next(n for n in range(len(want)) if got[n] != want[n])
                self.fail(f"{tool.__name__} reads something else at {at}")

    def scribble(self, tool_write, image=None, count=30, size=None):
        """Writes, zeros and discards here and there, and in self.data."""
        size = size or len(self.data)
        commands = []
        for _ in range(count):
            n = self.random.choice([512, 4096, 8192, 40960, 65536, 200 * 1024]) // 512 * 512
            at = self.random.randrange(0, size - n) // 512 * 512
            what = self.random.randrange(4)
            if what < 3:
                byte = self.random.randrange(1, 256)
                commands.append(f"write -P {byte} {at} {n}")
                self.data[at:at + n] = bytes([byte]) * n
            else:
                commands.append(f"write -z{self.random.choice(['', 'u'])} {at} {n}")
                self.data[at:at + n] = bytes(n)
        tool_write(image or self.image, commands)

    def by_qemu(self, image, commands):
        run("qemu-io", "-f", "qcow2", image, *[w for c in commands for w in ("-c", c)])

    def by_us(self, image, commands):
        """Through `backplane img convert -n`: all of it again, over what is there."""
        changed = self.dir / "changed.raw"
        changed.write_bytes(self.data)
        img("convert", "-n", "-f", "raw", "-O", "qcow2", changed, image)

    def by_us_bench(self, image, at, n, byte):
        img("bench", "-q", "-f", "qcow2", "-w", "-c", 1, "-d", 1, "-s", n, "-o", at, f"--pattern={byte}",
            "--flush-interval=1", image)
        self.data[at:at + n] = bytes([byte]) * n


class FromQemu(Case):
    """Made by qemu-img, read and changed here."""


class ToQemu(Case):
    """Made here, read and changed by qemu-img."""


def add_variant(name, text):
    def from_qemu(self):
        qemu("convert", "-f", "raw", "-O", "qcow2", *options(text), self.raw, self.image)
        self.same()
        self.scribble(self.by_qemu)
        self.same()
        self.scribble(self.by_us)
        self.same()
        for _ in range(8):
            n = self.random.choice([512, 3072, 65536])
            self.by_us_bench(self.image, self.random.randrange(0, SIZE - n) // 512 * 512, n,
                             self.random.randrange(1, 256))
        self.same()

    def to_qemu(self):
        img("convert", "-f", "raw", "-O", "qcow2", *options(text), self.raw, self.image)
        self.same()
        self.scribble(self.by_us)
        self.same()
        self.scribble(self.by_qemu)
        self.same()
        mine = json.loads(img("info", "-f", "qcow2", "--output=json", self.image).stdout)
        theirs = json.loads(qemu("info", "-f", "qcow2", "--output=json", self.image).stdout)
        for key in ("virtual-size", "cluster-size", "format", "format-specific", "dirty-flag"):
            self.assertEqual(theirs[key], mine[key], key)
    setattr(FromQemu, "test_" + name.replace(" ", "_"), from_qemu)
    setattr(ToQemu, "test_" + name.replace(" ", "_"), to_qemu)


for _name, _text in VARIANTS.items():
    add_variant(_name, _text)


class Map(Case):
    def test_map(self):
        for text in ("", "compat=0.10", "extended_l2=on", "-c"):
            qemu("convert", "-f", "raw", "-O", "qcow2", *options(text), self.raw, self.image)
            self.scribble(self.by_qemu)
            mine = json.loads(img("map", "-f", "qcow2", "--output=json", self.image).stdout)
            theirs = json.loads(qemu("map", "-f", "qcow2", "--output=json", self.image).stdout)
            self.assertEqual(self.kinds(theirs), self.kinds(mine), text)

    @staticmethod
    def kinds(pieces):
        """By runs, without how they were cut."""
        out = []
        for p in pieces:
            kind = (p["depth"], p["zero"], p["data"], p.get("offset", -p["start"]) - p["start"]
                    if p["data"] and "offset" in p else None)
            if out and out[-1][0] == kind:
                out[-1][1] += p["length"]
            else:
                out.append([kind, p["length"]])
        return out

    def test_measure(self):
        for text in ("", "cluster_size=512", "refcount_bits=64", "extended_l2=on"):
            for size in (0, 512, MiB, 10 << 30):
                mine, theirs = (json.loads(tool("measure", "-O", "qcow2", *options(text), "--output=json",
                                                "--size", size).stdout) for tool in (img, qemu))
                self.assertLessEqual(abs(mine["fully-allocated"] - theirs["fully-allocated"]),
                                     theirs["fully-allocated"] // 100 + 4 * 65536, (text, size))
        out = self.dir / "m.qcow2"
        mine = json.loads(img("measure", "-f", "raw", "-O", "qcow2", "--output=json", self.raw).stdout)
        img("convert", "-f", "raw", "-O", "qcow2", self.raw, out)
        self.assertLessEqual(out.stat().st_size, mine["required"])


class Backing(Case):
    def chain(self, tool, extra=()):
        base = self.dir / "base.raw"
        base.write_bytes(self.data[:5 * MiB + 1536])  # shorter than what is in front of it
        self.data[5 * MiB + 1536:] = bytes(SIZE - 5 * MiB - 1536)
        tool("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", *extra, self.image, SIZE)
        return base

    def test_chains(self):
        for tool in (qemu, img):
            for extra in ((), ("-o", "cluster_size=512"), ("-o", "extended_l2=on"),
                          ("-o", "compat=0.10")):
                with self.subTest(tool=tool.__name__, extra=extra):
                    self.setUp()
                    self.chain(tool, extra)
                    self.same()
                    self.scribble(self.by_qemu)
                    self.same()
                    for _ in range(10):
                        n = self.random.choice([512, 3072, 65536])
                        self.by_us_bench(self.image, self.random.randrange(0, SIZE - n) // 512 * 512, n, 7)
                    self.same()

    def test_commit(self):
        base = self.chain(img)
        self.scribble(self.by_qemu)
        img("commit", "-q", "-f", "qcow2", self.image)
        self.same()
        self.assertEqual(bytes(self.data), base.read_bytes())
        mapped = json.loads(qemu("map", "-f", "qcow2", "--output=json", self.image).stdout)
        self.assertEqual([1], sorted({p["depth"] for p in mapped}))

    def test_commit_into_qcow2(self):
        middle = self.dir / "middle.qcow2"
        self.chain(img)
        img("create", "-q", "-f", "qcow2", "-b", "image.qcow2", "-F", "qcow2", middle)
        self.scribble(self.by_qemu, middle)
        self.same(middle)
        img("commit", "-q", "-f", "qcow2", middle)
        self.same(middle)
        self.same(self.image)

    def test_rebase(self):
        self.chain(img)
        self.scribble(self.by_qemu)
        other = self.dir / "other.qcow2"
        img("create", "-q", "-f", "qcow2", other, 3 * MiB)
        run("qemu-io", "-f", "qcow2", other, "-c", f"write -P 9 0 {2 * MiB}")
        img("rebase", "-f", "qcow2", "-b", "other.qcow2", "-F", "qcow2", self.image)
        self.same()
        img("rebase", "-f", "qcow2", "-b", "", self.image)
        self.same()
        os.unlink(other)
        self.same()

    def test_rebase_without_looking(self):
        base = self.chain(qemu)
        moved = self.dir / "moved.raw"
        base.rename(moved)
        img("rebase", "-u", "-f", "qcow2", "-b", "moved.raw", "-F", "raw", self.image)
        self.same()

    def test_loops(self):
        a, b = self.dir / "a.qcow2", self.dir / "b.qcow2"
        img("create", "-q", "-f", "qcow2", a, MiB)
        img("create", "-q", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", b)
        img("rebase", "-u", "-f", "qcow2", "-b", "b.qcow2", "-F", "qcow2", a)
        said = img("convert", "-f", "qcow2", "-O", "raw", b, self.dir / "x", good=(1,)).stdout
        self.assertIn("above it in the same chain", said)

    def test_format_is_never_guessed(self):
        self.chain(qemu)
        self.assertIn("never guessed", img("info", self.image, good=(1,)).stdout)
        image = self.image.read_bytes()  # the extension that says it becomes an unknown one
        self.image.write_bytes(image.replace(bytes.fromhex("e2792aca"), bytes.fromhex("11111111"), 1))
        words = ["convert", "-f", "qcow2", "-O", "raw", self.image, self.dir / "x"]
        self.assertIn("never guessed", img(*words, good=(1,)).stdout)
        img("convert", "--backing-format=raw", *words[1:])
        self.assertEqual(bytes(self.data), (self.dir / "x").read_bytes())


class Snapshots(Case):
    def story(self, tools, text):
        """The same things done by one or the other program."""
        qemu("convert", "-f", "raw", "-O", "qcow2", *options(text), self.raw, self.image)
        kept = {}
        for n, tool in enumerate(tools):
            name = f"snap{n}"
            tool("snapshot", *self.f(tool), "-c", name, self.image)
            kept[name] = bytes(self.data)
            self.same()
            self.scribble(self.by_qemu, count=8)
            self.by_us_bench(self.image, 512 * self.random.randrange(SIZE // 512 - 400), 200 * 1024, n + 1)
            self.same()
        for name, data in kept.items():
            out = self.dir / "snap.raw"
            img("convert", "-f", "qcow2", "-O", "raw", "-l", name, self.image, out)
            self.assertEqual(data, out.read_bytes(), name)
        for n, tool in enumerate(tools):
            name = f"snap{len(tools) - 1 - n}"
            tool("snapshot", *self.f(tool), "-a", name, self.image)
            self.data = bytearray(kept[name])
            self.same()
            self.scribble(self.by_qemu, count=4)
            self.same()
        for n, tool in enumerate(tools):
            tool("snapshot", *self.f(tool), "-d", f"snap{n}", self.image)
            self.same()

    @staticmethod
    def f(tool):
        return ("-f", "qcow2") if tool is img else ()

    def test_ours(self):
        self.story([img, img, img], "")

    def test_mixed(self):
        self.story([img, qemu, img, qemu], "")

    def test_v2(self):
        self.story([img, qemu], "compat=0.10,cluster_size=4k")

    def test_wide_refcounts(self):
        self.story([img, qemu], "refcount_bits=64,cluster_size=512")

    def test_subclusters(self):
        self.story([img, qemu], "extended_l2=on")

    def test_packed(self):
        self.story([img, qemu], "-c")

    def test_too_narrow(self):
        qemu("convert", "-f", "raw", "-O", "qcow2", "-o", "refcount_bits=1", self.raw, self.image)
        said = img("snapshot", "-f", "qcow2", "-c", "x", self.image, good=(1,)).stdout
        self.assertIn("cannot count one more", said)
        self.same()

    def test_list(self):
        qemu("create", "-q", "-f", "qcow2", self.image, MiB)
        img("snapshot", "-f", "qcow2", "-c", "one", self.image)
        self.assertIn("one", qemu("snapshot", "-l", self.image).stdout)
        self.assertIn("one", img("snapshot", "-f", "qcow2", "-l", self.image).stdout)


class Change(Case):
    def test_resize(self):
        for text in ("", "compat=0.10", "cluster_size=512", "extended_l2=on"):
            with self.subTest(text):
                self.setUp()
                qemu("convert", "-f", "raw", "-O", "qcow2", *options(text), self.raw, self.image)
                img("resize", "-q", "-f", "qcow2", self.image, "+20M")
                self.data += bytes(20 * MiB)
                self.same()
                said = img("resize", "-f", "qcow2", self.image, "3M", good=(1,)).stdout
                self.assertIn("--shrink", said)
                img("resize", "-q", "-f", "qcow2", "--shrink", self.image, str(3 * MiB + 512))
                del self.data[3 * MiB + 512:]
                self.same()
                img("resize", "-q", "-f", "qcow2", "--preallocation=metadata", self.image, "8M")
                self.data += bytes(8 * MiB - len(self.data))
                self.same()

    def test_resize_with_backing(self):
        base = self.dir / "base.raw"
        base.write_bytes(self.data)
        img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", self.image, 2 * MiB)
        img("resize", "-q", "-f", "qcow2", self.image, "6M")
        self.data = self.data[:2 * MiB] + bytearray(4 * MiB)
        self.same()

    def test_amend(self):
        qemu("convert", "-f", "raw", "-O", "qcow2", "-o", "compat=0.10", self.raw, self.image)
        img("amend", "-f", "qcow2", "-o", "compat=1.1,lazy_refcounts=on", self.image)
        self.same()
        facts = json.loads(qemu("info", "--output=json", self.image).stdout)["format-specific"]["data"]
        self.assertEqual(("1.1", True), (facts["compat"], facts["lazy-refcounts"]))
        img("amend", "-f", "qcow2", "-o", "compat=0.10", self.image, good=(0, 1))
        self.same()

    def test_repair(self):
        img("convert", "-f", "raw", "-O", "qcow2", self.raw, self.image)
        good = self.image.read_bytes()
        # The first refcount block stands in the third cluster: counts too large, too small, gone.
        for change, status in ((b"\0\1" * 40 + b"\0\5" * 3, 2), (b"\0\0" * 600, 2)):
            self.image.write_bytes(good[:2 * 65536] + change + good[2 * 65536 + len(change):])
            img("check", "-q", "-f", "qcow2", self.image, good=(status, 3))
            img("check", "-q", "-f", "qcow2", "-r", "all", self.image)
            self.same()
        # The refcount table leads nowhere.
        self.image.write_bytes(good[:65536] + b"\xff" * 64 + good[65536 + 64:])
        img("check", "-q", "-f", "qcow2", self.image, good=(2,))
        img("check", "-q", "-f", "qcow2", "-r", "all", self.image)
        self.same()
        # Leaks alone.
        run("qemu-io", "-f", "raw", "-c", f"write -P 0 {2 * 65536 + 700 * 2} 2", self.image)
        at = 2 * 65536 + 800 * 2
        self.image.write_bytes(good[:at] + b"\0\1" + good[at + 2:])
        img("check", "-q", "-f", "qcow2", self.image, good=(3,))
        img("check", "-q", "-f", "qcow2", "-r", "leaks", self.image)
        self.same()

    def test_dirty_is_repaired_when_opened(self):
        qemu("convert", "-f", "raw", "-O", "qcow2", "-o", "lazy_refcounts=on", self.raw, self.image)
        run("qemu-io", "-f", "qcow2", self.image, "-c", f"write -P 5 {MiB} 1M", "-c", "flush",
            "-c", "abort", good=None)
        self.data[MiB:2 * MiB] = b"\5" * MiB
        self.assertTrue(json.loads(img("info", "-f", "qcow2", "--output=json", self.image).stdout)
                        ["dirty-flag"])
        self.by_us_bench(self.image, 0, 512, 3)
        self.same()

    def test_data_file(self):
        for tool in (qemu, img):
            for raw in ("off", "on"):
                with self.subTest(tool=tool.__name__, raw=raw):
                    self.setUp()
                    data = self.dir / "data.raw"
                    tool("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw={raw}",
                         self.image, SIZE)
                    self.data = bytearray(SIZE)
                    self.scribble(self.by_us)
                    self.same()
                    self.scribble(self.by_qemu)
                    self.same()
                    if raw == "on":
                        self.assertEqual(bytes(self.data), data.read_bytes()[:SIZE])

    def test_bitmaps_stay(self):
        qemu("convert", "-f", "raw", "-O", "qcow2", self.raw, self.image)
        qemu("bitmap", "--add", "-f", "qcow2", self.image, "b0")
        qemu("bitmap", "--add", "--disable", "-f", "qcow2", self.image, "b1")
        run("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 64k", self.image)
        self.data[:65536] = b"\1" * 65536
        before = self.image.read_bytes()
        img("check", "-q", "-f", "qcow2", self.image)
        img("convert", "-f", "qcow2", "-O", "raw", self.image, self.dir / "x")
        self.assertEqual(before, self.image.read_bytes())  # looking changes nothing
        self.by_us_bench(self.image, MiB, 512, 3)
        img("check", "-q", "-f", "qcow2", self.image)
        info = json.loads(img("info", "-f", "qcow2", "--output=json", self.image).stdout)
        self.assertEqual(2, info["format-specific"]["data"]["bitmaps"])
        # The one that follows writes is not to be believed any more, the other is as good as it was.
        qemu("check", "-q", "-f", "qcow2", self.image)
        info = json.loads(qemu("info", "--output=json", "-f", "qcow2", self.image).stdout)
        listed = {b["name"]: b["flags"] for b in info["format-specific"]["data"]["bitmaps"]}
        self.assertEqual({"b0": ["in-use", "auto"], "b1": []}, listed)
        # Bitmaps of another length are none.
        img("resize", "-q", "-f", "qcow2", self.image, "20M")
        self.assertEqual(0, int.from_bytes(self.image.read_bytes()[88:96], "big") & 1)
        qemu("check", "-q", "-f", "qcow2", self.image, good=(0, 3))

    def test_compare_and_dd(self):
        img("convert", "-f", "raw", "-O", "qcow2", self.raw, self.image)
        img("compare", "-q", "-f", "raw", "-F", "qcow2", self.raw, self.image)
        img("dd", "-f", "qcow2", "-O", "raw", f"if={self.image}", f"of={self.dir / 'd.raw'}", "bs=64k",
            "skip=3", "count=20")
        self.assertEqual(bytes(self.data[3 * 65536:23 * 65536]), (self.dir / "d.raw").read_bytes())
        self.by_us_bench(self.image, 5 * MiB, 512, 3)
        said = img("compare", "-f", "raw", "-F", "qcow2", self.raw, self.image, good=(1,)).stdout
        self.assertIn(f"mismatch at offset {5 * MiB}", said)

    def test_locks(self):
        img("convert", "-f", "raw", "-O", "qcow2", self.raw, self.image)
        with subprocess.Popen(["qemu-io", "-f", "qcow2", str(self.image)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as p:
            p.stdin.write("read 0 512\n")
            p.stdin.flush()
            p.stdout.readline()
            for words in (["check"], ["bench", "-w", "-c", "1"]):
                said = img(*words, "-f", "qcow2", self.image, good=(1,)).stdout
                self.assertIn("another process has it open", said)
            img("info", "-U", "-f", "qcow2", self.image)
            p.stdin.close()
            p.wait(timeout=20)


class Encrypted(Case):
    """LUKS: both programs open with the secret what the other one made."""

    SECRET = ["--object", "secret,id=s,data=two words"]

    def opts(self, image):
        return [*self.SECRET, "--image-opts", f"driver=qcow2,file.filename={image},encrypt.key-secret=s"]

    def agrees(self):
        for tool in (qemu, img):
            out = self.dir / "out.raw"
            tool("convert", *self.opts(self.image), "-O", "raw", out)
            self.assertEqual(bytes(self.data), out.read_bytes(), tool.__name__)
        qemu("check", "-q", *self.opts(self.image))
        img("check", "-q", "-f", "qcow2", self.image)

    def test_variants(self):
        cbc = "encrypt.cipher-mode=cbc"
        for more in ("", "encrypt.cipher-alg=aes-128", f"{cbc},encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256",
                     f"{cbc},encrypt.ivgen-alg=plain,encrypt.cipher-alg=cast5-128,cluster_size=512",
                     "encrypt.cipher-alg=serpent-256,encrypt.hash-alg=sha512,compat=0.10",
                     "encrypt.cipher-alg=twofish-256,encrypt.hash-alg=sha1,extended_l2=on",
                     "encrypt.cipher-mode=ecb,preallocation=metadata"):
            for tool in (qemu, img):
                with self.subTest(more=more, tool=tool.__name__):
                    self.image.unlink(missing_ok=True)
                    # qemu-img guesses how long to stretch, and on a busy host gives up at times.
                    for _ in range(5):
                        r = tool("convert", *self.SECRET, "-f", "raw", "-O", "qcow2", "-o",
                                 f"encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=50,{more}".rstrip(","),
                                 self.raw, self.image, good=None)
                        if r.returncode == 0:
                            break
                    else:
                        self.assertIs(tool, qemu, r.stdout)
                        self.assertIn("CPU usage", r.stdout)
                        continue
                    self.agrees()

    def test_written_in_place(self):
        qemu("create", "-q", *self.SECRET, "-f", "qcow2", "-o",
             "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=500", self.image, SIZE)
        img("bench", "-q", "-w", "-c", "40", "-d", "4", "-s", "5000", "-S", "131000", "--pattern=7",
            *self.opts(self.image))
        self.data = bytearray(SIZE)
        for n in range(40):
            at = n * 131000 % SIZE
            at = 0 if at > SIZE - 5000 else at
            self.data[at:at + 5000] = b"\7" * 5000
        self.agrees()
        self.assertNotIn(b"\7" * 512, self.image.read_bytes())

    def test_secrets(self):
        key = self.dir / "key"
        key.write_bytes(b"two words")
        img("create", "-q", "-f", "qcow2", "--object", f"secret,id=k,file={key}", "-o",
            "encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=50", self.image, "1M")
        img("compare", "-q", *self.opts(self.image), f"driver=qcow2,file.filename={self.image},encrypt.key-secret=s")
        info = json.loads(img("info", "-f", "qcow2", "--output=json", self.image).stdout)
        self.assertEqual("luks", info["format-specific"]["data"]["encrypt.format"])
        for words, said in ((["-f", "qcow2", self.image], "its secret is not given"),
                            (["--object", "secret,id=s,data=other", *self.opts(self.image)[2:]], "opens none"),
                            (self.opts(self.image)[2:], "there is no --object secret,id=s")):
            r = img("convert", *words, "-O", "raw", self.dir / "x", good=(1, 2))
            self.assertIn(said, r.stdout)

    def test_hostile_header(self):
        img("create", "-q", "-f", "qcow2", *self.SECRET, "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=1", self.image, "1M")
        good = self.image.read_bytes()
        luks = good.index(b"LUKS\xba\xbe")
        places = [*range(0, 8), 8, 40, 43, 72, *range(108, 112), 132, *range(164, 168), *range(208, 216),
                  *range(248, 256)]
        for at in places:
            for byte in (0, 0x7f, 0xff):
                self.image.write_bytes(good[:luks + at] + bytes([byte]) + good[luks + at + 1:])
                r = img("convert", *self.opts(self.image), "-O", "raw", self.dir / "x", good=(0, 1))
                self.assertTrue(r.stdout or r.returncode == 0)


class Hostile(Case):
    """Damaged headers give a sentence."""

    def test_every_header_field(self):
        img("convert", "-f", "raw", "-O", "qcow2", self.raw, self.image)
        img("snapshot", "-f", "qcow2", "-c", "one", self.image)
        good = self.image.read_bytes()
        for at in range(0, 112):
            for byte in (0, 0x7f, 0xff):
                self.image.write_bytes(good[:at] + bytes([byte]) + good[at + 1:])
                for words in (["info"], ["check"], ["convert", "-O", "raw"]):
                    out = [self.dir / "x"] if words[0] == "convert" else []
                    if words[0] == "convert" and 24 <= at < 32:
                        continue  # a huge disk is no fault
                    r = img(*words, "-f", "qcow2", self.image, *out, good=None)
                    self.assertIn(r.returncode, (0, 1, 2, 3), (at, byte, words, r.stdout))
                    self.assertTrue(r.stdout or r.returncode == 0 or words[0] != "info")

    def test_short(self):
        img("convert", "-f", "raw", "-O", "qcow2", self.raw, self.image)
        good = self.image.read_bytes()
        for n in (0, 1, 71, 72, 104, 511, 65536, 2 * 65536, 3 * 65536, 4 * 65536 + 8):
            self.image.write_bytes(good[:n])
            for words in (["info"], ["check"]):
                r = img(*words, "-f", "qcow2", self.image, good=None)
                self.assertIn(r.returncode, (0, 1, 2, 3), (n, words, r.stdout))


if __name__ == "__main__":
    del sys.argv[1:]
    tap.main()
