# SPDX-License-Identifier: MIT
"""What all boots share: how long to wait, a command in the guest's shell, what it must have said."""

import os
import re
import subprocess

# Long enough for an interpreter on two busy cores, whose sanitizers may be on.
SLOW = float(os.environ.get("BACKPLANE_TEST_PATIENCE", "1"))
FIRMWARE_S, KERNEL_S, REPLY_S, EXIT_S = (SLOW * s for s in (60, 480, 60, 60))
PROMPT = r"^~ # $"


class Mismatch(Exception):
    """A guest said something else than it should have."""


def check(text, pattern, what):
    match = re.search(pattern, text, re.M)
    if not match:
        raise Mismatch(f"{what}: expected `{pattern}` in:\n{text}")
    return match


def shell(console, command, prompt=PROMPT, seconds=REPLY_S):
    """Runs a command in the guest's shell; returns what it printed."""
    console.type(command + "\n")
    console.expect(re.escape(command) + r"\n", REPLY_S)
    return console.expect(r"\A([\s\S]*?)" + prompt, seconds)[1]


def backplane_img(build, *args):
    done = subprocess.run([build / "core/backplane", "img", *args], capture_output=True, text=True,
                          env={**os.environ, "BACKPLANE_PLUGIN_PATH": str(build / "plugins")},
                          timeout=EXIT_S, check=False)
    if done.returncode:
        raise Mismatch(f"backplane img {' '.join(map(str, args))}:\n{done.stdout}{done.stderr}")
