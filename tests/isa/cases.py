# SPDX-License-Identifier: MIT
"""The case and result files of the runner: see runner/runner.h for their layout."""
import struct

MAGIC = 0x3130455341435652
PAGE = 4096
CODE_VA, DATA_VA = 0x20000000, 0x30000000
HAS_F, HAS_D, HAS_V, HAS_A, HAS_FENCE_I = 1, 2, 4, 8, 16
CODE_BYTES = 128
FIXED = struct.Struct("<80Q")  # struct state up to v
HEADER = struct.Struct("<9Q")
CAUSES = {0: "none", 1: "break", 2: "illegal", 3: "fault", 4: "misaligned", 5: "other"}
BREAK, ILLEGAL, FAULT, MISALIGNED, OTHER = 1, 2, 3, 4, 5
EBREAK = (0x00100073).to_bytes(4, "little")

# Names of the 80 words at the head of a state.
NAMES = (["pc"] + [f"x{i}" for i in range(1, 32)] + [f"f{i}" for i in range(32)]
         + ["fcsr", "vstart", "vl", "vtype", "vcsr", "cause", "tval", "memory", "full"]
         + ["reserved"] * 7)
INDEX = {name: i for i, name in enumerate(NAMES)}


def flags_of(exts):
    flags = 0
    for ext, flag in (("f", HAS_F), ("d", HAS_D), ("v", HAS_V), ("a", HAS_A),
                      ("zifencei", HAS_FENCE_I)):
        if ext in exts:
            flags |= flag
    return flags


class Case:
    """One case: instructions, the state they start from, and what the generator knows of them."""
    __slots__ = ("code", "words", "v", "insns", "vtype")

    def __init__(self, code, words, v, insns, vtype):
        self.code, self.words, self.v, self.vtype = code, words, v, vtype
        self.insns = insns  # (offset, row, word, counted)

    def pack(self, substitutes):
        """The case's bytes; substitutes are words that stand for those of the named rows."""
        code = self.code
        for offset, row, _, _ in self.insns:
            if row.name in substitutes:
                word = substitutes[row.name].to_bytes(row.length // 8, "little")
                code = code[:offset] + word + code[offset + len(word):]
        code += EBREAK * ((CODE_BYTES - len(self.code)) // 4 + 1)
        return code[:CODE_BYTES] + FIXED.pack(*self.words) + self.v


def sizes(vlenb):
    state = FIXED.size + 32 * vlenb
    return CODE_BYTES + state, state


def write_cases(cases, vlenb, flags, substitutes=()):
    """The bytes of a case file, and the size of its result file."""
    case_size, result_size = sizes(vlenb)
    case_bytes = PAGE + len(cases) * case_size
    result_bytes = PAGE + len(cases) * result_size
    head = HEADER.pack(MAGIC, len(cases), flags, vlenb, case_size, result_size,
                       case_bytes, result_bytes, 0)
    body = b"".join(c.pack(substitutes) for c in cases)
    return head.ljust(PAGE, b"\0") + body, result_bytes


class Result:
    __slots__ = ("words", "v")

    def __init__(self, data):
        self.words = FIXED.unpack_from(data)
        self.v = data[FIXED.size:]

    def __getattr__(self, name):
        return self.words[INDEX[name]]


def read_results(data, count, vlenb):
    """The raw results, one bytes object each; fewer than count when the runner stopped early."""
    size = sizes(vlenb)[1]
    done = HEADER.unpack_from(data)[8]
    return [data[PAGE + i * size:PAGE + (i + 1) * size] for i in range(min(done, count))]
