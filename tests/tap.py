# SPDX-License-Identifier: MIT
"""Reports in TAP, so that meson counts each case: a file's unittest cases (main), or checks of a script
that names them itself (Checks)."""

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
