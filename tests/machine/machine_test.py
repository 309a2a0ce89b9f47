#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Machine files: every fault is reported at its place, all at once, and good ones mean what they say.

    machine_test.py BACKPLANE PROBE_FOLDER PLUGIN_FOLDER MACHINE_FOLDER
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tap import Checks  # noqa: E402

from bad import BAD, SYS, WORDS  # noqa: E402

GOOD = SYS + """
[a]
type = "ram"
size = "64K"
at = { base = 0, priority = -1 }

[options]
memory = "a:size"
append = { "p:label" = "console={} quiet" }
kernel = ["p:label", "q:label"]
serial = ["p:chr"]
share = { type = "probe", link = "label" }

[q]
type = "probe"
count = 2
at = { regs = 0x1000, memory = { base = 0x8000, size = "1K", offset = 1024 } }
stride = 0x10_0000
irq = "p:1..2"
bits = ["p:nmi", "p:3", "p:one.2"]
peer = "p"
peers = ["q.*", "p"]
fan = "q.*:{nmi,in.2}"
"""


class Backplane:
    def __init__(self, command, plugins, machines):
        self.command = command
        self.env = dict(os.environ, HOME="/nonexistent", BACKPLANE_PLUGIN_PATH=plugins,
                        BACKPLANE_MACHINE_PATH=machines)

    def run(self, *words):
        return subprocess.run([self.command, *words], capture_output=True, text=True,
                              env=self.env, timeout=60)


def reported(r, expected):
    """Each expected sentence once and no other; the exit status of a faulty machine file."""
    lines = r.stderr.splitlines()
    left = list(lines)
    for pattern in expected:
        found = [line for line in left if re.search(pattern, line)]
        if not found:
            return False
        left.remove(found[0])
    return r.returncode == 1 and not left


def write(folder, files):
    if isinstance(files, str):
        files = {"m.toml": SYS + files}
    for name, text in files.items():
        pathlib.Path(folder, name).write_bytes(text.encode("latin-1"))
    return f"{folder}/m.toml"


def bad_files(tap, b):
    for name, files, expected in BAD:
        with tempfile.TemporaryDirectory() as folder:
            r = b.run("check", write(folder, files))
            tap.check(f"bad {name}", reported(r, expected),
                      "wanted:\n" + "\n".join(expected) + f"\nexit {r.returncode}\n{r.stderr}")


def bad_words(tap, b):
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, {"m.toml": GOOD})
        for words, expected in WORDS:
            r = b.run("check", path, *words)
            tap.check(f"words {' '.join(words)}", reported(r, expected),
                      "wanted:\n" + "\n".join(expected) + f"\nexit {r.returncode}\n{r.stderr}")
        for words in ([], ["check"], ["check", "no-such-machine"], ["check", "/nonexistent.toml"],
                      ["check", folder], ["frobnicate"], ["check", path, "twice"], ["describe"],
                      ["list", "stars"], ["--bogus"]):
            r = b.run(*words)
            tap.check(f"usage {' '.join(words[:1])} {len(words)}", r.returncode == 1 and r.stderr != "" and
                      r.stdout == "", r.stderr)


def dumped(b, *words):
    r = b.run("dump", *words)
    return tomllib.loads(r.stdout) if r.returncode == 0 else r.stderr


def good_files(tap, b):
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, {"m.toml": GOOD})
        r = b.run("check", path)
        tap.check("a good file has no faults", r.returncode == 0 and r.stderr == "", r.stderr)
        once = b.run("dump", path).stdout
        pathlib.Path(folder, "again.toml").write_text(once)
        tap.check("a dump parses back", b.run("dump", f"{folder}/again.toml").stdout == once and
                  tomllib.loads(once) == tomllib.loads(GOOD), once)
        d = dumped(b, path, "--append", "ttyS0", "--memory", "1M", "--kernel", "K", "--set",
                   "p.mode=slow", "--set", "q.irq=[\"p:1\"]", "--set", "p.level=0x7")
        tap.check("options become properties",
                  d["p"]["label"] == "K" and d["q"]["label"] == "K" and d["a"]["size"] == "1M" and
                  d["p"]["mode"] == "slow" and d["q"]["irq"] == ["p:1"] and d["p"]["level"] == 7,
                  str(d))
        d = dumped(b, path, "--share", "label=/a=b", "--share", "path,label=c,flag,level=2")
        tap.check("a share is an object of its own", d["share0"] == {"type": "probe", "label": "/a=b"} and
                  d["share1"] == {"type": "probe", "label": "c", "flag": True, "level": 2}, str(d))
        d = dumped(b, path, "--share", "a,,b,label=x,,,,y,level=2")
        tap.check("a doubled comma is one of the text's", d["share0"] ==
                  {"type": "probe", "label": "x,,y", "level": 2}, str(d))
        d = dumped(b, path, "--append", "ttyS0")
        tap.check("templates", d["p"]["label"] == "console=ttyS0 quiet", str(d))


def merging(tap, b):
    files = {"m.toml": 'include = ["b.toml"]\nremove = ["u"]\n[p]\nlevel = 3\n[n]\ntype = "probe"\n',
             "b.toml": 'include = ["c.toml"]\n[p]\nlevel = 2\nsmall = 9\n'
                       '[options]\nserial = ["u:chr", "p:chr"]\nkernel = "u:label"\n',
             "c.toml": '[sys]\ntype = "space"\n[p]\ntype = "probe"\nlevel = 1\n'
                       'at = { regs = 0, memory = 4096 }\n[u]\ntype = "probe"\nat = 0\n'}
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, files)
        r = b.run("check", path)
        d = dumped(b, path)
        tap.check("include merges key by key", r.returncode == 0 and d["p"] ==
                  {"type": "probe", "level": 3, "at": {"regs": 0, "memory": 4096}, "small": 9},
                  r.stderr + str(d))
        tap.check("an option goes with its object", d["options"] == {"serial": ["p:chr"]} and
                  "u" not in d, str(d))
        deep = {"m.toml": 'include = ["f1.toml"]\n'}
        deep |= {f"f{i}.toml": f'include = ["f{i + 1}.toml"]\n' for i in range(1, 40)}
        r = b.run("check", write(folder, deep))
        tap.check("includes are bounded", r.returncode == 1 and "32 deep" in r.stderr, r.stderr)
        os.mkfifo(f"{folder}/pipe.toml")
        r = b.run("check", write(folder, {"m.toml": 'include = ["pipe.toml"]\n'}))
        tap.check("an included pipe", reported(r, [r"m\.toml:1:12: .*pipe\.toml is no regular"]),
                  r.stderr)
        wide = {"m.toml": 'include = [' + '"x.toml",' * 300 + ']\n', "x.toml": "\n"}
        r = b.run("check", write(folder, wide))
        tap.check("files are bounded", r.returncode == 1 and "256 files" in r.stderr, r.stderr)


def hostile(tap, b):
    """Files that ask for more than anyone has are refused, in time."""
    cases = {
        "references": 'q = { type = "probe", count = 4000, peers = ['
                      + '"q.*",' * 2000 + "] }\n",
        "wires": 'q = { type = "probe", count = 4000, fan = [' + '"q.*:{in.0..3,nmi}",' * 500 + "] }\n",
        "keys": "[q]\ntype = \"probe\"\ncount = 4000\n" + "".join(f"k{i} = 1\n" for i in range(20000)),
        "objects": "".join(f'o{i} = {{ type = "probe-card", count = 50 }}\n' for i in range(2000)),
        "windows": 'q = { type = "probe", count = 4000, at = 0, stride = 16 }\n',
        "link-circle": 'q = { type = "probe", count = 4000, peer = "q.*", peers = "q.*" }\n',
    }
    for name, text in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            r = b.run("check", write(folder, text))
            tap.check(f"hostile {name}", r.returncode == 1 and len(r.stderr.splitlines()) <= 101,
                      f"exit {r.returncode}\n{r.stderr[:2000]}")


def failing(tap, b):
    """create() fails: the sentence, its object and place; what needs it is not created."""
    text = 'p.fail = "no luck today"\n[q]\ntype = "probe"\npeer = "p"\nfail = "never said"\n'
    with tempfile.TemporaryDirectory() as folder:
        r = b.run("run", write(folder, text))
        tap.check("a failed create", reported(r, [r"m\.toml:2:1: p: no luck today"]), r.stderr)
        text = 'c.type = "probe-cage"\nk = { type = "probe-card", bus = "c", slot = 9 }\n'
        r = b.run("run", write(folder, text))
        tap.check("a failed attach", reported(r, [r"k: there is no slot 9|c: there is no slot 9"]),
                  r.stderr)


def packages(tap, command, machines):
    """A type that is not installed: its package is named, if a list knows it."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "packages.list").write_text("acme,npu2 acme-two\nacme,npu acme-boards\n")
        path = write(folder, {"m.toml": 'sys.type = "space"\nx.type = "acme,npu"\n'})
        r = Backplane(command, folder, machines).run("check", path)
        tap.check("the package of a missing type", reported(
            r, [r'm\.toml:2:10: x: type "acme,npu" is in the package acme-boards, which is not']),
            r.stderr)


def tree(tap, b, machines):
    for path in sorted(pathlib.Path(machines).glob("*.toml")):
        r = b.run("check", str(path))
        tap.check(f"{path.name} has no faults", r.returncode == 0 and r.stderr == "", r.stderr)
        r = b.run("run", path.stem, "--help")
        tap.check(f"{path.name} explains its options", r.returncode == 0 and "--kernel" in r.stdout,
                  r.stderr)


def main():
    command, probe, plugins, machines = sys.argv[1:]
    tap = Checks()
    b = Backplane(command, f"{probe}:{plugins}", machines)
    bad_files(tap, b)
    bad_words(tap, b)
    good_files(tap, b)
    merging(tap, b)
    hostile(tap, b)
    failing(tap, b)
    packages(tap, command, machines)
    tree(tap, Backplane(command, plugins, machines), machines)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
