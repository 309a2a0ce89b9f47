#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The encodings as rows of C for twins.c: gen_rows.py GEN_DECODE_FOLDER TABLE OUT."""
import re
import sys

sys.path.insert(0, sys.argv[1])
import gen_decode  # noqa: E402

DEST = ("rd", "rds1", "rd'", "rds1'")
BASE = ("rs1", "rs1'")
# What a random word of these would do is done by hand in twins.c, or hangs on the host's clock.
LEFT_OUT = ("jal", "jalr", "c.j", "c.jal", "c.jr", "c.jalr")


def kind(row):
    """Which of twins.c's weights an encoding comes under."""
    base = row.expands or row.name
    if row.is_vector():
        return "VECTOR"
    if row.name.startswith("csrr"):
        return "CSR"
    if row.priv == "priv" or re.match(r"(ecall|ebreak|fence|pause|wrs|cbo|prefetch)", base):
        return "SYSTEM"
    if base in ("beq", "bne", "blt", "bge", "bltu", "bgeu"):
        return "BRANCH"
    if row.ext in ("a", "zacas"):
        return "ATOMIC"
    if re.fullmatch(r"l[bhwd]u?|s[bhwd]|fl[hwd]|fs[hwd]", base):
        return "MEMORY"
    if row.flags() & gen_decode.FP:
        return "FLOAT"
    return "INTEGER"


def field(row, names):
    for f in row.fields:
        if f.name in names:
            return f"{{ {f.low}, {f.width} }}"
    return "{ 0, 0 }"


def main():
    table = gen_decode.Table(sys.argv[2])
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        for row in table.rows:
            if row.name in LEFT_OUT:
                continue
            sources = ", ".join(field(row, (n, n + "'")) for n in ("rs2", "rs1"))
            xlens = {"32": 1, "64": 2, "both": 3}[row.xlens]
            out.write(f"{{ \"{row.name}\", {row.mask:#x}, {row.match:#x}, {kind(row)}, "
                      f"{row.length // 8}, {xlens}, {field(row, DEST)}, {sources} }},\n")


main()
