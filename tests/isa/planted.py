#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the random streams find faults: each of planted.toml is put into a copy of the sources,
alone, built, and must make a stream that aims at it differ from the oracle. The same stream must
agree without the fault.

    planted.py --build DIR [NAME...]
"""
import argparse
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor

import isa_test

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.normpath(os.path.join(HERE, "../.."))
LEAST = 30  # what must be found at least: a shorter table is an error


class Failed(Exception):
    """args[0]: why."""


def run(*command, **kwargs):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, stdin=subprocess.DEVNULL, **kwargs)


def copy_sources(tree):
    """The sources as they are; files that did not change keep their times, so nothing is rebuilt."""
    def skip(folder, names):
        return [n for n in names if n in (".git", ".cache", "__pycache__")
                or os.path.exists(os.path.join(folder, n, "meson-private"))]

    def copy(source, target):
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
        return target

    shutil.copytree(SOURCE, tree, ignore=skip, copy_function=copy, dirs_exist_ok=True)


class Tree:
    """A copy of the sources with a build folder of its own."""
    setup = ()  # more words for `meson setup`

    def __init__(self, folder, runners, oracles):
        self.source, self.build = os.path.join(folder, "tree"), os.path.join(folder, "build")
        self.runners, self.oracles = runners, oracles
        copy_sources(self.source)
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            made = run("meson", "setup", self.build, self.source, "-Doptimization=0",
                       "-Ddebug=false", "-Dwerror=false", *self.setup)
            if made.returncode:
                raise Failed("the copy cannot be configured:\n" + made.stdout[-3000:])
        run("ninja", "-C", self.build, "build.ninja")  # one of before may know fewer plugins
        self.targets = self.wanted()
        self.compile()

    def wanted(self):
        """What a run needs: the command and the plugins, not the tests."""
        text = subprocess.run(["meson", "introspect", "--targets", self.build], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        names = [os.path.relpath(f, os.path.realpath(self.build))
                 for t in json.loads(text) if t["type"] in ("executable", "shared module")
                 for f in t["filename"]]
        return [n for n in names if n == "core/backplane" or n.startswith("plugins/")
                and n.endswith(".so")]

    def compile(self):
        made = run("ninja", "-j1", "-C", self.build, *self.targets)
        if made.returncode:
            raise Failed("the copy does not build:\n" + made.stdout[-2000:])

    def differs(self, fault, seed=1):
        """Whether a case of the fault's stream differs; all else that goes wrong is a failure."""
        xlen = fault.get("xlen", 64)
        done = run(sys.executable, isa_test.RUN, "--xlen", str(xlen), "--runners", self.runners,
                   "--oracle", "user:" + self.oracles[xlen],
                   "--subject", "bare:" + os.path.join(self.build, "core/backplane"),
                   "--plugin-path", os.path.join(self.build, "plugins"),
                   "--only", ",".join(fault["aim"]), "--count", str(fault.get("count", 100)),
                   "--batches", "20", "--stop", "0", "--show", "1", "--timeout", "60", "--seed", str(seed),
                   *[word for text in fault.get("set", []) for word in ("--set", text)])
        cases = re.search(r", (\d+) cases differ", done.stdout)
        if cases and int(cases[1]):
            return done.stdout
        if done.returncode:
            raise Failed("the stream did not run:\n" + done.stdout[-2000:])
        return None

    def plant(self, fault):
        """Changes the file, which must have the old text; returns what it was."""
        path = os.path.join(self.source, fault["file"])
        with open(path, encoding="utf-8") as f:
            text = f.read()
        changed = text
        for old, new in fault["edits"]:
            times = changed.count(old)
            if times < 1 or times > 1 and not fault.get("all"):
                raise Failed(f"{fault['file']} has {times} times {old!r}, not once")
            changed = changed.replace(old, new)
        with open(path, "w", encoding="utf-8") as f:
            f.write(changed)
        return path, text

    def find(self, fault, seeds=1):
        """Raises Failed unless the fault's stream finds it with each seed; returns what the last
        one printed."""
        path, text = self.plant(fault)
        try:
            self.compile()
            found = [self.differs(fault, seed) for seed in range(1, seeds + 1)]
            if not all(found):
                raise Failed(f"no case differed ({len(found) - found.count(None)} of {seeds} "
                             "seeds find it)")
            return found[-1]
        finally:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)


def attempt(trees, work, fault):
    """Why work(tree, fault) failed, or None, and what it returned."""
    tree = trees.get()
    try:
        return None, work(tree, fault)
    except (Failed, OSError) as e:
        return str(e), None
    finally:
        trees.put(tree)


def comment(text):
    return "".join(f"# {line}\n" for line in text.splitlines())


def stream_of(fault):
    """What a run depends on without the fault: faults that share it share the run."""
    return repr({k: v for k, v in sorted(fault.items()) if k not in ("name", "file", "edits", "all")})


def agree(tree, fault):
    found = tree.differs(fault)
    if found:
        raise Failed("there is a difference without the fault:\n" + found)


def plant_all(faults, options, name, make_tree):
    """Plants each fault in one of the trees that make_tree(FOLDER) gives, FOLDER below `name` in the
    build folder; whether all were found."""
    folder = os.path.join(os.path.abspath(options.build), name)
    workers = min(os.cpu_count() or 1, 4)
    failed = 0
    with ThreadPoolExecutor(workers) as pool:
        trees = queue.SimpleQueue()
        try:
            for tree in pool.map(lambda n: make_tree(os.path.join(folder, str(n))),
                                 range(workers)):
                trees.put(tree)
        except Failed as e:
            sys.exit(f"planted.py: {e}")
        # All that runs without a fault comes before any fault is planted.
        streams = {stream_of(f): f for f in faults}
        clean = dict(zip(streams, pool.map(lambda f: attempt(trees, agree, f)[0], streams.values())))
        found = pool.map(lambda f: attempt(
            trees, lambda t, g: t.find(g, options.seeds), f), faults)
        for number, (fault, (why, text)) in enumerate(zip(faults, found), 1):
            why = clean[stream_of(fault)] or why
            failed += bool(why)
            print(f"{'not ok' if why else 'ok'} {number} - {fault['name']}", flush=True)
            print(comment(why or (text if options.show else "")), end="", flush=True)
    print(f"1..{len(faults)}")
    return not failed


def read_options(description):
    p = argparse.ArgumentParser(description=description,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True, help="the build folder; the copies go below it")
    p.add_argument("--seeds", type=int, default=1,
                   help="how many streams must find each fault: shows how near a count is")
    p.add_argument("--show", action="store_true", help="print the differing cases")
    p.add_argument("names", nargs="*", help="only these faults")
    return p.parse_args()


def read_faults(path, names, least):
    with open(path, "rb") as f:
        faults = tomllib.load(f)["fault"]
    if not names and len(faults) < least:
        sys.exit(f"planted.py: planted.toml has {len(faults)} faults, {least} are wanted")
    faults = [f for f in faults if not names or f["name"] in names]
    if not faults:
        sys.exit("planted.py: there is no fault of such a name in planted.toml")
    return faults


def main():
    options = read_options(__doc__)
    faults = read_faults(os.path.join(HERE, "planted.toml"), options.names, LEAST)
    runners = os.path.join(os.path.abspath(options.build), "tests/isa/runners")
    oracles = {x: isa_test.oracle(x) for x in {f.get("xlen", 64) for f in faults}}
    return 0 if plant_all(faults, options, "planted", lambda n: Tree(n, runners, oracles)) else 1


if __name__ == "__main__":
    sys.exit(main())
