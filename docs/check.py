#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pages name files and functions that exist, and the example of the plugin guide works.

    check.py SOURCE BACKPLANE EXAMPLE_FOLDER
"""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT, BACKPLANE, EXAMPLE = (pathlib.Path(a) for a in sys.argv[1:4])
sys.path.insert(0, str(ROOT / "tests"))
import tap  # noqa: E402

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
LINES_MAX = 300
TOP = "core|plugins|pluginapi|tests|docs|scripts|machines"
PATH = re.compile(rf"(?<![\w./-])((?:{TOP})/[\w.*/-]*[\w*/])")
# `name` (`path`): the function stands in that file.
PLACED = re.compile(r"`(\w+)` \(`([\w./-]+)`\)")
# Names that stand for any, and what a build makes.
PLACEHOLDER = re.compile(r"NAME|ROOM|x_test")


class Pages(unittest.TestCase):
    def each(self, fault):
        for page in PAGES:
            with self.subTest(page.name):
                self.assertEqual([], fault(page.read_text()))

    def test_files_exist(self):
        self.each(lambda text: [p for p in PATH.findall(text)
                                if not PLACEHOLDER.search(p) and not any(ROOT.glob(p))])

    def test_functions_stand_where_the_page_says(self):
        def fault(text):
            return [f"{name} in {file}" for name, file in PLACED.findall(text)
                    if not re.search(rf"\b{name}\b", (ROOT / file).read_text())]
        self.each(fault)

    def test_pages_are_short(self):
        self.each(lambda text: [n for n in [len(text.splitlines())] if n >= LINES_MAX])

    def test_links_lead_somewhere(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")


class Example(unittest.TestCase):
    def backplane(self, *words):
        return subprocess.run([BACKPLANE, *words, "--plugin-path", EXAMPLE], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def test_describe(self):
        said = self.backplane("describe", "com.acme.countdown")
        self.assertEqual(0, said.returncode, said.stdout)
        for word in ("frequency", "LOAD", "COUNT", "STATUS", "ENABLE", "irq"):
            self.assertIn(word, said.stdout)

    def test_machine(self):
        said = self.backplane("check", str(EXAMPLE / "countdown.toml"))
        self.assertEqual((0, ""), (said.returncode, said.stdout))

    def test_wrong_machine(self):
        said = self.backplane("check", str(EXAMPLE / "countdown.toml"),
                              "--set", "countdown.frequncy=1")
        self.assertEqual(1, said.returncode)
        self.assertIn('did you mean "frequency"?', said.stdout)


if __name__ == "__main__":
    del sys.argv[1:]
    tap.main()
