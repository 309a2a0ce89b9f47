#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares encodings.tab with what GNU objdump says of random words of every row.

The names must agree, after the aliases below are undone. Rows that this binutils does not know are
listed, and must be among those of the extensions that are younger than it.
"""
import argparse
import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../plugins/cpu-riscv"))
import gen_decode  # noqa: E402

ARCH = {
    32: "rv32imafdcv_zicsr_zifencei_zicbom_zicbop_zicboz_zihintpause_zba_zbb_zbc_zbs_zbkb_zfh_zawrs"
        "_svinval",
    64: "rv64imafdcv_zicsr_zifencei_zicbom_zicbop_zicboz_zihintpause_zba_zbb_zbc_zbs_zbkb_zfh_zawrs"
        "_svinval",
}
YOUNGER = {"zfa", "zicond", "zacas"}
CSR_ALIASES = {
    "csrr": "csrrs", "csrw": "csrrw", "csrs": "csrrs", "csrc": "csrrc", "csrwi": "csrrwi",
    "csrsi": "csrrsi", "csrci": "csrrci", "rdcycle": "csrrs", "rdtime": "csrrs",
    "rdinstret": "csrrs", "rdcycleh": "csrrs", "rdtimeh": "csrrs", "rdinstreth": "csrrs",
    "frcsr": "csrrs", "fscsr": "csrrw", "frrm": "csrrs", "fsrm": "csrrw", "fsrmi": "csrrwi",
    "frflags": "csrrs", "fsflags": "csrrw", "fsflagsi": "csrrwi",
}
# Other names of the same thing: regular expression, replacement.
SAME = [
    (r"^vl([1248])r\.v$", r"vl\1re8.v"),
    (r"^v([ls])seg[2-8]e(\d+)(ff)?\.v$", r"v\1sege\2\3.v"),
    (r"^v([ls])sseg[2-8]e(\d+)\.v$", r"v\1ssege\2.v"),
    (r"^v([ls])([uo])xseg[2-8]ei(\d+)\.v$", r"v\1\2xsegei\3.v"),
    (r"^fence\.tso$", "fence"),
    (r"^(lr|sc|amo\w+)\.([wdq])\.(aq|rl|aqrl)$", r"\1.\2"),
    (r"^unimp$", "csrrw"),
    (r"^(c\.s(ll|rl|ra)i)64$", r"\1"),
]
# Fields that this objdump wants to be 0, though the manual lets them be anything.
ZERO = {
    "fence": ("fm", "rd", "rs1"), "fence.i": ("rd", "rs1", "simm"), "fcvt.d.w": ("rm",),
    "fcvt.d.wu": ("rm",), "fcvt.d.s": ("rm",), "fcvt.s.h": ("rm",), "fcvt.d.h": ("rm",),
}


def assemble(words, xlen, folder):
    path = os.path.join(folder, f"w{xlen}.s")
    with open(path, "w", encoding="utf-8") as f:
        f.write(".option norelax\n")
        for word, length in words:
            f.write(f".insn {length // 8}, {word:#x}\n")
    subprocess.run(["riscv64-linux-gnu-as", f"-march={ARCH[xlen]}",
                    "-mabi=" + ("ilp32d" if xlen == 32 else "lp64d"), path, "-o", path + ".o"],
                   check=True)
    text = subprocess.run(["riscv64-linux-gnu-objdump", "-d", "-M", "no-aliases", path + ".o"],
                          check=True, capture_output=True, text=True).stdout
    return [line.split("\t")[2].strip() for line in text.splitlines()
            if re.match(r"\s+[0-9a-f]+:\t", line)]


def names(row, shown):
    """The names the row's word may have in objdump's output."""
    for pattern, text in SAME:
        shown = re.sub(pattern, text, shown)
    shown = CSR_ALIASES.get(shown, shown)
    if row.name == "c.nop":
        return shown in ("c.nop", "c.addi")
    return shown == row.name or shown == re.sub(r"\.rv32$", "", row.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table = gen_decode.Table(os.path.join(HERE, "../../plugins/cpu-riscv/encodings.tab"))
    rng = random.Random(options.seed)
    wrong = unknown = good = 0
    with tempfile.TemporaryDirectory() as folder:
        for xlen in (32, 64):
            words = []
            for row in table.rows:
                for _ in range(options.count if row.on(xlen) else 0):
                    word = row.random_word(rng, xlen)
                    for f in row.fields:
                        if f.name in ZERO.get(row.name, ()):
                            word &= ~(((1 << f.width) - 1) << f.low)
                    if table.decode(word, xlen, row.length) is row:
                        words.append((row, word))
            shown = assemble([(w, r.length) for r, w in words], xlen, folder)
            if len(shown) != len(words):
                sys.exit(f"objdump shows {len(shown)} instructions, {len(words)} were assembled")
            missing = {}
            for (row, word), text in zip(words, shown):
                if text.startswith((".", "0x")):
                    missing.setdefault(row.name, []).append(word)
                elif names(row, text):
                    good += 1
                else:
                    wrong += 1
                    print(f"RV{xlen} {word:08x}: {row.name}, but objdump says {text}")
            for name, bad in missing.items():
                row = table.by_name[name]
                if not any(e in YOUNGER for n in row.needs for e in n):
                    wrong += 1
                    print(f"RV{xlen}: {name}: unknown to objdump, e.g. {bad[0]:08x} "
                          f"({len(bad)} words)")
                else:
                    unknown += 1
    print(f"{good} words agree, {unknown} rows are younger than this objdump")
    print(f"{1 if not wrong else 0} passed, {1 if wrong else 0} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
