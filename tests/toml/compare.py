#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the TOML parser with Python's tomllib, over corpus.py and over mutations of it.

usage: compare.py TOML2JSON [--mutations N] [--seed S] [--show]

Both must accept or refuse each text alike, and give the same values in the same order, except
where refused_by_rule() says that machine files differ from TOML. What we write for an accepted text
must read back in tomllib as the same values. --show prints each bad case with its messages.
"""
import argparse
import datetime
import json
import math
import random
import struct
import subprocess
import sys

try:
    import tomllib
except ImportError:
    print("skipped: Python's tomllib (3.11 or later) is the oracle of this test")
    sys.exit(77)

import corpus

DEPTH_MAX = 64
NUMBER_MAX = 1000


class Parser:
    """One long-lived toml2json process."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def parse(self, text):
        self.process.stdin.write(b"%d\n" % len(text) + text)
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"toml2json died with {self.process.wait()} on {text!r}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


class RefusedFloat(Exception):
    pass


def parse_float(text):
    value = float(text)
    if len(text) > NUMBER_MAX:
        raise RefusedFloat("long")
    if math.isinf(value) and not text.endswith("inf"):
        raise RefusedFloat("float")
    return value


def tagged(value):
    """A value of tomllib's in toml2json's form, NaNs reduced to their sign."""
    if isinstance(value, bool):
        return ["b", "true" if value else "false"]
    if isinstance(value, int):
        return ["i", str(value)]
    if isinstance(value, float):
        if math.isnan(value):
            return ["f", "-nan" if math.copysign(1, value) < 0 else "nan"]
        return ["f", struct.pack(">d", value).hex()]
    if isinstance(value, str):
        return ["s", value]
    if isinstance(value, list):
        return ["a"] + [tagged(item) for item in value]
    return ["t"] + [[key, tagged(item)] for key, item in value.items()]


def reduce_nans(value):
    """The same reduction on toml2json's answer."""
    if value[0] == "f":
        return tagged(struct.unpack(">d", bytes.fromhex(value[1]))[0])
    if value[0] == "a":
        return ["a"] + [reduce_nans(item) for item in value[1:]]
    if value[0] == "t":
        return ["t"] + [[key, reduce_nans(item)] for key, item in value[1:]]
    return value


def refused_by_rule(value, depth=0):
    """Why machine files refuse what TOML allows, or None: core/plugin/toml.h lists the rules."""
    if isinstance(value, (datetime.date, datetime.time)):
        return "date"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return "integer"
    if isinstance(value, (list, dict)):
        if depth > DEPTH_MAX:
            return "depth"
        for item in value.values() if isinstance(value, dict) else value:
            reason = refused_by_rule(item, depth + 1)
            if reason:
                return reason
    return None


def oracle(text):
    """(True, value) or (False, reason)."""
    try:
        value = tomllib.loads(text.decode(), parse_float=parse_float)
    except RefusedFloat as error:
        return False, str(error)
    except RecursionError:
        return False, "depth"
    except ValueError as error:  # bad UTF-8, bad TOML, more digits than Python converts
        return False, str(error)
    reason = refused_by_rule(value)
    return (False, reason) if reason else (True, value)


def check(parser, text):
    """(answer, None) or (answer, what is wrong)."""
    accepted, value = oracle(text)
    answer = parser.parse(text)
    if "broken" in answer:
        return answer, answer["broken"]
    if accepted != ("value" in answer):
        ours = "accepted" if "value" in answer else answer["errors"][0]
        return answer, f"tomllib: {'accepted' if accepted else value}; we: {ours}"
    if not accepted:
        return answer, None
    expected = tagged(value)
    if reduce_nans(answer["value"]) != expected:
        return answer, f"tomllib: {expected}; we: {answer['value']}"
    if tagged(tomllib.loads(answer["written"])) != expected:
        return answer, f"written as {answer['written']!r}"
    return answer, None


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def run_corpus(parser, show):
    failures = []
    for name, text in corpus.GOOD:
        answer, wrong = check(parser, as_bytes(text))
        if wrong or "errors" in answer:
            failures.append(f"good {name}: {wrong or answer['errors'][0]}")
    for name, text, *places in corpus.BAD:
        answer, wrong = check(parser, as_bytes(text))
        found = [":".join(error.split(":")[1:3]) for error in answer.get("errors", [])]
        if show:
            print(f"{name}: {text!r}", *answer.get("errors", []), sep="\n    ")
        if wrong or found != places:
            failures.append(f"bad {name}: {wrong or f'faults at {found}, expected at {places}'}")
    for name, text, rule in corpus.REFUSED_BY_RULE:
        accepted, reason = oracle(as_bytes(text))
        answer = parser.parse(as_bytes(text))
        if accepted or reason != rule or "errors" not in answer:
            failures.append(f"rule {name}: tomllib: {reason}; we: {answer}")
        elif show:
            print(f"{name}:", *answer["errors"], sep="\n    ")
    count = len(corpus.GOOD) + len(corpus.BAD) + len(corpus.REFUSED_BY_RULE)
    return count, failures


PIECES = [b"\n", b"\r\n", b"\r", b"\t", b" ", b".", b",", b"=", b"#", b"[", b"]", b"[[", b"]]", b"{",
          b"}", b'"', b"'", b'"""', b"'''", b"\\", b"\\\n", b"\\u00", b"\\U0001", b"_", b"-", b"+",
          b"0", b"1", b"0x", b"0o", b"0b", b"e", b"inf", b"nan", b"true", b"false", b"a", b"b", b"a.b",
          b"\n[a]\n", b"\n[a.b]\n", b"\n[[a]]\n", b"\n[[a.b]]\n", b"\na.b.c = 1\n", b"{ a = 1 }",
          b"a = {}\n", b"\na = []\n", b"2020-01-01", b"07:32:00", b"\x00", b"\x7f", b"\xc3\xa9",
          b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"18446744073709551616", b"1e999"]


def mutate(rng, texts):
    text = bytearray(rng.choice(texts))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randint(0, len(text))
        to = min(len(text), at + rng.randint(0, 5))
        action = rng.choice((0, 1, 2, 3, 4, 4))
        if action == 0:
            text[at:at] = rng.choice(PIECES)
        elif action == 1:
            text[at:to] = rng.choice(PIECES)
        elif action == 2:
            del text[at:to]
        elif action == 3:
            other = rng.choice(texts)
            text[at:] = other[rng.randint(0, len(other)):]
        else:
            text += b"\n" + rng.choice(texts)
    return bytes(text)


def run_mutations(parser, count, seed):
    rng = random.Random(seed)
    # Most good texts turn bad at once, so begin with few bad ones.
    cases = corpus.GOOD * 8 + corpus.BAD + corpus.REFUSED_BY_RULE
    texts = [as_bytes(case[1]) for case in cases]
    texts = [text for text in texts if len(text) < 1000]
    failures, accepted = [], 0
    for _ in range(count):
        text = mutate(rng, texts)
        answer, wrong = check(parser, text)
        accepted += "value" in answer
        if wrong:
            failures.append(f"mutation {text!r}: {wrong}")
    return accepted, failures


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("toml2json")
    arguments.add_argument("--mutations", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--show", action="store_true")
    options = arguments.parse_args()

    parser = Parser(options.toml2json)
    count, failures = run_corpus(parser, options.show)
    accepted, more = run_mutations(parser, options.mutations, options.seed)
    failures += more
    status = parser.close()
    if status:
        failures.append(f"toml2json ended with {status}")
    print(*failures[:50], sep="\n")
    print(f"{count} corpus cases, {options.mutations} mutations with seed {options.seed} "
          f"({accepted} of them accepted), {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
