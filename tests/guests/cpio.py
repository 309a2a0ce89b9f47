# SPDX-License-Identifier: MIT
"""A writer of "newc" cpio archives (the kernel's initramfs buffer format), without root and with
the same bytes for the same input: owners, times and inode numbers are not the host's."""

import stat


class Archive:
    def __init__(self):
        self._parts = []
        self._inode = 0

    def _pad(self, size):
        self._parts.append(b"\0" * (-size % 4))

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._inode += 1
        raw = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(raw), 0)
        self._parts.append(b"070701" + b"".join(b"%08X" % f for f in fields) + raw)
        self._pad(110 + len(raw))
        self._parts.append(data)
        self._pad(len(data))

    def folder(self, name):
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, name, major, minor, mode=0o600):
        self._entry(name, stat.S_IFCHR | mode, device=(major, minor))

    def bytes(self):
        """The whole archive, with its trailer."""
        self._inode = -1
        self._entry("TRAILER!!!", 0)
        return b"".join(self._parts)
