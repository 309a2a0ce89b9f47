#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""session.py COMMAND...: starts a machine with the test guest, types a short session into its
shell, shows it all, and ends as the machine does."""

import re
import sys

from console import Console, ConsoleError

PROMPT = r"^~ # $"
TYPED = ("uname -a", "cat /proc/cpuinfo", "free", "poweroff")


def main():
    try:
        with Console(sys.argv[1:], sys.stdout.buffer) as console:
            for line in TYPED:
                console.expect(PROMPT, 600)
                console.type(line + "\n")
                console.expect(re.escape(line) + r"\n", 60)
            return console.status(60)
    except (ConsoleError, OSError) as e:
        print(f"\nsession: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
