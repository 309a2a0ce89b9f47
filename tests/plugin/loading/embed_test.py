#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plugin that a program brings with it is the one that is described. embed_test.py PROGRAM FOLDER"""
import subprocess
import sys

out = subprocess.run([sys.argv[1], sys.argv[2]], capture_output=True, text=True, check=True).stdout
sys.exit("package probe, plugin linked in" not in out or "one of everything" not in out)
