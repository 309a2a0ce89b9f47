#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Texts of manifests as C, for programs with plugins linked into them.

    embed.py NAME=MANIFEST... > manifests.c
"""
import pathlib
import sys

print("/* made by embed.py */")
for word in sys.argv[1:]:
    name, _, path = word.partition("=")
    data = pathlib.Path(path).read_bytes() + b"\0"
    print(f"extern const char manifest_{name}[];")
    print(f"const char manifest_{name}[] = {{ {', '.join(map(str, data))} }};")
