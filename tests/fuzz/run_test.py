# SPDX-License-Identifier: MIT
"""Tests how `run` shares its time, and that its table names what exists."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
loader.exec_module(run)


class Shares(unittest.TestCase):
    def test_nothing_changed(self):
        self.assertEqual(run.shares(["a", "b", "c"], [], 300, False),
                         [("a", 100), ("b", 100), ("c", 100)])

    def test_changed_come_first_with_a_minute(self):
        self.assertEqual(run.shares(["a", "b", "c"], ["c"], 300, False),
                         [("c", 60), ("a", 120), ("b", 120)])

    def test_many_changed_stay_within_the_total(self):
        names = [f"t{n}" for n in range(12)]
        plan = run.shares(names, names[:10], 300, False)
        self.assertLessEqual(sum(seconds for _, seconds in plan), 300)
        self.assertGreaterEqual(min(seconds for _, seconds in plan), 1)

    def test_all_changed(self):
        self.assertEqual(run.shares(["a", "b"], ["a", "b"], 300, False), [("a", 150), ("b", 150)])

    def test_full(self):
        self.assertEqual(run.shares(["a", "b"], ["b"], 300, True), [("b", 150), ("a", 150)])
        self.assertEqual(run.shares(["a", "b"], [], 30, True), [("a", 60), ("b", 60)])

    def test_changed_paths(self):
        self.assertTrue(run.is_changed(["core/x.c"], ["core/x.c"]))
        self.assertTrue(run.is_changed(["core"], ["core/x.c"]))
        self.assertFalse(run.is_changed(["core/x"], ["core/x.c"]))


class Table(unittest.TestCase):
    def test_paths_exist(self):
        for name, paths in run.read_targets().items():
            for path in paths:
                self.assertTrue((run.ROOT / path).exists(), f"{name}: {path}")


if __name__ == "__main__":
    unittest.main()
