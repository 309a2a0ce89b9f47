# SPDX-License-Identifier: MIT
"""Random instruction streams from encodings.tab: cases of 1 to 16 instructions with their state.

A case is made so that most of its instructions complete: pointers point about the borders of the
data pages, jumps go forward inside the code, vector operands are what the vtype allows. A small
part is left to chance, so that faults in the middle of a case occur too.
"""
import random
import re

import vector
from cases import CODE_BYTES, CODE_VA, DATA_VA, EBREAK, INDEX, Case

PAGE = 4096
CENTRES = (DATA_VA + PAGE, DATA_VA + PAGE, DATA_VA + 2 * PAGE, DATA_VA + 3 * PAGE,
           DATA_VA + PAGE - 128, DATA_VA + PAGE + 128, DATA_VA + 3 * PAGE + 128)
SAFE = (DATA_VA + PAGE - 256, DATA_VA + PAGE + 64, DATA_VA + 2 * PAGE - 256,
        DATA_VA + 3 * PAGE + 64)
USER_CSRS = {
    "f": (0x001, 0x002, 0x003), "v": (0x008, 0x009, 0x00a, 0x00f, 0xc20, 0xc21, 0xc22),
}
# Machine and supervisor registers, and counters written: illegal in user mode.
NO_CSRS = (0x100, 0x105, 0x180, 0x300, 0x305, 0x341, 0x344, 0x5a8)
COUNTERS = (0xc00, 0xc01, 0xc02)
PAD = 0x00128293  # addi x5, x5, 1: what a jump skips
LAST_ONLY = ("ebreak", "c.ebreak")

# Zeros, infinities, NaNs, the largest and smallest numbers, those that other formats just do not
# hold, ties, and what rounds up to the smallest normal number of the next smaller format.
S32 = [0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000,
       0x7f800001, 0xffa00000, 0x7fffffff, 0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff,
       0xff7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0xdf000000, 0x3f000000,
       0x3effffff, 0x3fc00000, 0x4b000001, 0x34000000, 0x0da24260, 0x4f800000, 0x5f800000,
       0x40200000, 0x3f801000, 0x3f803000, 0x387ff000, 0x387fe000]
S64 = [0, 1 << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
       0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0xfff4000000000000,
       0x7fffffffffffffff, 1, 0x800fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
       0xffefffffffffffff, 0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000,
       0xc3e0000000000000, 0x41dfffffffc00000, 0x3fe0000000000000, 0x3fdfffffffffffff,
       0x4330000000000001, 0x3ca0000000000000, 0x47efffffe0000000, 0x47effffff0000000,
       0x3690000000000000, 0x36a0000000000000, 0x380fffffc0000000, 0x3e6fffffffffffff,
       0x40effc0000000000, 0x40effe0000000000, 0x3f10000000000000, 0x3ff8000000000000,
       0x4004000000000000, 0x3ff0000010000000, 0x3ff0000030000000, 0x3ff0020000000000,
       0x3ff0060000000000, 0x380ffffff0000000, 0x380fffffe0000000, 0x3f0ffe0000000000,
       0x3f0ffc0000000000]
S16 = [0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xfd55, 0x7fff, 1, 0x83ff,
       0x0400, 0x7bff, 0xfbff, 0x3800, 0x37ff, 0x3e00, 0x6400, 0x5c00, 0x1400, 0x7800, 0x4100]
# What operations treat in a way of its own: zeros, infinities, NaNs, the largest numbers, ones, the
# smallest numbers, and 0.5, 1.5 and 2.5, which are ties. Seldom do two such meet by chance.
SPECIAL = {
    16: [0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x7d01, 0x7bff, 0xfbff, 0x3c00, 0xbc00, 1, 0x8001,
         0x3800, 0x3e00, 0x4100],
    32: [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00001, 0x7f7fffff, 0xff7fffff,
         0x3f800000, 0xbf800000, 1, 0x80000001, 0x3f000000, 0x3fc00000, 0x40200000],
    64: [0, 1 << 63, 0x7ff << 52, 0xfff << 52, 0x7ff8 << 48, 0x7ff4 << 48 | 1,
         0x7fefffffffffffff, 0xffefffffffffffff, 0x3ff << 52, 0xbff << 52, 1, 1 << 63 | 1,
         0x3fe << 52, 0x3ff8 << 48, 0x4004 << 48],
}
INTS = [0, 1, 2, 3, 4, 7, 8, 31, 32, 33, 63, 64, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 1 << 63,
        (1 << 64) - 1, (1 << 64) - 2, (1 << 64) - 128, (1 << 64) - 129, (1 << 64) - (1 << 31),
        0xaaaaaaaaaaaaaaaa, 0x5555555555555555, 0x0123456789abcdef]
BOX = {16: 0xffffffffffff << 16, 32: 0xffffffff << 32, 64: 0}
FORMAT = re.compile(r"\.([hsd])(?=\.|$)")
FORMAT_BITS = {"h": 16, "s": 32, "d": 64}


def near(rng, value, width):
    return (value + rng.choice((0, 0, 1, -1, 2))) & (1 << width) - 1


def random_float(rng, width):
    """A floating-point pattern: often at an edge, else any, with exponents near the middle."""
    kind = rng.randrange(10)
    if kind < 5:
        return near(rng, rng.choice({16: S16, 32: S32, 64: S64}[width]), width)
    if kind < 8:
        exp, bias = {16: (10, 15), 32: (23, 127), 64: (52, 1023)}[width]
        e = bias + rng.randrange(-12, 13)
        return rng.getrandbits(1) << width - 1 | e << exp | rng.getrandbits(exp)
    return rng.getrandbits(width)


class Pools:
    """Values drawn ahead, so that a case costs few calls."""

    def __init__(self, rng, vlenb):
        self.x = [self.integer(rng) for _ in range(2048)]
        self.f = [self.float(rng) for _ in range(2048)]
        self.v = [self.vector(rng, vlenb) for _ in range(1024)]
        self.index = {w: [self.indices(rng, w, vlenb) for _ in range(64)]
                      for w in (8, 16, 32, 64)}

    @staticmethod
    def integer(rng):
        kind = rng.randrange(8)
        if kind < 3:
            return near(rng, rng.choice(INTS), 64)
        if kind == 3:
            return rng.getrandbits(rng.randrange(1, 65))
        if kind == 4:
            return random_float(rng, rng.choice((16, 32, 64)))
        if kind == 5:
            return (-rng.getrandbits(rng.randrange(1, 64))) & (1 << 64) - 1
        return rng.getrandbits(64)

    @staticmethod
    def float(rng):
        kind = rng.randrange(10)
        if kind < 4:
            return random_float(rng, 64)
        if kind < 7:
            return BOX[32] | random_float(rng, 32)
        if kind < 9:
            return BOX[16] | random_float(rng, 16)
        return rng.choice((random_float(rng, 32), 0xfffffffe << 32 | random_float(rng, 32),
                           rng.getrandbits(64)))

    @staticmethod
    def vector(rng, vlenb):
        kind = rng.randrange(8)
        if kind < 2:
            return rng.randbytes(vlenb)
        width = rng.choice((8, 16, 32, 64))
        if kind == 2:
            unit = near(rng, rng.choice(INTS) & (1 << width) - 1, width)
            return unit.to_bytes(width // 8, "little") * (vlenb * 8 // width)
        if kind < 5 or width == 8:
            values = [near(rng, rng.choice(INTS) & (1 << width) - 1, width)
                      for _ in range(vlenb * 8 // width)]
        elif kind < 7:
            values = [random_float(rng, width) for _ in range(vlenb * 8 // width)]
        else:
            values = [rng.randrange(2 * vlenb) & (1 << width) - 1
                      for _ in range(vlenb * 8 // width)]
        return b"".join(v.to_bytes(width // 8, "little") for v in values)

    @staticmethod
    def indices(rng, width, vlenb):
        scale = rng.choice((1, 2, 4, 8))
        return b"".join((rng.randrange(0, 200 // scale) * scale).to_bytes(width // 8, "little")
                        for _ in range(vlenb * 8 // width))


class Generator:
    def __init__(self, table, xlen, vlen, exts, seed):
        self.table, self.xlen, self.vlen, self.exts = table, xlen, vlen, exts
        self.vlenb = vlen // 8
        self.rng = random.Random(f"{seed} {xlen} {vlen}")
        self.pools = Pools(self.rng, self.vlenb)
        self.shapes = {}
        self.vstart_rate = 0.15
        self.rows = [r for r in table.rows if self.usable(r)]
        self.vtypes = [vector.Vtype(s, lm, ta, ma) for s in (8, 16, 32, 64) for lm in range(-3, 4)
                       for ta in (0, 1) for ma in (0, 1) if lm >= 0 or s <= 64 >> -lm]

    def usable(self, row):
        return (row.on(self.xlen) and row.priv == "user"
                and (row.hint or any(set(n) <= self.exts for n in row.needs)))

    def shape(self, row, t):
        key = (row.name, t.sew, t.lmul)
        if key not in self.shapes:
            self.shapes[key] = vector.shape_of(row, t, self.exts)
        return self.shapes[key]

    def case(self, needs, longest=16):
        """One case of rows drawn from needs, a dictionary from row to how often it is wanted."""
        return Builder(self, needs, longest).build()


def is_vset(row):
    return row.name in ("vsetvli", "vsetivli", "vsetvl")


class Builder:
    """What a case under construction knows."""

    def __init__(self, gen, needs, longest):
        self.gen, self.rng = gen, gen.rng
        self.needs = needs
        self.code, self.insns = bytearray(), []
        self.longest = longest
        self.x = self.rng.choices(gen.pools.x, k=32)
        self.f = self.rng.choices(gen.pools.f, k=32)
        self.v = self.rng.choices(gen.pools.v, k=32)
        self.keep, self.keep_v = set(), set()
        self.full = self.rng.random() < 0.05
        self.wild = self.full and self.rng.random() < 0.5
        self.t = self.rng.choice(gen.vtypes)
        vlmax = self.t.vlmax(gen.vlen)
        self.vl = self.rng.choice((0, 1, vlmax, vlmax, vlmax // 2, self.rng.randrange(vlmax + 1),
                                   self.rng.randrange(vlmax + 1)))
        self.vstart = 0
        self.stride = None
        self.set_pointers()

    def set_pointers(self):
        rng = self.rng
        self.sp = 2
        self.low = rng.choice((8, 9, 10, 11, 12, 13, 14, 15))
        self.any = rng.choice([r for r in range(1, 32) if r not in (2, 5, 17, self.low)])
        self.atomic = rng.choice([r for r in range(1, 32)
                                  if r not in (2, 5, 17, self.low, self.any)])
        for r in (self.sp, self.low, self.any):
            self.x[r] = rng.choice(CENTRES) + rng.randrange(-64, 64) * rng.choice((1, 2, 4, 8)) \
                // rng.choice((1, 1, 4))
            if rng.random() < 0.6:
                self.x[r] &= ~7
        self.x[self.sp] -= rng.choice((0, 64, 128, 256)) & ~7
        self.x[self.atomic] = rng.choice(SAFE) & ~63 | rng.choice((0, 0, 16, 32))
        self.keep |= {self.sp, self.low, self.any, self.atomic}

    # ---- choice of rows ----

    def pick(self):
        rows, weights = self.candidates
        return self.rng.choices(rows, weights)[0]

    def floats_of_one_format(self):
        """In half of the cases all f registers hold numbers of one format that the case may use,
        and in most of those only special ones."""
        formats = FORMAT.findall(self.pick().name)
        if not formats or self.rng.random() < 0.5:
            return
        bits = FORMAT_BITS[self.rng.choice(formats)]
        special = self.rng.random() < 0.6
        self.f = [BOX[bits] | (self.rng.choice(SPECIAL[bits]) if special
                               else random_float(self.rng, bits)) for _ in range(32)]

    def build(self):
        gen, rng = self.gen, self.rng
        rows = []
        for r, n in self.needs.items():
            if r.is_vector() and not is_vset(r):
                if gen.shape(r, self.t) is None:
                    continue
            rows.append((r, n))
        # A case is of vector or of scalar instructions in the main, so that each kind gets going.
        vec = [(r, n) for r, n in rows if r.is_vector()]
        scal = [(r, n) for r, n in rows if not r.is_vector()]
        total_v, total_s = sum(n for _, n in vec), sum(n for _, n in scal)
        if total_v + total_s:
            chosen = vec if rng.random() * (total_v + total_s) < total_v else scal
            mixed = rng.random() < 0.1 and scal and vec
            chosen = rows if mixed else chosen
            self.candidates = ([r for r, _ in chosen], [n for _, n in chosen])
            self.floats_of_one_format()
        else:
            return None
        count = rng.randrange(1, self.longest + 1)
        for _ in range(count):
            row = self.pick()
            if len(self.code) > CODE_BYTES - 32:
                break
            if row.name in LAST_ONLY and self.insns and rng.random() < 0.7:
                continue
            if not self.add(row):
                continue
            if row.name in LAST_ONLY or is_vset(row) and rng.random() < 0.8:
                break
            # When such a load shortens vl, the oracle goes on with the old length to the end of its
            # block (vl is what it was reduced to: volume I, 31.7.7): nothing may follow.
            if row.name.endswith("ff.v"):
                break
        return self.finish()

    def first_vstart(self):
        """A start in the middle for a case whose first instruction is a vector one."""
        rng = self.rng
        row = self.insns[0][1] if self.insns else None
        if not row or not row.is_vector() or is_vset(row) or not self.vl or rng.random() > self.gen.vstart_rate:
            return 0
        if vector.VSTART_ZERO.match(row.name) and rng.random() < 0.95:
            return 0
        limit = self.vl
        if row.format in ("VLU", "VSU"):  # their length is not vl
            limit = min(limit, self.gen.vlenb // 8)
        return rng.randrange(limit)

    def finish(self):
        rng = self.rng
        self.vstart = self.first_vstart()
        words = [0] * 80
        words[0] = CODE_VA
        mask = (1 << self.gen.xlen) - 1
        words[1:32] = [v & mask for v in self.x[1:]]
        words[32:64] = self.f
        words[INDEX["fcsr"]] = (rng.choice((0, 0, 0, 0, 1, 2, 3, 4, 4, 1, 2, 3, 5, 6, 7))
                                if rng.random() < 0.5 else rng.randrange(5)) << 5 \
            | rng.choice((0, 0, rng.getrandbits(5)))
        words[INDEX["vl"]] = self.vl
        words[INDEX["vtype"]] = self.t.bits
        words[INDEX["vstart"]] = self.vstart
        words[INDEX["vcsr"]] = rng.getrandbits(3)
        words[INDEX["memory"]] = rng.getrandbits(64)
        words[INDEX["full"]] = int(self.full)
        return Case(bytes(self.code), words, b"".join(self.v), self.insns, self.t)

    # ---- emitting ----

    def emit(self, row, word, counted=True):
        self.insns.append((len(self.code), row, word, counted))
        self.code += word.to_bytes(row.length // 8, "little")

    def emit_named(self, name, **values):
        row = self.gen.table.by_name[name]
        self.emit(row, self.word(row, values), counted=False)

    def word(self, row, values):
        """The row's word with these operands; immediates by value; others random."""
        word = row.match
        for f in row.fields:
            if f.bits:
                if f.name in values:
                    v = values[f.name]
                    raw = 0
                    for place in f.bits:
                        raw = raw << 1 | (v >> place & 1)
                else:
                    raw = self.rng.getrandbits(f.width)
            elif f.name in values:
                raw = values[f.name] - (8 if f.name.endswith("'") else 0)
            else:
                raw = self.rng.getrandbits(f.width)
            word |= raw << f.low
        return word

    def add(self, row):
        """One instruction (and what it needs about it); False if nothing was added."""
        for _ in range(60):
            values = self.operands(row)
            if values is None:
                return False
            word = self.word(row, values)
            if not row.allows(word, self.gen.xlen):
                continue
            if self.gen.table.decode(word, self.gen.xlen, row.length) is not row:
                continue
            if row.name == "c.addi16sp":
                self.sp = self.low  # from here on it points anywhere
            elif self.clobbers(row, word):
                continue
            # After a system call x10 is its result, no pointer; the oracle, which runs these three as
            # no-ops, would not fault where we do.
            if row.name in ("cbo.clean", "cbo.flush", "cbo.inval") and any(
                    r.name == "ecall" for _, r, _, _ in self.insns):
                return False
            # The oracle then writes its constant zero, and x0 reads as that from there on (x0 takes
            # nothing: volume I, 2.6 and 16.1). tests/priv/atomic.c has this case.
            if row.name.startswith("amocas") and not row.arguments(word)["rd"]:
                continue
            return self.place(row, word)
        return False

    def clobbers(self, row, word):
        args = {**row.arguments(word), **(self.gen.table.base(row).implied)}
        if row.has("rd", "rds1", "rd'", "rds1'") or "rd" in row.implied:
            written = {args["rd"]}
            if row.name in ("amocas.q",) or row.name == "amocas.d" and self.gen.xlen == 32:
                written.add(args["rd"] + 1)
            return bool(written & self.keep)
        return row.format in ("CA", "CBSH", "CBI") and args["rd"] in self.keep

    def place(self, row, word):
        base = self.gen.table.base(row)
        self.emit(row, word)
        if base.format in ("B", "J") or base.name == "jalr":
            self.emit_word_pad()
        if row.name.startswith("lr."):
            self.store_conditional(row, word)
        return True

    def emit_word_pad(self):
        self.code += PAD.to_bytes(4, "little")

    def store_conditional(self, row, word):
        """The other half of a pair, most of the time: same width, same address."""
        if self.rng.random() < 0.1:
            return
        args = row.arguments(word)
        if self.rng.random() < 0.5:
            self.emit_named("addi", rd=5, rs1=5, simm=1)
        sc = self.gen.table.by_name["sc." + row.name[3:]]
        rd = self.rng.choice([r for r in range(32) if r not in self.keep])
        self.emit(sc, self.word(sc, {"rs1": args["rs1"], "rd": rd}))

    # ---- operands ----

    def operands(self, row):
        base = self.gen.table.base(row)
        if row.is_vector() and not is_vset(row):
            return self.vector_operands(row)
        if base.format in ("AMO", "LR"):
            return self.atomic_operands(row)
        if base.format in ("B", "J"):
            return {"simm": self.jump_distance(row)}
        if base.name == "jalr":
            return self.jump_operands(row)
        if base.format in ("L", "S", "FL", "FS"):
            return self.memory_operands(row, base)
        if base.format in ("CBO", "PREF"):
            return {"rs1": self.atomic}
        if base.format in ("CSR", "CSRI"):
            return self.csr_operands(row)
        if base.name == "ecall":
            if 17 in self.keep:
                return None
            self.emit_named("addi", rd=17, rs1=0, simm=2047)
        if is_vset(row):
            return self.vset_operands(row)
        if row.has("rm") and self.rng.random() < 0.9:
            return {"rm": self.rng.choice((0, 1, 2, 3, 4, 7, 7, 7))}
        return {}

    def jump_distance(self, row):
        """Over the pad; or out of the code, never back into it, where it could loop."""
        if self.rng.random() < 0.9:
            return row.length // 8 + 4
        top = max(max(f.bits) for f in row.fields if f.bits)
        back = -len(self.code) - 4 & ~1
        return self.rng.choice((self.rng.randrange(-1 << top, back), (1 << top) - 2,
                                self.rng.randrange(CODE_BYTES, 1 << top)))

    def jump_operands(self, row):
        r = self.free_register()
        if r is None:
            return None
        target = CODE_VA + len(self.code) + row.length // 8 + 4
        imm = self.rng.randrange(-2048, 2048) if row.length == 32 else 0
        self.x[r] = target - imm | (self.rng.random() < 0.1 and imm % 2 == 0)
        return {"rs1": r, "simm": imm}

    def memory_operands(self, row, base):
        rng = self.rng
        if row.implied.get("rs1") == 2:
            if self.sp != 2:
                return None
            return {} if rng.random() < 0.3 else {"uimm": rng.randrange(0, 128) & ~7}
        if row.length == 16:
            return {"rs1'": self.low} if rng.random() < 0.3 else \
                {"rs1'": self.low, "uimm": rng.randrange(0, 64)}
        size = {"b": 1, "h": 2, "w": 4, "d": 8}[base.name.rstrip("u")[-1]]
        if self.wild and rng.random() < 0.3:
            return {"rs1": self.wild_pointer(), "simm": rng.randrange(-2048, 2048)}
        imm = rng.randrange(-96, 96)
        if rng.random() < 0.7:
            imm = imm // size * size
        elif rng.random() < 0.2:
            imm = rng.randrange(-2048, 2048)
            self.full = True
        return {"rs1": rng.choice((self.sp, self.low, self.any, self.atomic)), "simm": imm}

    def free_register(self):
        """A register that no instruction of the case has written, kept from now on, or None."""
        written = {i[1].arguments(i[2]).get("rd") for i in self.insns}
        free = [r for r in range(6, 32) if r not in self.keep | written and r not in (10, 17)]
        if not free:
            return None
        r = self.rng.choice(free)
        self.keep.add(r)
        return r

    def wild_pointer(self):
        """A register that points to no memory (the oracle's host must take it for an address)."""
        r = self.free_register()
        if r is None:
            return self.any
        self.x[r] = self.rng.choice((0, 0x1000, DATA_VA - 8192, DATA_VA + 2 * PAGE + 2048,
                                     DATA_VA + 5 * PAGE, CODE_VA - 8192, 0x6ffff000,
                                     0x10000000)) + self.rng.randrange(-16, 16)
        self.x[r] = max(self.x[r], 4096)
        return r

    def atomic_operands(self, row):
        """Aligned: what a misaligned one raises is tested with the privileged behaviour."""
        values = {"rs1": self.atomic}
        if row.name.startswith("amocas") and self.rng.random() < 0.5 and self.xlen_pair(row) == 1:
            rd = self.rng.choice([r for r in range(1, 32) if r not in self.keep])
            values["rd"] = rd
        return values

    def xlen_pair(self, row):
        return 2 if row.name == "amocas.q" or row.name == "amocas.d" and self.gen.xlen == 32 else 1

    def csr_operands(self, row):
        rng = self.rng
        choices = [c for e, cs in USER_CSRS.items() if e in self.gen.exts for c in cs]
        kind = rng.random()
        if kind < 0.1 and "zicntr" in self.gen.exts and row.name == "csrrs":
            return self.counter_operands()
        if kind < 0.13:
            return {"csr": rng.choice(NO_CSRS)}
        if not choices:
            return {"csr": rng.choice(NO_CSRS)}
        csr = rng.choice(choices)
        zero = csr >= 0xc00 and row.name not in ("csrrw", "csrrwi") and rng.random() < 0.95
        values = {"csr": csr}
        if zero:
            values["rs1"] = values["uimm"] = 0
        elif csr in (0xc20, 0xc21, 0xc22) and rng.random() < 0.9:
            values["csr"] = 0x001 if "f" in self.gen.exts else 0x00a
        if values["csr"] == 0x008 and row.name == "csrrwi":
            values["uimm"] = rng.choice((0, 1, 2))
        return values

    def counter_operands(self):
        """A counter read twice: only that it does not run backwards can be compared."""
        regs = [r for r in range(6, 32) if r not in self.keep and r != 17]
        if len(regs) < 3:
            return None
        a, b, c = self.rng.sample(regs, 3)
        counter = self.rng.choice(COUNTERS)
        read = self.gen.table.by_name["csrrs"]
        for r in (a, b):
            self.emit(read, self.word(read, {"rd": r, "csr": counter, "rs1": 0}))
        self.emit_named("sltu", rd=c, rs1=b, rs2=a)
        self.emit_named("addi", rd=a, rs1=0, simm=0)
        self.emit_named("addi", rd=b, rs1=0, simm=0)
        return None

    def vset_operands(self, row):
        rng = self.rng
        t = rng.choice(self.gen.vtypes).bits if rng.random() < 0.85 else rng.getrandbits(11)
        if row.name == "vsetvl":
            r = self.free_register()
            if r is None:
                return None
            self.x[r] = t if rng.random() < 0.9 else t | 1 << self.gen.xlen - 1
            values = {"rs2": r}
        else:
            values = {"uimm": t & (0x3ff if row.name == "vsetivli" else 0x7ff)}
        if rng.random() < 0.2:
            values["rs1"] = 0
        if rng.random() < 0.2:
            values["rd"] = 0
        if values.get("rs1") == 0 and values.get("rd") == 0:
            # This form keeps vl, and is reserved where VLMAX would change: same SEW/LMUL.
            same = [u.bits for u in self.gen.vtypes
                    if u.vlmax(self.gen.vlen) == self.t.vlmax(self.gen.vlen)]
            if row.name == "vsetvl":
                self.x[values["rs2"]] = rng.choice(same)
            elif row.name == "vsetvli":
                values["uimm"] = rng.choice(same)
        return values

    # ---- vector ----

    def vector_operands(self, row):
        rng = self.rng
        shape = self.gen.shape(row, self.t)
        if shape is None:
            return None
        if rng.random() < 0.01 and not shape.memory:
            values = {}
        else:
            values = vector.choose(row, shape, rng, self.keep_v)
            if values is None:
                return None
        if shape.memory:
            return self.vector_memory(row, shape, values)
        if row.has("rs1"):
            values["rs1"] = rng.randrange(32)
        return values

    def vector_memory(self, row, shape, values):
        rng = self.rng
        values["rs1"] = rng.choice((self.low, self.any, self.atomic, self.atomic, self.atomic))
        if row.has("rs2"):
            if self.stride is None:
                self.stride = self.free_register()
                if self.stride is None:
                    return None
                self.x[self.stride] = rng.choice((0, 1, 2, 3, 4, 8, 16, -1, -2, -8, 24, 64)) \
                    & (1 << 64) - 1
            values["rs2"] = self.stride
            self.full = True
        elif row.has("vs2") and "vs2" in values:
            eew, emul = shape.groups["vs2"]
            group = vector.span(values["vs2"], (eew, emul))
            if group & self.keep_v or any(i[1].is_vector() and i[1].has("vd")
                   and self.touches(i[1], i[2], group) for i in self.insns):
                return None
            for r in group:
                self.v[r] = rng.choice(self.gen.pools.index[eew])
            self.keep_v |= group
            self.full = True
        if shape.whole or shape.most_fields > 1 or self.gen.vlen > 128:
            self.full = self.full or rng.random() < 0.5
        return values

    def touches(self, row, word, group):
        shape = self.gen.shape(row, self.t)
        if shape is None or "vd" not in shape.groups:
            return True
        args = row.arguments(word)
        fields = args.get("nf", 1) if row.format.endswith("SEG") else 1
        return bool(vector.span(args["rd"], shape.groups["vd"], fields) & group)


def executed(case, words):
    """The rows that a case ran, by where and how it ended (words of the result)."""
    end = words[0] - CODE_VA
    cause = words[INDEX["cause"]]
    rows = []
    for offset, row, _, counted in case.insns:
        if counted and (offset < end or offset == end and cause in (1, 3, 4)
                        and row.format != "VSETVLI"):
            rows.append(row)
    return rows


def describe(case, words):
    """The case in words, with a mark where it ended."""
    lines = []
    end = words[0] - CODE_VA if words else -1
    for offset, row, word, _ in case.insns:
        mark = "=>" if offset == end else "  "
        args = " ".join(f"{k}={v}" for k, v in sorted(row.arguments(word).items()))
        lines.append(f"    {mark} {offset:3d}: {word:0{row.length // 4}x}  {row.name} {args}")
    return "\n".join(lines)


assert len(EBREAK) == 4
