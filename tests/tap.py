# SPDX-License-Identifier: MIT
"""Reports in TAP, so that meson counts each case: a file's unittest cases (main), or checks of a script
that names them itself (Checks)."""

import argparse
import sys
import traceback
import unittest


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.count = 0

    def line(self, word, test, why="", note=""):
        self.count += 1
        print(f"{word} {self.count} - {test.id().removeprefix('__main__.')}{note}", flush=True)
        for text in why.splitlines():
            print("# " + text)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test, "".join(traceback.format_exception(*err)))

    def addError(self, test, err):
        super().addError(test, err)
        self.line("not ok", test, "".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, note=f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line("not ok", subtest, "".join(traceback.format_exception(*err)))


def main():
    result = Result()
    unittest.defaultTestLoader.loadTestsFromName("__main__").run(result)
    print(f"1..{result.count}")
    sys.exit(0 if result.wasSuccessful() and result.count else 1)


def chosen(doc, names):
    """For a script that is called with --build DIR NAME: both. With --list it prints the names and ends."""
    p = argparse.ArgumentParser(description=doc)
    p.add_argument("--build", help="the build folder")
    p.add_argument("--list", action="store_true", help="print the names of the tests")
    p.add_argument("name", nargs="?", choices=list(names))
    options = p.parse_args()
    if options.list:
        print("\n".join(names))
        sys.exit(0)
    if not options.build or not options.name:
        p.error("a build folder and a name are needed")
    return options.build, options.name


class Checks:
    def __init__(self):
        self.lines, self.bad = [], 0

    def check(self, name, good, detail=""):
        self.bad += not good
        self.lines.append(f"{'ok' if good else 'not ok'} {len(self.lines) + 1} - {name}")
        if not good:
            self.lines[-1] += "".join("\n# " + line for line in detail.splitlines())

    def finish(self):
        print(f"1..{len(self.lines)}", *self.lines, sep="\n")
        return self.bad != 0
