#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file for binfmt.d(5): programs of each kind that a manifest's `runs` names are run by backplane-user.

    binfmt.py INTERPRETER MANIFEST... > backplane.conf

Flag F: the kernel opens the interpreter when it reads this, so that a chroot needs none.
"""
import pathlib
import sys
import tomllib

CLASSES = {"elf32": 1, "elf64": 2}
ORDERS = {"little": 1, "big": 2}


def escaped(data):
    return "".join(f"\\x{b:02x}" for b in data)


def row(name, program, interpreter):
    """The bytes of an ELF header up to e_machine; type 2 or 3, whatever the OS ABI is."""
    kind, order, machine = program.split("-")
    magic = b"\x7fELF" + bytes((CLASSES[kind], ORDERS[order], 1)) + bytes(9)
    magic += (2).to_bytes(2, order) + int(machine).to_bytes(2, order)
    mask = bytearray(b"\xff" * 20)
    mask[7] = 0
    mask[16 if order == "little" else 17] = 0xfe
    return f":backplane-{name}:M::{escaped(magic)}:{escaped(mask)}:{interpreter}:F"


interpreter = sys.argv[1]
for path in sys.argv[2:]:
    for name, what in tomllib.loads(pathlib.Path(path).read_text())["types"].items():
        for program in what.get("runs", []):
            print(row(name, program, interpreter))
