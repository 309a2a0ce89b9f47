# SPDX-License-Identifier: MIT
"""Runs a file's unittest cases and reports them in TAP, so that meson counts each."""

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
