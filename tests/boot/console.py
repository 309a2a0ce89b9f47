# SPDX-License-Identifier: MIT
"""A program on a terminal of its own, driven by what it prints."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time


# What a terminal obeys and a reader skips: carriage returns and ECMA-48 control sequences.
CONTROL = re.compile(r"\r|\x1b\[[0-?]*[ -/]*[@-~]")


class ConsoleError(Exception):
    """What was awaited, and what stood there instead."""


class Console:
    def __init__(self, argv, log):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 120, 0, 0))
        self._log = log
        self._fd = master
        self._text = ""
        self._open = True
        log.write(("$ " + " ".join(map(str, argv)) + "\n").encode())
        self._process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave,
                                         start_new_session=True)
        os.close(slave)
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._fd)

    def _read(self, seconds):
        """Takes in what the program has printed; false when it has closed its terminal."""
        if not select.select([self._fd], [], [], max(seconds, 0))[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux reports a closed terminal as an error
            data = b""
        self._log.write(data)
        self._log.flush()
        self._text = CONTROL.sub("", self._text + data.decode(errors="replace"))
        self._open = bool(data)
        return self._open

    def expect(self, pattern, seconds):
        """Waits for the pattern and consumes the text up to its end."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self._text, re.M)
            if match:
                self._text = self._text[match.end():]
                return match
            left = end - time.monotonic()
            if not self._open or left <= 0:
                why = "the program ended" if not self._open else f"{seconds:.0f} s went by"
                tail = "\n".join(self._text.splitlines()[-15:])
                raise ConsoleError(f"expected `{pattern}`, but {why}; the last lines were:\n{tail}")
            self._read(min(left, 1))

    def type(self, text):
        os.write(self._fd, text.encode())

    def status(self, seconds):
        """The exit status, of which the program itself is to make an end."""
        end = time.monotonic() + seconds
        while self._open and time.monotonic() < end:
            self._read(1)
        try:
            return self._process.wait(max(end - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            tail = "\n".join(self._text.splitlines()[-15:])
            raise ConsoleError(f"expected the program to end in {seconds:.0f} s; "
                               f"the last lines were:\n{tail}") from None
