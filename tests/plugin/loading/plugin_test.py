#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faulty plugins and manifests end in a sentence, never in a crash.

    plugin_test.py BACKPLANE FOLDER NAME=EXPECTED...

FOLDER has probe.so and faulty-NAME.so, which must be refused with a text that EXPECTED matches (empty:
must be accepted). The faults of manifests stand below.
"""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tap import Checks  # noqa: E402

MANIFEST = """abi = "1.0"
module = "{module}"
package = "backplane-faulty"
license = "MIT"
[types.{id}]
kind = "{kind}"
summary = "has a fault"
"""
# What the manifest says (of the good module unless `module` says otherwise), and what must be said of it.
# The text "plain" stands for the manifest above.
LIES = [
    ("kind", dict(kind="tool"), "calls faulty a tool, but .* calls it a device"),
    ("id", dict(id="other"), "promises the type other, but .* does not have it"),
    ("license", dict(text=("MIT", "GPL-2.0-only")), "gives the license GPL-2.0-only, but .* gives MIT"),
    ("more", dict(append='[types.second]\nkind = "device"\n'), "promises the type second"),
    ("gone", dict(module="not-there.so"), "not-there.so cannot be opened: No such file"),
    ("abi-2", dict(text=("1.0", "2.0")), r'plugin.toml:1:7: abi "2.0": this core loads .* ABI 1\.x'),
    ("abi-none", dict(text=('abi = "1.0"', "")), "abi is missing from this manifest"),
    ("abi-number", dict(text=('"1.0"', "1.0")), "abi: a string is expected, not a float"),
    ("escape", dict(module="../faulty-good.so"), "the name of a .so file beside the manifest"),
    ("absolute", dict(module="/etc/passwd"), "the name of a .so file beside the manifest"),
    ("archive", dict(module="faulty.la"), "the name of a .so file beside the manifest"),
    ("folder", dict(module="."), "the name of a .so file beside the manifest"),
    ("kind-unknown", dict(kind="toaster"), 'kind "toaster" is not known here'),
    ("blank", dict(id='"a b"'), "without blanks"),
    ("no-types", dict(whole='abi = "1.0"\nmodule = "faulty.so"\n'), "has from 1 to"),
    ("types-number", dict(whole='abi = "1.0"\nmodule = "f.so"\ntypes = 3\n'), "has from 1 to"),
    ("type-number", dict(whole='abi = "1.0"\nmodule = "f.so"\ntypes.faulty = 3\n'), "a table is expected"),
    ("compatible", dict(append='compatible = [1]\n'), "compatible: a string is expected"),
    ("junk", dict(whole="\x00\x01\xff junk"), "plugin.toml:1:"),
]


def run(backplane, folder, *words):
    env = dict(os.environ, HOME="/nonexistent", BACKPLANE_PLUGIN_PATH="")
    return subprocess.run([backplane, *words, "--plugin-path", folder], capture_output=True,
                          text=True, env=env, timeout=60)


def refused(tap, name, r, expected):
    """One who asked for a faulty plugin's type: exit 1, and the sentence."""
    good = r.returncode == 1 and re.search(expected, r.stderr) is not None
    tap.check(name, good, f"wanted: {expected}\nexit status {r.returncode}\n{r.stderr}")


def modules(tap, backplane, built, faults):
    for fault in faults:
        name, expected = fault.split("=", 1)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(built / f"faulty-{name}.so", f"{folder}/faulty.so")
            kind = {"cpu": "cpu", "tracer": "tool"}.get(name, "device")
            pathlib.Path(folder, "f.plugin.toml").write_text(
                MANIFEST.format(module="faulty.so", id="faulty", kind=kind))
            r = run(backplane, folder, "describe", "faulty")
            if expected:
                refused(tap, f"module {name}", r, expected)
            else:
                tap.check(f"module {name}", r.returncode == 0 and "has a fault" in r.stdout,
                          r.stderr)


def loaded(elf):
    """How many bytes of a 64-bit ELF file are mapped when it is loaded."""
    start, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    end = 0
    for at in range(start, start + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", elf, at)
        if kind == 1:
            end = max(end, offset + length)
    return end


def truncated(tap, backplane, built):
    """A module cut anywhere."""
    whole = (built / "faulty-good.so").read_bytes()
    end = loaded(whole)
    for n in [0, 3, 10, 63, 64, 200, 600, 0x1000, end // 2, end - 1]:
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "faulty.so").write_bytes(whole[:n])
            pathlib.Path(folder, "f.plugin.toml").write_text(
                MANIFEST.format(module="faulty.so", id="faulty", kind="device"))
            r = run(backplane, folder, "describe", "faulty")
            refused(tap, f"module cut to {n} bytes", r, "cannot be loaded: ")
    for name, data in (("of another machine", whole[:18] + b"\xf7\x00" + whole[20:]),
                       ("of 32 bits", whole[:4] + b"\x01" + whole[5:]),
                       ("that is text", b"#!/bin/sh\n" * 1000), ("of zeros", bytes(len(whole)))):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "faulty.so").write_bytes(data)
            pathlib.Path(folder, "f.plugin.toml").write_text(
                MANIFEST.format(module="faulty.so", id="faulty", kind="device"))
            refused(tap, f"module {name}", run(backplane, folder, "describe", "faulty"),
                    "cannot be loaded: ")
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "faulty.so").mkdir()
        pathlib.Path(folder, "f.plugin.toml").write_text(
            MANIFEST.format(module="faulty.so", id="faulty", kind="device"))
        refused(tap, "module is a folder", run(backplane, folder, "describe", "faulty"),
                "no regular file")


def manifests(tap, backplane, built):
    for name, lie, expected in LIES:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(built / "faulty-good.so", f"{folder}/faulty.so")
            text = MANIFEST.format(module=lie.get("module", "faulty.so"), id=lie.get("id", "faulty"),
                                   kind=lie.get("kind", "device"))
            if "text" in lie:
                text = text.replace(*lie["text"], 1)
            text = lie.get("whole", text + lie.get("append", ""))
            pathlib.Path(folder, "f.plugin.toml").write_bytes(text.encode("latin-1"))
            refused(tap, f"manifest {name}", run(backplane, folder, "describe",
                                                 "other" if name == "id" else "faulty"), expected)


def search(tap, backplane, built):
    """The first definition wins, and a bad manifest hides only its own plugin."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("a", "b"):
            pathlib.Path(folder, part).mkdir()
            shutil.copy(built / "probe.so", f"{folder}/{part}/probe.so")
            shutil.copy(built / "probe.plugin.toml", f"{folder}/{part}/probe.plugin.toml")
        pathlib.Path(folder, "bad.plugin.toml").write_text("abi = 7\n")
        r = run(backplane, folder, "list", "--conflicts")
        tap.check("the first definition wins",
                  r.returncode == 0 and "one of everything" in r.stdout and
                  r.stdout.count(f"{folder}/b/probe.plugin.toml") == 5 and
                  f"{folder}/a/" not in r.stdout, r.stdout)
        tap.check("a bad manifest is reported and skipped",
                  "bad.plugin.toml:1:7: abi: a string is expected" in r.stderr, r.stderr)
        r = run(backplane, folder, "describe", "probe")
        tap.check("the winner's module is opened", f"{folder}/a/probe.so" in r.stdout, r.stdout)
        r = run(backplane, folder, "describe", "prob")
        refused(tap, "a misspelt type", r, 'no type "prob"; did you mean "probe"')


def future(tap, backplane, built):
    """A plugin of a later minor version, whose tables have grown, is understood."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(built / "future.so", f"{folder}/future.so")
        pathlib.Path(folder, "f.plugin.toml").write_text(
            'abi = "1.70"\nmodule = "future.so"\nnews = { is = "welcome" }\n'
            '[types.first]\nkind = "device"\n[types.future]\nkind = "device"\n')
        pathlib.Path(folder, "m.toml").write_text(
            'sys.type = "space"\n[f]\ntype = "future"\ntwo = 7\nirq = "f:second"\n'
            'at = { second = 0x100, first = 0 }\n')
        r = run(backplane, folder, "check", f"{folder}/m.toml")
        tap.check("a later ABI's tables", r.returncode == 0 and r.stderr == "", r.stderr)
        r = run(backplane, folder, "run", f"{folder}/m.toml")
        refused(tap, "a later ABI's properties", r, r"m\.toml:2:2: f: one is 1, two is 7")


def main():
    backplane, built, faults = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    tap = Checks()
    modules(tap, backplane, built, faults)
    truncated(tap, backplane, built)
    manifests(tap, backplane, built)
    search(tap, backplane, built)
    future(tap, backplane, built)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
