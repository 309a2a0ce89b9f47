#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The type ids of all manifests and the packages that have them, for messages about missing types.

    packages.py MANIFEST... > packages.list
"""
import pathlib
import sys
import tomllib

for path in sys.argv[1:]:
    manifest = tomllib.loads(pathlib.Path(path).read_text())
    for id in manifest["types"]:
        print(id, manifest["package"])
