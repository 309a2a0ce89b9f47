#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the random streams find faults: each of planted.toml is put into a copy of the sources,
built, and must make a stream that aims at it differ from the oracle.

    planted.py --build DIR [NAME...]
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib

import isa_test

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.normpath(os.path.join(HERE, "../.."))


def run(*command, **kwargs):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)


def copy_sources(tree):
    """The sources as they are; files that did not change keep their times, so nothing is rebuilt."""
    skip = shutil.ignore_patterns("build*", ".git", ".cache", "__pycache__")

    def copy(source, target):
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
        return target

    shutil.copytree(SOURCE, tree, ignore=skip, copy_function=copy, dirs_exist_ok=True)


def targets(build):
    """What a run needs: the command and the plugins, not the tests."""
    names = []
    for t in json.loads(run("meson", "introspect", "--targets", build).stdout):
        wanted = (t["type"] == "executable" and t["name"] == "backplane"
                  or t["type"] == "shared module" or "manifest" in t["name"])
        names += [os.path.relpath(f, build) for f in t["filename"]] if wanted else []
    return names


def compile_tree(build):
    return run("ninja", "-C", build, *targets(build))


def stream(build, runners, fault):
    xlen = fault.get("xlen", 64)
    command = [sys.executable, isa_test.RUN, "--xlen", str(xlen), "--runners", runners,
               "--oracle", "user:" + isa_test.oracle(xlen),
               "--subject", "bare:" + os.path.join(build, "core/backplane"),
               "--plugin-path", os.path.join(build, "plugins"), "--only", ",".join(fault["aim"]),
               "--count", str(fault.get("count", 100)), "--batches", "4", "--stop", "0",
               "--show", "1", "--timeout", "120"]
    return run(*command)


def plant(tree, fault):
    """Changes the file, which must have the old text; returns what it was."""
    path = os.path.join(tree, fault["file"])
    with open(path, encoding="utf-8") as f:
        text = f.read()
    changed = text
    for old, new in fault["edits"]:
        if changed.count(old) < 1 or changed.count(old) > 1 and not fault.get("all"):
            raise ValueError(f"{fault['file']} has {changed.count(old)} times {old!r}, not once")
        changed = changed.replace(old, new)
    with open(path, "w", encoding="utf-8") as f:
        f.write(changed)
    return path, text


def find(fault, tree, build, runners):
    """Whether the stream finds the fault, and why not."""
    try:
        path, text = plant(tree, fault)
    except (OSError, ValueError) as e:
        return False, f"cannot be planted: {e}"
    try:
        built = compile_tree(build)
        if built.returncode:
            return False, "does not build:\n" + built.stdout[-2000:]
        found = stream(build, runners, fault)
        return found.returncode != 0, "no difference was found"
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True, help="the build folder; the copy goes below it")
    p.add_argument("names", nargs="*", help="only these faults")
    options = p.parse_args()
    tree = os.path.join(options.build, "planted", "tree")
    build = os.path.join(options.build, "planted", "build")
    runners = os.path.join(options.build, "tests/isa/runners")
    with open(os.path.join(HERE, "planted.toml"), "rb") as f:
        faults = tomllib.load(f)["fault"]
    faults = [f for f in faults if not options.names or f["name"] in options.names]
    copy_sources(tree)
    if not os.path.exists(os.path.join(build, "build.ninja")):
        made = run("meson", "setup", build, tree, "-Doptimization=1", "-Ddebug=false",
                   "-Dwerror=false")
        if made.returncode:
            sys.exit("planted.py: the copy cannot be configured:\n" + made.stdout[-3000:])
    made = compile_tree(build)
    if made.returncode:
        sys.exit("planted.py: the copy does not build:\n" + made.stdout[-3000:])
    passed = failed = 0
    for xlen in sorted({f.get("xlen", 64) for f in faults}):
        # Without a fault, all that the faults aim at must agree: else nothing is shown below.
        aims = sorted({a for f in faults if f.get("xlen", 64) == xlen for a in f["aim"]})
        clean = stream(build, runners, {"xlen": xlen, "aim": aims, "count": 50})
        if clean.returncode:
            sys.exit("planted.py: there is a difference without a planted fault:\n" + clean.stdout)
    for number, fault in enumerate(faults, 1):
        good, why = find(fault, tree, build, runners)
        passed, failed = passed + good, failed + (not good)
        print(f"{'ok' if good else 'not ok'} {number} - {fault['name']}", flush=True)
        if not good:
            print("".join(f"# {line}\n" for line in why.splitlines()), end="")
    print(f"1..{len(faults)}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
