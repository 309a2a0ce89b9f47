# SPDX-License-Identifier: MIT
"""Bare-metal guests in M mode, made without a toolchain: flat images for the start of RAM.

Random code is made from a table of templates: a word, and the bits of it that may be anything.
Registers x16 to x31 hold data (a field's top bit is in the word, four bits are free), x6 and x7 are
1 and 2 for branches that are always or never taken, x8 points to data, x5 and x9 are scratch.
Formats and numbers: RISC-V unprivileged manual, chapters 2, 27 and 35 (instruction listings)."""

import random
from array import array

RAM, UART, FINISHER = 0x80000000, 0x10000000, 0x100000
PASS = 0x5555
RD, RS1, RS2 = 16 << 7, 16 << 15, 16 << 20  # x16; with the free bits below up to x31
F_RD, F_RS1, F_RS2, F_IMM, F_SHIFT = 15 << 7, 15 << 15, 15 << 20, 0xfff << 20, 63 << 20


def register(funct, opcode=0x33):
    return funct << 12 | opcode | RD | RS1 | RS2, F_RD | F_RS1 | F_RS2


def immediate(funct, free=F_IMM, opcode=0x13):
    return funct << 12 | opcode | RD | RS1, F_RD | F_RS1 | free


def load(funct):  # offsets are multiples of 8 within 2 KiB of x8
    return funct << 12 | 0x03 | RD | 8 << 15, F_RD | 0xff8 << 20


def store(funct):
    return funct << 12 | 0x23 | 8 << 15 | RS2, F_RS2 | 0x7f << 25 | 3 << 10


TEMPLATES = [
    *(register(f) for f in (0, 0, 0x20 << 13, 1, 2, 3, 4, 5, 6, 7)),  # add, sub, sll ... and
    register(0x20 << 13 | 5), register(1 << 13), register(0, 0x3b), register(0x20 << 13, 0x3b),
    *(immediate(f) for f in (0, 0, 0, 2, 3, 4, 6, 7)), immediate(0, opcode=0x1b),
    immediate(1, F_SHIFT), immediate(5, F_SHIFT),
    (0x37 | RD, F_RD | 0xfffff << 12),  # lui
    *(load(f) for f in (3, 3, 2, 6, 1, 4)), *(store(f) for f in (3, 3, 2, 0)),
    # compressed: addi, mv, add
    *[(0x0001 | RD, F_RD | 31 << 2), (0x8002 | RD | 16 << 2, F_RD | 15 << 2),
      (0x9002 | RD | 16 << 2, F_RD | 15 << 2)] * 3,
]


def branch(funct, left, right, offset):
    return (0x63 | funct << 12 | left << 15 | right << 20 | (offset >> 11 & 1) << 7
            | (offset >> 1 & 15) << 8 | (offset >> 5 & 63) << 25 | (offset >> 12 & 1) << 31)


def jump(offset):
    return (0x6f | (offset >> 12 & 255) << 12 | (offset >> 11 & 1) << 20
            | (offset >> 1 & 1023) << 21 | (offset >> 20 & 1) << 31)


def indirect(offset):
    """auipc x5 and jalr x0."""
    return [0x17 | 5 << 7 | (offset + 0x800) & 0xfffff000, 0x67 | 5 << 15 | (offset & 0xfff) << 20]


def set_register(rd, value):
    """lui and addi; values below 2^31."""
    return [0x37 | rd << 7 | (value + 0x800) & 0xfffff000,
            0x13 | rd << 7 | rd << 15 | (value & 0xfff) << 20]


# funct3, left and right register: bne, blt, bge, bltu, bgeu; beq, blt, bge, bltu, bgeu
TAKEN = ((1, 6, 7), (4, 6, 7), (5, 7, 6), (6, 6, 7), (7, 7, 6))
NOT_TAKEN = ((0, 6, 7), (4, 7, 6), (5, 6, 7), (6, 7, 6), (7, 6, 7))


def power_off():
    return [*set_register(5, FINISHER), *set_register(9, PASS), 0x23 | 2 << 12 | 5 << 15 | 9 << 20,
            jump(0)]


def first_instruction():
    return words(power_off())


# On x9: a store to and a load from the UART's scratch register, and what takes no device.
ACCESSES = {"store": 0x23 | 7 << 7 | 5 << 15 | 9 << 20,  # sb x9, 7(x5)
            "load": 0x03 | 9 << 7 | 5 << 15 | 7 << 20,  # lb x9, 7(x5)
            "none": 0x33 | 4 << 12 | 9 << 7 | 9 << 15 | 5 << 20}  # xor x9, x9, x5


def accesses(kind, count):
    """A guest that does one of ACCESSES so many times, in a loop."""
    return words([*set_register(5, UART), *set_register(6, count), ACCESSES[kind],
                  0x13 | 6 << 7 | 6 << 15 | 0xfff << 20, branch(1, 6, 0, -8), *power_off()])


def words(code):
    return array("I", code).tobytes()


def body(bits, count):
    """Straight-line code, as halfwords."""
    out = []
    for _ in range(count):
        r = bits(40)
        word, free = TEMPLATES[(r >> 32) % len(TEMPLATES)]
        word |= r & free
        out.append(word & 0xffff)
        if word & 3 == 3:
            out.append(word >> 16)
    return out


def group(rng):
    """Eight blocks that run one after the other but, the first excepted, lie in another order; the
    last goes to what follows."""
    bits, order = rng.getrandbits, list(range(1, 8))
    rng.shuffle(order)
    blocks, ends = [], []
    for _ in range(8):
        code = body(bits, 2 + bits(3))
        if bits(1):
            word = branch(*rng.choice(NOT_TAKEN), 2 * len(code))
            code += [word & 0xffff, word >> 16, *body(bits, 1 + bits(2))]
        blocks.append(code)
        ends.append("jump" if bits(1) else "branch" if bits(3) > 1 else "indirect")
    size = [2 * len(b) + (8 if e == "indirect" else 4) for b, e in zip(blocks, ends)]
    at, total = {}, 0
    for n in (0, *order):
        at[n] = total
        total += size[n]
    at[8] = total
    out = []
    for n in (0, *order):
        here = at[n] + 2 * len(blocks[n])
        away = at[n + 1] - here
        code = {"jump": lambda: [jump(away)], "indirect": lambda: indirect(away),
                "branch": lambda: [branch(*rng.choice(TAKEN), away)]}[ends[n]]()
        out += blocks[n]
        for word in code:
            out += (word & 0xffff, word >> 16)
    return out


def finish():
    """Prints the sum of the data registers as 16 letters and a newline, and powers off."""
    code = [0x33 | 16 << 7 | 16 << 15 | n << 20 for n in range(17, 32)]  # add x16, x16, xN
    code += set_register(5, UART)
    for shift in range(60, -4, -4):
        code += [0x5013 | 9 << 7 | 16 << 15 | shift << 20,  # srli x9, x16, shift
                 0x7013 | 9 << 7 | 9 << 15 | 15 << 20, 0x13 | 9 << 7 | 9 << 15 | 97 << 20,
                 0x23 | 5 << 15 | 9 << 20]  # andi, addi 'a', sb
    code += [*set_register(9, 10), 0x23 | 5 << 15 | 9 << 20]
    return code + power_off()


def once(size, seed=1, empty=False):
    """A guest that runs `size` bytes of distinct code once; empty: that has it and jumps over it."""
    rng = random.Random(seed)
    setup = [*set_register(6, 1), *set_register(7, 2)]
    for n in range(16, 32):
        setup += set_register(n, rng.getrandbits(31) & 0x7ffff000 | rng.getrandbits(11))
    tail = finish()
    data = size + 0x4000  # from the start of RAM, beyond all code
    here = 4 * len(setup)
    setup += [0x17 | 8 << 7 | data & 0xfffff000, 0]  # auipc x8
    setup[-1] = jump(4) if empty else jump(4 + 4 * len(tail))
    code = array("H")
    while 2 * len(code) < size:
        code.extend(group(rng))
    if 2 * len(code) % 4:
        code.append(0x0001)  # c.nop
    back = words(indirect(-(4 * len(tail) + 2 * len(code))))
    assert here + 4 * len(tail) + 2 * len(code) < data - 0x1000
    return words(setup) + words(tail) + code.tobytes() + back
