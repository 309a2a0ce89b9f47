#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads encodings.tab and writes the decoder in C (rv_encodings.h, rv_encodings.c).

The same parser serves tests/isa/. See the head of encodings.tab for the form of the table.

    gen_decode.py TABLE --header OUT --source OUT      the decoder
    gen_decode.py TABLE --vectors OUT [--seed N]       words with the expected result, for the
                                                       decoder's unit test
    gen_decode.py TABLE --check                        look for rows that match the same words

In meson.build:

    rv_table = files('encodings.tab')
    rv_encodings = custom_target('rv_encodings',
      input: ['gen_decode.py', rv_table], output: ['rv_encodings.h', 'rv_encodings.c'],
      command: [python, '@INPUT0@', '@INPUT1@', '--check',
                '--header', '@OUTPUT0@', '--source', '@OUTPUT1@'])
    rv_vectors = custom_target('rv_vectors',
      input: ['gen_decode.py', rv_table], output: 'rv_vectors.inc',
      command: [python, '@INPUT0@', '@INPUT1@', '--vectors', '@OUTPUT@'])
    test('decode', executable('decode_test', 'decode_test.c', rv_encodings, rv_vectors,
                              dependencies: glib))
"""
import argparse
import random
import re
import sys

WIDTHS = {
    "rd": 5, "rs1": 5, "rs2": 5, "rds1": 5,
    "fd": 5, "fs1": 5, "fs2": 5, "fs3": 5,
    "vd": 5, "vs1": 5, "vs2": 5, "vs3": 5,
    "rd'": 3, "rs1'": 3, "rs2'": 3, "rds1'": 3, "fd'": 3, "fs2'": 3,
    "csr": 12, "avl": 5, "rm": 3, "fm": 4, "pred": 4, "succ": 4,
    "aq": 1, "rl": 1, "vm": 1, "nf": 3,
}
# The member of struct rv_args that a field fills.
MEMBER = {
    "rds1": "rd", "fd": "rd", "vd": "rd", "fs1": "rs1", "vs1": "rs1",
    "fs2": "rs2", "vs2": "rs2", "fs3": "rs3", "vs3": "rs3",
}
OPERANDS = ("rd", "rs1", "rs2")
HINT, PRIV, FP, VECTOR, COMPRESSED = 1, 2, 4, 8, 16
NO_BASE_VM = ("vsetvli", "vsetivli", "vsetvl")


class TableError(Exception):
    pass


class Field:
    """One operand field: its place in the word and, for an immediate, the place of its bits."""

    def __init__(self, name, high, width, bits=None):
        self.name, self.high, self.width, self.bits = name, high, width, bits
        self.low = high - width + 1

    def raw(self, word):
        return word >> self.low & (1 << self.width) - 1

    def layout(self):
        return (self.name, self.high, self.width, tuple(self.bits or ()))


class Row:
    def __init__(self, where, cells):
        self.where = where
        (self.name, bits, self.format, exts, self.xlens, self.priv, attrs) = cells
        self.needs = [tuple(e.split("+")) for e in exts.split(",")]
        self.ext = self.needs[0][0]
        self.fields, self.mask, self.match = [], 0, 0
        self.constraints, self.implied = [], {}
        self.expands, self.over, self.hint = None, [], False
        self.parse_bits(bits)
        self.parse_attributes(attrs)
        if self.xlens not in ("32", "64", "both") or self.priv not in ("user", "priv"):
            raise TableError(f"{where}: {self.name}: xlens or class is not one of the known words")

    def parse_bits(self, bits):
        tokens = []
        for text in bits.split():
            if re.fullmatch("[01]+", text):
                tokens.append((text, len(text), None))
            elif m := re.fullmatch(r"([su]imm)\[([0-9:|]+)\]", text):
                places = []
                for part in m[2].split("|"):
                    ends = [int(x) for x in part.split(":")]
                    places += range(ends[0], ends[-1] - 1, -1)
                tokens.append((m[1], len(places), places))
            elif text in WIDTHS:
                tokens.append((text, WIDTHS[text], None))
            else:
                raise TableError(f"{self.where}: {self.name}: {text} is no bits and no field")
        self.length = sum(t[1] for t in tokens)
        if self.length not in (16, 32):
            raise TableError(f"{self.where}: {self.name}: {self.length} bits instead of 16 or 32")
        high = self.length - 1
        for text, width, places in tokens:
            low = high - width + 1
            if text[0] in "01":
                self.mask |= ((1 << width) - 1) << low
                self.match |= int(text, 2) << low
            else:
                self.fields.append(Field(text, high, width, places))
            high = low - 1

    def parse_attributes(self, attrs):
        for a in attrs.split():
            if m := re.fullmatch(r"expands=(\S+)", a):
                self.expands = m[1]
            elif m := re.fullmatch(r"over=(\S+)", a):
                self.over.append(m[1])
            elif a == "hint":
                self.hint = True
            elif m := re.fullmatch(r"(rd|rs1|rs2)=(\d+)", a):
                self.implied[m[1]] = int(m[2])
            elif a == "novm0":
                self.constraints.append(("novm0",))
            elif a == "uimm<xlen":
                self.constraints.append(("shift",))
            elif m := re.fullmatch(r"(\w+)!=(\w+)", a):
                self.constraints.append(("ne", m[1], m[2]))
            elif m := re.fullmatch(r"(rv32:)?even\((\w+)\)", a):
                self.constraints.append(("align", m[2], 2, 32 if m[1] else None))
            elif m := re.fullmatch(r"align\((\w+),(\d+)\)", a):
                self.constraints.append(("align", m[1], int(m[2]), None))
            else:
                raise TableError(f"{self.where}: {self.name}: unknown attribute {a}")
        if any(f.name == "rm" for f in self.fields):
            self.constraints.append(("rm",))

    def has(self, *names):
        return any(f.name in names for f in self.fields)

    def on(self, xlen):
        return self.xlens in ("both", str(xlen))

    def immediate(self, word):
        """The immediate's value, or None; and its parts as (low bit in word, width, place)."""
        parts = [f for f in self.fields if f.bits]
        if not parts:
            return None
        value = 0
        for f in parts:
            raw = f.raw(word)
            for i, place in enumerate(f.bits):
                value |= (raw >> (f.width - 1 - i) & 1) << place
        top = max(max(f.bits) for f in parts)
        if parts[0].name == "simm" and value >> top & 1:
            value -= 1 << (top + 1)
        return value

    def value(self, name, word):
        if name in ("simm", "uimm"):
            return self.immediate(word)
        for f in self.fields:
            if f.name == name:
                return f.raw(word)
        raise TableError(f"{self.where}: {self.name}: a constraint names {name}, not a field")

    def allows(self, word, xlen):
        for c in self.constraints:
            if c[0] == "novm0" and not self.value("vm", word) and not self.value("vd", word):
                return False
            if c[0] == "shift" and self.immediate(word) >= xlen:
                return False
            if c[0] == "rm" and self.value("rm", word) in (5, 6):
                return False
            if c[0] == "align" and c[3] in (None, xlen) and self.value(c[1], word) % c[2]:
                return False
            if c[0] == "ne":
                other = int(c[2]) if c[2].isdigit() else self.value(c[2], word)
                if self.value(c[1], word) == other:
                    return False
        return True

    def matches(self, word, xlen):
        return self.on(xlen) and word & self.mask == self.match and self.allows(word, xlen)

    def random_word(self, rng, xlen):
        """A word of this row with random operands, or None when none was found."""
        for _ in range(5000):
            word = rng.getrandbits(self.length) & ~self.mask | self.match
            if self.allows(word, xlen):
                return word
        return None

    def arguments(self, word):
        """What rv_extract must give, as a dictionary."""
        args = dict(self.implied)
        for f in self.fields:
            raw = f.raw(word)
            if f.bits:
                continue
            name = f.name
            if name.endswith("'"):
                name, raw = name[:-1], raw + 8
            if name == "rds1":
                args["rs1"] = raw
            if name == "nf":
                raw += 1
            args[MEMBER.get(name, name)] = raw
        imm = self.immediate(word)
        if imm is not None:
            args["imm"] = imm
        if self.is_vector() and self.name not in NO_BASE_VM:
            args["vm"] = word >> 25 & 1
            if word & 0x7f in (0x07, 0x27):
                args["nf"] = (word >> 29 & 7) + 1
        return args

    def is_vector(self):
        return self.length == 32 and self.ext == "v"

    def flags(self):
        flags = (HINT if self.hint else 0) | (PRIV if self.priv == "priv" else 0)
        opfvv = self.is_vector() and self.match & 0x707f == 0x1057  # raises floating-point flags
        if opfvv or self.has("fd", "fs1", "fs2", "fs3", "fd'", "fs2'"):
            flags |= FP
        if self.is_vector():
            flags |= VECTOR
        return flags | (COMPRESSED if self.length == 16 else 0)


class Table:
    def __init__(self, path):
        self.rows, self.exts = [], []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                line = line.split("#")[0].rstrip()
                if not line:
                    continue
                where = f"{path}:{number}"
                if line.startswith("extensions "):
                    self.exts += line.split()[1:]
                    continue
                cells = [c.strip() for c in re.split(r"\s+\|\s*", line + " ")]
                if len(cells) != 7:
                    raise TableError(f"{where}: {len(cells)} columns instead of 7")
                self.rows.append(Row(where, cells))
        self.by_name = {r.name: r for r in self.rows}
        if len(self.by_name) != len(self.rows):
            seen = set()
            for r in self.rows:
                if r.name in seen:
                    raise TableError(f"{r.where}: {r.name} stands twice in the table")
                seen.add(r.name)
        for r in self.rows:
            for need in r.needs:
                for e in need:
                    if e not in self.exts:
                        raise TableError(f"{r.where}: {r.name}: {e} is not in a line `extensions`")
            for name in [r.expands] if r.expands else []:
                if name not in self.by_name or self.by_name[name].expands:
                    raise TableError(f"{r.where}: {r.name}: expands={name}: no such base row")
        self.check_formats()
        self.candidates = {}  # rows by length and opcode, the more special first
        for length in (16, 32):
            for r in self.ordered(length):
                key = (length, r.match & self.low_bits(length))
                self.candidates.setdefault(key, []).append(r)

    def check_formats(self):
        self.formats = {}
        for r in self.rows:
            layout = tuple(f.layout() for f in r.fields)
            if self.formats.setdefault(r.format, layout) != layout:
                raise TableError(f"{r.where}: {r.name}: its fields are not those of the other rows "
                                 f"of format {r.format}")

    def base(self, row):
        return self.by_name[row.expands] if row.expands else row

    def ordered(self, length):
        rows = [r for r in self.rows if r.length == length]
        return sorted(rows, key=lambda r: -bin(r.mask).count("1"))

    def decode(self, word, xlen, length):
        """The slow and obvious decoder, against which the generated one is tested."""
        for r in self.candidates.get((length, word & self.low_bits(length)), ()):
            if r.matches(word, xlen):
                return r
        return None

    @staticmethod
    def low_bits(length):
        return 0x3 if length == 16 else 0x7f

    def overlaps(self, seed=1):
        """Pairs of rows that a word can match both, found by trying random common words."""
        rng = random.Random(seed)
        for i, a in enumerate(self.rows):
            for b in self.rows[i + 1:]:
                if a.length != b.length or a.mask & b.mask & (a.match ^ b.match):
                    continue
                fixed, match = a.mask | b.mask, a.match | b.match
                for _ in range(400):
                    word = rng.getrandbits(a.length) & ~fixed | match
                    xlen = rng.choice((32, 64))
                    if a.matches(word, xlen) and b.matches(word, xlen):
                        yield (a, b) if bin(a.mask).count("1") > bin(b.mask).count("1") else (b, a)
                        break

    def check_overlaps(self):
        found = set()
        for special, general in self.overlaps():
            found.add((special.name, general.name))
            if general.name not in special.over or general.mask & ~special.mask:
                raise TableError(f"{special.where}: {special.name} and {general.name} match the "
                                 f"same words: add over={general.name} if that is meant")
        for r in self.rows:
            for name in r.over:
                if (r.name, name) not in found:
                    raise TableError(f"{r.where}: {r.name}: over={name}, but no word matches both")


# ---- C ----

def ident(prefix, name):
    return prefix + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def op_name(row):
    return ident("RV_OP_", row.name)


def c_raw(field):
    return f"(insn >> {field.low} & {(1 << field.width) - 1:#x})"


def c_value(row, name):
    if name in ("simm", "uimm"):
        total = " | ".join(f"(insn & {((1 << f.width) - 1) << f.low:#x})"
                           for f in row.fields if f.bits)
        return f"({total})"
    for f in row.fields:
        if f.name == name:
            return c_raw(f)
    raise TableError(f"{row.where}: {row.name}: a constraint names {name}, not a field")


def c_condition(row):
    terms = []
    if row.xlens != "both":
        terms.append(f"xlen == {row.xlens}")
    for c in row.constraints:
        if c[0] == "novm0":
            terms.append(f"({c_value(row, 'vm')} || {c_value(row, 'vd')})")
        elif c[0] == "shift":
            top = [f for f in row.fields if f.bits and 5 in f.bits][0]
            bit = top.low + top.width - 1 - top.bits.index(5)
            terms.append(f"(xlen == 64 || !(insn >> {bit} & 1))")
        elif c[0] == "rm":
            terms.append(f"!rm_reserved({c_value(row, 'rm')})")
        elif c[0] == "align":
            test = f"{c_value(row, c[1])} % {c[2]} == 0"
            terms.append(f"(xlen != {c[3]} || {test})" if c[3] else test)
        elif c[0] == "ne":
            other = c[2] if c[2].isdigit() else c_value(row, c[2])
            terms.append(f"{c_value(row, c[1])} != {other}")
    return " && ".join(terms)


def best_field(rows, length):
    """The widest-spreading run of at most 7 bits that every row fixes, or None."""
    common = (1 << length) - 1
    for r in rows:
        common &= r.mask
    best = None
    for low in range(length):
        for width in range(1, 8):
            field = ((1 << width) - 1) << low
            if low + width > length or field & ~common:
                break
            values = len({r.match & field for r in rows})
            if values > 1 and (best is None or values > best[0]):
                best = (values, low, width)
    return best


def emit_tree(rows, length, indent, out):
    pad = "\t" * indent
    best = best_field(rows, length) if len(rows) > 1 else None
    if not best:
        for r in rows:  # ordered: the row with more fixed bits first
            full = f"(insn & {r.mask:#x}) == {r.match:#x}"
            cond = c_condition(r)
            out.append(f"{pad}if ({full}{' && ' + cond if cond else ''})")
            out.append(f"{pad}\treturn {op_name(r)};")
        out.append(f"{pad}return RV_OP_ILLEGAL;")
        return
    _, low, width = best
    field = (1 << width) - 1
    out.append(f"{pad}switch (insn >> {low} & {field:#x}) {{")
    for value in sorted({r.match >> low & field for r in rows}):
        out.append(f"{pad}case {value:#x}:")
        emit_tree([r for r in rows if r.match >> low & field == value], length, indent + 1, out)
    out += [f"{pad}default:", f"{pad}\treturn RV_OP_ILLEGAL;", f"{pad}}}"]


def emit_decoder(table, length, out):
    kind = "uint32_t" if length == 32 else "uint16_t"
    out += ["", f"enum rv_op rv_decode{length}({kind} word, unsigned xlen)", "{",
            "\tuint32_t insn = word;", ""]
    emit_tree(table.ordered(length), length, 1, out)
    out.append("}")


def emit_format(name, layout, table, out):
    out.append(f"\tcase {ident('RV_FORMAT_', name)}:")
    parts, top, signed = [], 0, False
    for fname, high, width, bits in layout:
        f = Field(fname, high, width, list(bits))
        if bits:
            signed, top = fname == "simm", max(top, *bits)
            i = 0
            while i < width:  # one term for each run of bits that stay together
                j = i
                while j + 1 < width and bits[j + 1] == bits[j] - 1:
                    j += 1
                low, place = high - j, bits[j]
                mask = (1 << (j - i + 1)) - 1
                parts.append(f"(insn >> {low} & {mask:#x}) << {place}")
                i = j + 1
            continue
        raw = c_raw(f)
        if fname.endswith("'"):
            fname, raw = fname[:-1], f"8 + {raw}"
        if fname == "rds1":
            out.append(f"\t\ta->rs1 = {raw};")
        if fname == "nf":
            raw = f"1 + {raw}"
        out.append(f"\t\ta->{MEMBER.get(fname, fname)} = {raw};")
    if parts:
        text = " | ".join(parts)
        out.append(f"\t\ta->imm = {f'sign_extend({text}, {top})' if signed else f'(int32_t)({text})'};")
    rows = [r for r in table.rows if r.format == name]
    if all(r.is_vector() and r.name not in NO_BASE_VM for r in rows):
        if not any(l[0] == "vm" for l in layout):
            out.append("\t\ta->vm = insn >> 25 & 1;")
        if any(r.match & 0x7f in (0x07, 0x27) for r in rows) and not any(l[0] == "nf" for l in layout):
            out.append("\t\ta->nf = 1 + (insn >> 29 & 7);")
    out.append("\t\tbreak;")


BANNER = "/* SPDX-License-Identifier: MIT */\n/* Made from encodings.tab by gen_decode.py. */\n"


def header(table):
    out = [BANNER + """#ifndef RV_ENCODINGS_H
#define RV_ENCODINGS_H

#include <stdbool.h>
#include <stdint.h>

/* An extension; its number is its bit in the masks below. */
enum rv_ext {"""]
    out += [f"\t{ident('RV_EXT_', e)}," for e in table.exts]
    out += ["\tRV_EXT_COUNT,", "};", "", "enum rv_op {", "\tRV_OP_ILLEGAL,"]
    out += [f"\t{op_name(r)}," for r in table.rows]
    out += ["\tRV_OP_COUNT,", "};", "", "enum rv_format {"]
    out += [f"\t{ident('RV_FORMAT_', f)}," for f in table.formats]
    needs = max(len(r.needs) for r in table.rows)
    out += ["\tRV_FORMAT_COUNT,", "};", "", f"#define RV_NEED_MAX {needs}", """
enum rv_row_flags {
	RV_ROW_HINT = 1,        /* a no-op where its extension is off: never illegal */
	RV_ROW_PRIV = 2,        /* not for user mode */
	RV_ROW_FP = 4,          /* reads or writes f registers or fflags: mstatus.FS must not be off */
	RV_ROW_VECTOR = 8,      /* mstatus.VS must not be off */
	RV_ROW_COMPRESSED = 16, /* 16 bits long */
};

struct rv_row {
	const char *name;
	uint64_t need[RV_NEED_MAX]; /* alternatives: masks of extensions; unused ones are 0 */
	uint32_t mask, match;
	uint8_t ext;    /* enum rv_ext, the first it needs */
	uint8_t format; /* enum rv_format */
	uint8_t xlens;  /* 1: RV32, 2: RV64 */
	uint8_t flags;  /* enum rv_row_flags */
	uint8_t rd, rs1, rs2; /* operands that are implied, else 0 */
};

/*
 * The operands of a word. What its format does not have is 0. Register numbers of all files (x, f
 * and v) stand in rd, rs1, rs2, rs3; the data of a vector store (vs3) in rs3.
 */
struct rv_args {
	int32_t imm; /* sign- or zero-extended as its instruction has it; shift amounts; vtype of
			vsetvli and vsetivli; uimm of csrrwi and its like */
	uint16_t csr;
	uint8_t rd, rs1, rs2, rs3;
	uint8_t rm;
	uint8_t aq, rl;
	uint8_t vm; /* 1: not masked */
	uint8_t nf; /* fields of a segment, or registers of a whole-register access: 1 to 8 */
	uint8_t avl; /* vsetivli */
	uint8_t fm, pred, succ;
};

extern const struct rv_row rv_rows[RV_OP_COUNT];
extern const uint16_t rv_base_op[RV_OP_COUNT]; /* enum rv_op: c.addi -> addi, add -> add */
extern const char *const rv_ext_names[RV_EXT_COUNT];

/* xlen is 32 or 64. RV_OP_ILLEGAL: no row has the word. Extensions are not looked at. */
enum rv_op rv_decode32(uint32_t insn, unsigned xlen);
enum rv_op rv_decode16(uint16_t insn, unsigned xlen);
void rv_extract(enum rv_op op, uint32_t insn, struct rv_args *args);

/* Whether the extensions in the mask (bits 1 << enum rv_ext) give the CPU this encoding. */
static inline bool rv_op_enabled(enum rv_op op, uint64_t exts)
{
	for (int i = 0; i < RV_NEED_MAX; i++) {
		uint64_t need = rv_rows[op].need[i];

		if (need && !(need & ~exts))
			return true;
	}
	return false;
}

#endif"""]
    return "\n".join(out) + "\n"


def source(table):
    out = [BANNER + """#include "rv_encodings.h"

static inline bool rm_reserved(uint32_t rm)
{
	return rm == 5 || rm == 6;
}

static inline int32_t sign_extend(uint32_t value, unsigned top)
{
	uint32_t sign = UINT32_C(1) << top;

	return (int32_t)((value ^ sign) - sign);
}

const char *const rv_ext_names[RV_EXT_COUNT] = {"""]
    out += [f'\t[{ident("RV_EXT_", e)}] = "{e}",' for e in table.exts]
    out += ["};", "", "const struct rv_row rv_rows[RV_OP_COUNT] = {",
            "\t[RV_OP_ILLEGAL] = { .name = \"illegal\" },"]
    xlens = {"32": 1, "64": 2, "both": 3}
    for r in table.rows:
        needs = ", ".join(" | ".join(f"UINT64_C(1) << {ident('RV_EXT_', e)}" for e in n)
                          for n in r.needs)
        implied = "".join(f", .{k} = {v}" for k, v in r.implied.items())
        out.append(f'\t[{op_name(r)}] = {{ .name = "{r.name}", .need = {{ {needs} }}, '
                   f".mask = {r.mask:#x}, .match = {r.match:#x}, .ext = {ident('RV_EXT_', r.ext)}, "
                   f".format = {ident('RV_FORMAT_', r.format)}, .xlens = {xlens[r.xlens]}, "
                   f".flags = {r.flags()}{implied} }},")
    out += ["};", "", "const uint16_t rv_base_op[RV_OP_COUNT] = {"]
    out += [f"\t[{op_name(r)}] = {op_name(table.base(r))}," for r in table.rows]
    out.append("};")
    emit_decoder(table, 32, out)
    emit_decoder(table, 16, out)
    out += ["", "void rv_extract(enum rv_op op, uint32_t insn, struct rv_args *a)", "{",
            "\tconst struct rv_row *row = &rv_rows[op];", "",
            "\t*a = (struct rv_args){ .rd = row->rd, .rs1 = row->rs1, .rs2 = row->rs2 };",
            "\tswitch ((enum rv_format)row->format) {"]
    for name, layout in table.formats.items():
        emit_format(name, layout, table, out)
    out += ["\tcase RV_FORMAT_COUNT:", "\t\tbreak;", "\t}", "}"]
    return "\n".join(out) + "\n"


MEMBERS = ("imm", "csr", "rd", "rs1", "rs2", "rs3", "rm", "aq", "rl", "vm", "nf", "avl", "fm",
           "pred", "succ")


def vectors(table, seed):
    """Words of each row, and words one bit off, with what the slow decoder says of them."""
    rng = random.Random(seed)
    out = [BANNER]
    for row in table.rows:
        for xlen in (32, 64):
            if not row.on(xlen):
                continue
            words = []
            for _ in range(16):
                word = row.random_word(rng, xlen)
                words += [word, word ^ 1 << rng.randrange(row.length)]
            words.append(rng.getrandbits(row.length) & ~row.mask | row.match)
            for word in words:
                if (row.length == 16) == (word & 3 == 3):
                    continue
                got = table.decode(word, xlen, row.length)
                args = got.arguments(word) if got else {}
                out.append(f"{{ {word:#x}, {xlen}, {row.length}, "
                           f"{op_name(got) if got else 'RV_OP_ILLEGAL'}, {{ "
                           + ", ".join(f".{m} = {args[m]}" for m in MEMBERS if args.get(m))
                           + (" } }," if args and any(args.values()) else "0 } },"))
    return "\n".join(out) + "\n"


def write(path, text):
    """Leaves a file that is right already alone, so that nothing is built again for it."""
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--header")
    parser.add_argument("--source")
    parser.add_argument("--vectors")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    try:
        table = Table(options.table)
        if options.check:
            table.check_overlaps()
    except TableError as e:
        sys.exit(f"gen_decode.py: {e}")
    for path, make in ((options.header, header), (options.source, source)):
        if path:
            write(path, make(table))
    if options.vectors:
        write(options.vectors, vectors(table, options.seed))


if __name__ == "__main__":
    main()
