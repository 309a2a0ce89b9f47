#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""block-crash finds faults: each of planted.toml is put into a copy of the format, alone.

    planted.py --build DIR [NAME...]
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEEDS = 24  # of which one must find it; the rarest fault shows in four of ten
POINTS = 25


def build(fault, folder):
    source = ROOT / "plugins/fmt-qcow2"
    for path in [*source.glob("*.[ch]"), source / "fmt-qcow2.plugin.toml"]:
        shutil.copy(path, folder)
    for name, old, new in fault["edits"]:
        text = (folder / name).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{fault['name']}: {old!r} stands {text.count(old)} times in {name}")
        (folder / name).write_text(text.replace(old, new))
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0", "zlib", "libzstd"],
                           check=True, capture_output=True, text=True).stdout.split()
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", "-O0", "-w", "-D_GNU_SOURCE", "-shared",
                    "-fPIC", "-fvisibility=hidden", "-I", ROOT / "pluginapi", "-o",
                    folder / "fmt-qcow2.so", *sorted(folder.glob("*.c")), *flags], check=True)


def found(fault, folder, options):
    for seed in range(1, SEEDS + 1):
        r = subprocess.run([options.build / "tests/block/block-crash", folder,
                            options.build / "tests/block", f"seed={seed}", f"points={POINTS}",
                            *fault.get("words", [])], text=True, capture_output=True, timeout=120,
                           env=os.environ | {"BACKPLANE_PLUGIN_PATH": str(options.build / "plugins")})
        bad = [line for line in r.stdout.splitlines() if line.startswith("#") and "steps" not in line]
        if r.returncode:
            return f"seed {seed}: {bad[0][2:] if bad else r.returncode}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    faults = tomllib.loads((HERE / "planted.toml").read_text())["fault"]
    faults = [f for f in faults if not options.names or f["name"] in options.names]
    print(f"1..{len(faults)}")
    if not shutil.which("qemu-img"):
        for n, fault in enumerate(faults, 1):
            print(f"ok {n} - found: {fault['name']} # SKIP needs qemu-img")
        return 0
    failed = 0
    for n, fault in enumerate(faults, 1):
        with tempfile.TemporaryDirectory() as folder:
            build(fault, pathlib.Path(folder))
            what = found(fault, pathlib.Path(folder), options)
        failed += what is None
        print(f"{'ok' if what else 'not ok'} {n} - found: {fault['name']}\n# {what}", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
