#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""debian.py against a small archive of our own, signed with a throw-away key: what is intact is
fetched, whatever has been touched is not."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import debian  # noqa: E402
import tap  # noqa: E402

ARCH = "riscv64"
STABLE = "VERSION_CODENAME=stone\n"


def quiet(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, **more)


class Archive:
    """An archive, and the root of a machine whose apt is configured to use it."""

    def __init__(self, top):
        self.top = top
        self.home = Path(tempfile.mkdtemp(prefix="bp-gpg-"))  # gpg's sockets want a short path
        self.repo = top / "debian"
        self.root = top / "root"
        self.keyring = self.root / "usr/share/keyrings/debian-archive-keyring.gpg"
        self.keyring.parent.mkdir(parents=True)
        self.make_key("archive@example.org")
        self.keyring.write_bytes(self.gpg("--export", "archive@example.org").stdout)
        self.deb = self.make_package("guest", "Depends: guest-9.1 (= 1.0)\n")
        self.make_package("guest-9.1", "")
        self.index = self.repo / f"dists/quarry/main/binary-{ARCH}/Packages"
        self.release = self.repo / "dists/quarry/InRelease"
        self.write_index()
        self.sign("archive@example.org")
        (self.root / "etc/apt/sources.list.d").mkdir(parents=True)
        (self.root / "etc/os-release").write_text(STABLE)
        self.write_source(f"deb [signed-by={self.keyring} trusted=yes] file:{self.repo} "
                          "stone main\n")

    def close(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)  # the agent takes its sockets along

    def gpg(self, *argv, **more):
        return quiet("gpg", "--batch", "--yes", "--homedir", self.home, "--passphrase", "",
                     "--pinentry-mode", "loopback", *argv, **more)

    def make_key(self, name):
        self.gpg("--quick-generate-key", name, "rsa3072", "sign", "never")

    def make_package(self, name, fields):
        tree = self.top / "tree" / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1.0\nArchitecture: {ARCH}\nMaintainer: Nobody <n@x>\n"
            f"{fields}Description: a test\n")
        pool = self.repo / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        deb = pool / f"{name}_1.0_{ARCH}.deb"
        quiet("dpkg-deb", "--root-owner-group", "-b", tree, deb)
        return deb

    def write_index(self):
        stanzas = []
        for deb in sorted((self.repo / "pool").glob("*.deb")):
            data = deb.read_bytes()
            control = quiet("dpkg-deb", "-f", deb, text=True).stdout
            stanzas.append(f"{control}Filename: pool/{deb.name}\nSize: {len(data)}\n"
                           f"SHA256: {hashlib.sha256(data).hexdigest()}\n")
        self.index.parent.mkdir(parents=True)
        self.index.write_text("\n".join(stanzas))

    def sign(self, key):
        data = self.index.read_bytes()
        text = ("Origin: Debian\nSuite: quarry\nCodename: quarry\n"
                "Date: Sat, 01 Nov 2025 00:00:00 UTC\n"
                f"Architectures: {ARCH}\nComponents: main\nSHA256:\n"
                f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-{ARCH}/Packages\n")
        self.release.write_bytes(
            self.gpg("-u", key, "--clearsign", "--digest-algo", "SHA512",
                     input=text.encode()).stdout)

    def write_source(self, text, name="sources.list"):
        (self.root / "etc/apt" / name).write_text(text)


class FetchTest(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.top = Path(temp.name)
        os.environ.pop("BACKPLANE_DEBIAN_MIRROR", None)
        self.archive = Archive(self.top)
        self.addCleanup(self.archive.close)
        self.suite = debian.Suite(self.top / "cache", "quarry", ARCH, self.archive.root)
        self.out = self.top / "out"

    def stops(self, *patterns):
        """The fetch fails, says why, and leaves nothing that looks fetched."""
        with self.assertRaises(debian.FetchError) as caught:
            self.suite.download("guest", self.out)
        for pattern in patterns:
            self.assertRegex(str(caught.exception), pattern)
        self.assertEqual(list(self.out.glob("*")) if self.out.exists() else [], [])

    def test_an_intact_package_is_fetched(self):
        deb = self.suite.download("guest", self.out)
        self.assertEqual(deb.read_bytes(), self.archive.deb.read_bytes())
        self.assertEqual(self.suite.follow("guest", r"guest-\d.*"), "guest-9.1")
        with self.assertRaisesRegex(debian.FetchError, "expected a package that matches"):
            self.suite.follow("guest", "image-.*")

    def test_a_tampered_index_stops_it(self):
        text = self.archive.index.read_text()
        self.archive.index.write_text(text.replace("Version: 1.0", "Version: 6.6", 1))
        self.stops("apt-get update", "Hash Sum mismatch")

    def test_a_tampered_release_stops_a_later_update_too(self):
        self.suite.update()
        self.suite.ready = False
        self.tamper_with_release()
        self.stops("apt-get update", "(?i)signature")

    def tamper_with_release(self):
        text = self.archive.release.read_text()
        self.archive.release.write_text(text.replace("2025", "2026", 1))

    def test_a_tampered_release_stops_it(self):
        self.tamper_with_release()
        self.stops("apt-get update", "not signed")

    def test_a_stranger_s_signature_stops_it(self):
        self.archive.make_key("stranger@example.org")
        self.archive.sign("stranger@example.org")
        self.stops("apt-get update", "not signed", "debian-archive-keyring")

    def test_an_unsigned_archive_stops_it(self):
        release = self.archive.release
        plain = release.read_text().split("\n\n", 1)[1].split("-----BEGIN", 1)[0]
        release.unlink()
        (release.parent / "Release").write_text(plain)
        self.stops("apt-get update", "not signed")

    def test_a_package_with_another_sum_stops_it(self):
        data = bytearray(self.archive.deb.read_bytes())
        data[-1] ^= 1
        self.archive.deb.write_bytes(data)
        self.stops("apt-get download guest", "Hash Sum mismatch")

    def test_a_truncated_package_stops_it(self):
        self.archive.deb.write_bytes(self.archive.deb.read_bytes()[:-8])
        self.stops("apt-get download guest", "Hash Sum mismatch|unexpected size")

    def test_without_keys_nothing_is_trusted(self):
        self.archive.keyring.unlink()
        self.stops("install the package debian-archive-keyring")

    def test_without_a_debian_source_a_sentence_says_so(self):
        self.archive.write_source("deb http://example.org/tools any main\n")
        self.stops("BACKPLANE_DEBIAN_MIRROR")

    def test_a_mirror_can_be_named(self):
        self.archive.write_source("")
        os.environ["BACKPLANE_DEBIAN_MIRROR"] = f"file:{self.archive.repo}"
        self.assertTrue(self.suite.download("guest", self.out).is_file())


class SourceTest(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.root = Path(temp.name)
        (self.root / "etc/apt/sources.list.d").mkdir(parents=True)
        (self.root / "etc/os-release").write_text(STABLE)
        os.environ.pop("BACKPLANE_DEBIAN_MIRROR", None)

    def configure(self, name, text):
        (self.root / "etc/apt" / name).write_text(text)

    def chosen(self):
        source = debian.choose_source(self.root, "quarry")
        self.assertEqual((source.suites, source.components), (["quarry"], ["main"]))
        return source.uris

    def test_deb822(self):
        self.configure("sources.list.d/debian.sources",
                       "# Types: deb\nTypes: deb deb-src\n# a remark\nURIs: http://a/debian\n"
                       "Suites: stone stone-updates\nComponents: main contrib\n"
                       "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
                       "Types: deb\nURIs: http://a/debian-security\nSuites: stone-security\n"
                       "Components: main\n")
        self.assertEqual(self.chosen(), ["http://a/debian"])

    def test_one_line(self):
        self.configure("sources.list", "# deb http://no/ stone main\ndeb-src http://no/ stone main\n"
                       "deb [ arch=amd64 signed-by=/k/debian-archive.gpg ] http://b/d stone "
                       "main contrib # why\ndeb http://b/d stone-updates main\n")
        self.assertEqual(self.chosen(), ["http://b/d"])

    def test_other_archives_of_the_same_name_are_passed_over(self):
        self.configure("sources.list.d/a.sources",
                       "Types: deb\nURIs: http://other\nSuites: stone\nComponents: main\n"
                       "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n")
        self.configure("sources.list.d/b.list", "deb http://tools/ stone stable\n")
        self.configure("sources.list.d/c.list", "deb http://debian/ stone main\n")
        self.assertEqual(self.chosen(), ["http://debian/"])

    def test_disabled_and_unreadable_sources_do_not_count(self):
        self.configure("sources.list.d/a.sources", "Types: deb\nEnabled: no\nURIs: http://off\n"
                       "Suites: stone\nComponents: main\n")
        self.configure("sources.list", "deb\ndeb [\n\xff deb x\ndeb http://short\n")
        with self.assertRaisesRegex(debian.FetchError, "BACKPLANE_DEBIAN_MIRROR"):
            self.chosen()


if __name__ == "__main__":
    tap.main()
