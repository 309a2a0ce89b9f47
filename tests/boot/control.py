# SPDX-License-Identifier: MIT
"""The commands of a running machine, as `--control unix:FILE` takes them."""

import socket


class ControlError(Exception):
    """An answer that was an error, or none at all."""


class Control:
    def __init__(self, path, seconds):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("r", encoding="ascii", newline="\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._socket.close()

    def tell(self, line):
        """Sends a command; returns the lines before `ok`."""
        self._socket.sendall(line.encode() + b"\n")
        answer = []
        while True:
            got = self._file.readline().rstrip("\n")
            if got == "ok":
                return answer
            if not got or got.startswith("error: "):
                raise ControlError(f"`{line}`: {got or 'no answer'}")
            answer.append(got)
