#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How guests are made from packages: the initramfs archive, kernel images, modules, the cache."""

import gzip
import lzma
import struct
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
sys.dont_write_bytecode = True
import cpio  # noqa: E402
import tap  # noqa: E402

fetch = module_from_spec(
    spec_from_loader("fetch", SourceFileLoader("fetch", str(HERE / "fetch"))))
fetch.__spec__.loader.exec_module(fetch)
IMAGE = b"MZ" + bytes(54) + b"RSC\x05" + bytes(40)


def small_tree():
    tree = cpio.Archive()
    tree.folder("dev")
    tree.char_device("dev/console", 5, 1)
    tree.file("init", b"#!/bin/sh\n", 0o755)
    tree.link("sh", "busybox")
    return tree.bytes()


class ArchiveTest(unittest.TestCase):
    def test_cpio_reads_it(self):
        listing = subprocess.run(["cpio", "-itvn", "--quiet"], input=small_tree(), check=True,
                                 capture_output=True).stdout.decode().splitlines()
        rows = [(row.split()[0], row.split()[2:4], row.split(maxsplit=7)[-1]) for row in listing]
        self.assertEqual([r[0] for r in rows],
                         ["drwxr-xr-x", "crw-------", "-rwxr-xr-x", "lrwxrwxrwx"])
        self.assertTrue(all(r[1] == ["0", "0"] for r in rows), rows)
        self.assertIn("sh -> busybox", listing[3])
        self.assertRegex(listing[1], r"\b5,\s*1\b")

    def test_it_is_the_same_each_time(self):
        self.assertEqual(small_tree(), small_tree())


class ImageTest(unittest.TestCase):
    def test_packed_kernels(self):
        packed = gzip.compress(IMAGE)
        zboot = b"MZ\0\0zimg" + struct.pack("<II", 64, len(packed)) + bytes(48) + packed + b"tail"
        for data in (IMAGE, packed, lzma.compress(IMAGE), zboot):
            self.assertEqual(fetch.plain_image(data), IMAGE)

    def test_what_is_no_kernel(self):
        for data in (b"", b"\x7fELF" + bytes(80), gzip.compress(b"text")):
            with self.assertRaisesRegex(fetch.debian.FetchError, "no RISC-V Image"):
                fetch.plain_image(data)


class ModuleTest(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.tree = Path(temp.name)
        for name, depends in (("a-top", "b_mid,c"), ("b_mid", "c"), ("c", "")):
            data = b"\x7fELF\0name=x\0depends=" + depends.encode() + b"\0"
            (self.tree / f"{name}.ko.xz").write_bytes(lzma.compress(data))

    def test_dependencies_come_first(self):
        names = [n for n, _ in fetch.module_order(self.tree, ["a-top", "c"])]
        self.assertEqual(names, ["c.ko", "b_mid.ko", "a_top.ko"])

    def test_a_missing_module_is_said(self):
        with self.assertRaisesRegex(fetch.debian.FetchError, "no module zz"):
            fetch.module_order(self.tree, ["zz"])


class CacheTest(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = Path(temp.name)
        self.made = 0
        patch = mock.patch.dict(fetch.GUESTS, {"toy": self.make_toy})
        patch.start()
        self.addCleanup(patch.stop)

    def make_toy(self, _store, _name, into, _temp):
        self.made += 1
        (into / "toy").write_text(str(self.made))
        if self.made == 2:
            raise fetch.debian.FetchError("no network")
        return []

    def toy(self, **more):
        return (fetch.ensure(["toy"], folder=self.folder, **more) / "toy/toy").read_text()

    def test_made_once_and_kept(self):
        self.assertEqual([self.toy(), self.toy()], ["1", "1"])

    def test_made_again_when_the_recipe_changes(self):
        self.toy()
        with mock.patch.object(fetch, "recipe", lambda: "another"):
            with self.assertRaises(fetch.debian.FetchError):
                self.toy()
            self.assertEqual((self.folder / "guests/toy/toy").read_text(), "1")
            self.assertEqual(self.toy(), "3")

    def test_nothing_is_left_beside_it(self):
        self.toy()
        self.assertEqual({p.name for p in self.folder.iterdir()}, {"guests", "lock"})


if __name__ == "__main__":
    tap.main()
