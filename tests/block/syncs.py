#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No guest is told that a flush is done before the host was: syncs runs under strace, and each flush of
its guest that covers data not yet synced waits for an fdatasync that began after it and has ended.

    syncs.py BUILD
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass

import planted

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20261121
# name, format, cache, the fault: planted.toml's name, or none by name where the cache mode is one
CASES = (("raw", "raw", "writeback", None), ("qcow2", "qcow2", "writeback", None),
         ("raw, written through", "raw", "writethrough", None),
         ("qcow2, written through", "qcow2", "writethrough", None),
         ("raw, unsafe: found", "raw", "unsafe", ""),
         ("qcow2, a flush is ignored: found", "qcow2", "writeback", "a flush is ignored"))


@dataclass
class Span:
    """Lines of the trace."""
    begin: int
    end: int
    what: str = ""


def read_trace(text, image):
    """Writes to the image, syncs of it, requests of the guest."""
    writes, syncs, requests, open_calls, files = [], [], {}, {}, set()
    for n, line in enumerate(text.splitlines()):
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if resumed := re.match(r"<\.\.\. \w+ resumed>", rest):
            begin, call = open_calls.pop(pid)
            call += rest[resumed.end():]
        else:
            begin, call = n, rest
        if call.endswith("<unfinished ...>"):
            open_calls[pid] = (n, call.removesuffix("<unfinished ...>"))
            continue
        name, _, args = call.partition("(")
        fd = re.match(r"\d+", args)
        if name == "openat" and f'"{image}"' in args and "O_RDWR" in args:
            files.add(args.rsplit("=", 1)[1].strip())
        elif name.startswith("pwrite") and fd[0] in files:
            writes.append(Span(begin, n))
        elif name == "fdatasync" and fd[0] in files:
            syncs.append(Span(begin, n))
        elif mark := re.match(r'\d+, "(begin|end) (\d+) (\w*)', args):
            if mark[1] == "begin":
                requests[mark[2]] = Span(n, sys.maxsize, mark[3])
            else:
                requests[mark[2]].end = begin
    return writes, syncs, list(requests.values())


def faults(writes, syncs, requests, through):
    def synced(after, before):
        return any(after < s.begin and s.end < before for s in syncs)

    def dirty(at):
        return any(w.end < at and not synced(w.end, at) for w in writes)

    for r in requests:
        if r.end == sys.maxsize:
            yield f"a {r.what} was never done"
        elif r.what == "flush":
            told = [w.end for w in requests if w.what != "flush" and w.end < r.begin]
            known = any(f.what == "flush" and told and f.begin > max(told) and f.end < r.begin
                        for f in requests)
            if dirty(r.begin) and not synced(r.begin, r.end):
                yield f"the flush at line {r.begin} was done before a sync of its own"
            elif told and not known and not synced(max(told), r.end):
                yield f"what was done before the flush at line {r.begin} was not synced after it"
        elif (through or r.what == "fua") and not synced(r.begin, r.end):
            yield f"the write at line {r.begin} was done before a sync"


def trace(build, folder, form, cache, plugins):
    image = folder / "image"
    subprocess.run([build / "core/backplane", "img", "create", "-q", "-f", form, image, "4M"], check=True,
                   env=os.environ | {"BACKPLANE_PLUGIN_PATH": str(build / "plugins")})
    subprocess.run(["strace", "-f", "-qq", "-s", "64", "-e", "signal=none", "-e",
                    "trace=openat,pwrite64,pwritev,pwritev2,fdatasync,write", "-o", folder / "trace",
                    build / "tests/block/block-syncs", form, image, cache, str(SEED), *plugins,
                    build / "tests/block"], check=True, timeout=120, env=os.environ)
    return read_trace((folder / "trace").read_text(), image)


def main():
    build = pathlib.Path(sys.argv[1])
    print(f"1..{len(CASES)}")
    if not shutil.which("strace"):
        print("\n".join(f"ok {n} - {c[0]} # SKIP needs strace" for n, c in enumerate(CASES, 1)))
        return 0
    planted_faults = {f["name"]: f for f in tomllib.loads((HERE / "planted.toml").read_text())["fault"]}
    failed = 0
    for n, (name, form, cache, fault) in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory() as temporary:
            folder, plugins = pathlib.Path(temporary), [build / "plugins"]
            if fault:
                (folder / "planted").mkdir()
                planted.build(planted_faults[fault], folder / "planted")
                plugins.insert(0, folder / "planted")
            writes, syncs, requests = trace(build, folder, form, cache, plugins)
            found = list(faults(writes, syncs, requests, cache == "writethrough"))
        good = bool(found) == (fault is not None) and bool(writes) and bool(requests)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {n} - {name}\n# {len(requests)} requests, "
              f"{len(writes)} writes, {len(syncs)} syncs", *found[:1], sep="; ", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
