#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes first inputs of fuzz_device.c: what drivers do, at the addresses of device.toml.

    device_seeds.py FOLDER
"""
import pathlib
import struct
import sys

READ, WRITE, POKE, TIME, RECEIVE, STREAM, WIRE, STORE, LOAD, RESET, PLUG = range(11)
WORD, BYTE, HALF, DOUBLE = range(4)
RAM = 0x8000_0000
DESC, AVAIL, USED, DATA = 0x1000, 0x2000, 0x3000, 0x4000


def step(what, which=0, size=0, param=0, offset=0, value=0):
    return struct.pack("<BBBBIQ", what, which, size, param, offset, value & (1 << 64) - 1)


def store(address, value, size=WORD):
    return step(STORE, 0, size, 0, address, value)


def load(address, size=WORD):
    return step(LOAD, 0, size, 0, address)


def poke(offset, *values, half=False):
    """Eight bytes each, or two."""
    size = 2 if half else 8
    return b"".join(step(POKE, 0, 0, int(half), offset + size * i, v) for i, v in enumerate(values))


def ring(base, queue, chain, size=8):
    """Sets a queue up in memory of its own and offers one chain: [(length, flags)...]."""
    shift = queue * 0x400
    desc, avail, used = DESC + shift, AVAIL + shift, USED + shift
    out = store(base + 0x30, queue) + store(base + 0x38, size)
    for register, place in ((0x80, desc), (0x90, avail), (0xa0, used)):
        out += store(base + register, RAM + place) + store(base + register + 4, 0)
    for n, (length, flags) in enumerate(chain):
        more = n + 1 < len(chain)
        out += poke(desc + 16 * n, RAM + DATA + 0x100 * n,
                    length | (flags | more) << 32 | (n + 1) << 48)
    out += poke(avail, 0, 1, 0, half=True)
    return out + store(base + 0x44, 1)


def driver(base, queues, low=0):
    out = load(base) + store(base + 0x70, 0) + store(base + 0x70, 3)
    out += store(base + 0x14, 0) + load(base + 0x10) + store(base + 0x24, 1) + store(base + 0x20, 1)
    out += store(base + 0x24, 0) + store(base + 0x20, low)
    out += store(base + 0x70, 11)
    for n, chain in enumerate(queues):
        out += ring(base, n, chain)
    return out + store(base + 0x70, 15)


def seeds():
    rng, console = 0x1000_1000, 0x1000_2000
    uart, plic, clint, rtc, flash = 0x1000_0000, 0xc00_0000, 0x200_0000, 0x10_1000, 0x2000_0000
    yield "rng", driver(rng, [[(64, 2), (32, 2)]]) + store(rng + 0x50, 0) + load(rng + 0x60) + store(
        rng + 0x64, 3)
    # indirect descriptors and event indices, as far as they are offered
    yield "rng-features", (driver(rng, [[(16, 4)]], 0x3000_0000) + poke(DATA, RAM + DATA + 64, 32 | 2 << 32) +
                           store(rng + 0x50, 0) + poke(AVAIL, 0, 2, 0, 0, half=True) + store(rng + 0x50, 0))
    # a read, and a write with its header in the first 16 bytes of the data; flush and zeroes negotiated
    disk = 0x1000_3000
    header = poke(DATA, 0, 3)
    yield "disk-read", (header + driver(disk, [[(16, 0), (512, 2), (1, 2)]], 0x6e44) +
                        store(disk + 0x50, 0) + step(TIME, 0, 0, 3, 0, 1 << 20) + load(disk + 0x60))
    for name, kind, data in (("write", 1, 512), ("flush", 4, 0), ("id", 8, 20), ("zeroes", 13, 16)):
        chain = [(16, 0)] + ([(data, 2 if kind == 8 else 0)] if data else []) + [(1, 2)]
        yield "disk-" + name, (poke(DATA, kind, 3) + poke(DATA + 0x100, 8, 4 | 1 << 32) +
                               driver(disk, [chain], 0x6e44) + store(disk + 0x50, 0) +
                               step(TIME, 0, 0, 3, 0, 1 << 20) + store(disk + 0x120, 0, BYTE) +
                               store(disk + 0x70, 0))
    old = 0x3006_0000
    yield "disk-old", (poke(DATA, 0, 3) + b"".join(store(old + at, v) for at, v in (
        (0x28, 4096), (0x70, 3), (0x20, 0x240), (0x30, 0), (0x38, 8), (0x3c, 4096), (0x40, 0x80001),
        (0x70, 7))) + poke(DESC, RAM + DATA, 16 | 1 << 32 | 1 << 48, RAM + DATA + 512,
                           512 | 3 << 32 | 2 << 48, RAM + DATA, 1 | 2 << 32) +
                       poke(DESC + 128, 0, 1, 0, half=True) + store(old + 0x50, 0))
    yield "console", (driver(console, [[(64, 2)], [(16, 0), (200, 0)]]) + store(console + 0x50, 0) +
                      store(console + 0x50, 1) + step(RECEIVE, 1, 0, 100, 0, 0x6162636465666768) +
                      step(RECEIVE, 0, 0, 100, 0, 0x6162636465666768) + store(console + 0x108, 65))
    yield "console-full", (step(STREAM, 1, 0, 9, 10) + step(STREAM, 0, 0, 9, 10) +
                           driver(console, [[(64, 2)], [(200, 0)]]) + store(console + 0x50, 1) +
                           step(STREAM, 0, 0, 4, 33) + step(STREAM, 1, 0, 4, 33) +
                           store(console + 0x70, 0) + step(STREAM, 1, 0, 4, 33) + step(RESET))
    # DEVICE_READY, with a buffer for what the device answers; then PORT_READY and PORT_OPEN of port 1
    control = [[(64, 2)], [(16, 0)], [(64, 2)], [(8, 0)]]
    yield "console-ports", (poke(DATA, 1 << 48) + driver(console, control, 2) + store(console + 0x50, 3) +
                            b"".join(poke(DATA, 1 | event << 32 | 1 << 48) +
                                     poke(AVAIL + 0xc00, 0, n, 0, 0, 0, half=True) +
                                     poke(AVAIL + 0x800, 0, n, 0, 0, 0, half=True) +
                                     store(console + 0x50, 3) + store(console + 0x50, 2)
                                     for n, event in ((2, 3), (3, 6))) +
                            step(RECEIVE, 2, 0, 9, 0, 0x61) + step(STREAM, 2, 0, 4, 2))
    keyboard = 0x1000_6000
    line = int.from_bytes(b"key a\n#\n", "little")
    yield "keyboard", (driver(keyboard, [[(8, 2)], [(8, 0)]]) + step(RECEIVE, 3, 0, 8, 0, line) +
                       poke(AVAIL, 0, 4, 0, 0, 0, 0, half=True) + store(keyboard + 0x50, 0) +
                       poke(DATA, 0x11 | 1 << 16 | 1 << 32) + store(keyboard + 0x50, 1) +
                       b"".join(store(keyboard + 0x100, select, BYTE) +
                                store(keyboard + 0x101, sub, BYTE) + load(keyboard + 0x102, BYTE) +
                                load(keyboard + 0x108) for select, sub in (
                                    (1, 0), (3, 0), (0x11, 1), (0x11, 0x14), (0x12, 0), (0xff, 0xff))) +
                       step(RECEIVE, 3, 0, 8, 0, line) + store(keyboard + 0x70, 0))
    yield "uart", (b"".join(store(uart + n, v, BYTE) for n, v in (
        (3, 0x83), (0, 1), (1, 0), (3, 3), (2, 0xc7), (4, 0x1b), (1, 15), (0, 65))) +
        step(RECEIVE, 0, 0, 40, 0, 0x313233) + step(RECEIVE, 1, 0, 40, 0, 0x313233) +
        step(STREAM, 0, 0, 1) + step(TIME, 0, 0, 20, 0, 1 << 50) +
        b"".join(load(uart + n, BYTE) for n in range(8)))
    wide, narrow, fixed = 0x3003_0000, 0x3100_0000, 0x3110_0000
    yield "uart-wide", b"".join(store(wide + 4 * n, v) + load(wide + 4 * n, n % 4) for n, v in (
        (3, 0x83), (0, 1), (3, 3), (2, 0x7), (4, 0x1b), (1, 15), (0, 65), (5, 0), (6, 0), (7, 9)))
    yield "flash-narrow", (
        store(narrow + 0x55, 0x98, BYTE) + load(narrow + 0x10, BYTE) + store(narrow, 0xff, BYTE) +
        store(narrow, 0x60, BYTE) + store(narrow, 0xd0, BYTE) + store(narrow, 0x20, BYTE) +
        store(narrow, 0xd0, BYTE) + store(narrow, 0xe8, BYTE) + store(narrow, 1, BYTE) +
        store(narrow, 5, BYTE) + store(narrow + 1, 6, BYTE) + store(narrow, 0xd0, BYTE) +
        store(narrow, 0x40, BYTE) + store(narrow + 0xffff, 9, BYTE) + store(narrow, 0x90, BYTE) +
        load(narrow) + store(fixed, 0x4040, HALF) + store(fixed, 5, HALF) + load(fixed, HALF))
    # queues that are full, and that have wrapped around
    yield "uart-fifo", (
        store(uart + 2, 1, BYTE) + step(STREAM, 0, 0, 0, 5) + step(STREAM, 1, 0, 0, 5) +
        step(STORE, 0, BYTE | 128, 31, uart, 65) + step(STREAM, 0, 0, 4, 9) + step(STREAM, 1, 0, 4, 9) +
        step(STORE, 0, BYTE | 128, 31, uart, 66) + 2 * (
            step(RECEIVE, 0, 0, 12, 0, 0x41) + step(RECEIVE, 1, 0, 12, 0, 0x41) +
            step(LOAD, 0, BYTE | 128, 10, uart) + step(RECEIVE, 0, 0, 40, 0, 0x42) +
            step(RECEIVE, 1, 0, 40, 0, 0x42)) + store(uart + 4, 0x10, BYTE) +
        step(STORE, 0, BYTE | 128, 20, uart, 67))
    yield "plic", (store(plic + 4 * 10, 7) + store(plic + 0x2000, 0x400) + store(plic + 0x20_0000, 0) +
                   b"".join(step(WIRE, 0, 0, 1, n) for n in range(40)) + load(plic + 0x20_0004) +
                   store(plic + 0x20_0004, 10) + load(plic + 0x1000))
    yield "timer", (store(clint + 0x4000, 1000, DOUBLE) + store(clint, 1) +
                    step(TIME, 0, 0, 10, 0, 1 << 40) + load(clint + 0xbff8, DOUBLE) +
                    store(clint + 0xbff8, 1 << 63, DOUBLE) + store(0x3000_8000, 1 << 62, DOUBLE) +
                    store(0x3002_0000, 1) + store(0x3001_0004, 1))
    yield "rtc", (load(rtc) + load(rtc + 4) + store(rtc + 0xc, 1) + store(rtc + 8, 1000) +
                  store(rtc + 0x10, 1) + step(TIME, 0, 0, 3, 0, 1 << 44) + store(rtc + 0x14, 1))
    yield "flash", (store(flash, 0x98_0098) + load(flash + 0x40) + store(flash, 0xff_00ff) +
                    store(flash, 0x20_0020) + store(flash, 0xd0_00d0) + load(flash) +
                    store(flash, 0xe8_00e8) + store(flash, 0x3_0003) +
                    b"".join(store(flash + 4 * n, 0x1234) for n in range(4)) +
                    store(flash, 0xd0_00d0) + store(flash, 0x40_0040) + store(flash + 8, 5) +
                    store(flash, 0x60_0060) + store(flash, 0x1_0001) + store(flash, 0x70_0070) +
                    load(flash) + store(flash, 0xff_00ff) + load(flash, DOUBLE))
    yield "finisher", store(0x10_0000, 0x5555) + store(0x10_0000, 0x3333_1234) + store(
        0x10_0000, 0x7777) + step(RESET)
    # every card is pulled and plugged, asked for and plugged, and pulled once more, with a reset meanwhile
    yield "cards", b"".join(step(PLUG, 0, 0, param, n) for param in (2, 0, 1, 0, 2) for n in range(16)) + step(
        RESET) + b"".join(step(PLUG, 0, 0, 0, n) for n in range(16))
    # a port leaves with bytes under way in both directions, and comes back
    yield "console-unplug", (poke(DATA, 1 << 48) + driver(console, control, 2) + store(console + 0x50, 3) +
                             step(STREAM, 2, 0, 4, 0) + step(RECEIVE, 2, 0, 9, 0, 0x61) +
                             b"".join(step(PLUG, 0, 0, param, n) for param in (2, 0) for n in range(16)) +
                             store(console + 0x50, 2) + step(RECEIVE, 2, 0, 9, 0, 0x61))
    yield "sizes", b"".join(step(what, which, size, 17, 3, 0x0123456789abcdef)
                            for which in range(32) for size in (6, 14, 22, 70, 7) for what in
                            (READ, WRITE))


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, data in seeds():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
