#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs random instruction streams on two machines and compares what they leave.

    isa_run.py --oracle user:QEMU --subject bare:BACKPLANE --runners DIR ...
"""
import argparse
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../plugins/cpu-riscv"))
import cases as C  # noqa: E402
import gen_decode  # noqa: E402
import stream  # noqa: E402

TABLE = os.path.join(HERE, "../../plugins/cpu-riscv/encodings.tab")
ALL_EXTS = ("i m a f d c v zicsr zifencei zicntr zihintpause zicbom zicboz zicbop zicond zba zbb "
            "zbc zbs zbkb zfa zfh zfhmin zvfh zawrs zacas").split()
# What cannot stay on without it.
DEPENDENTS = {
    "f": ("d", "zfh", "zfhmin", "zfa", "v", "zvfh"), "d": ("v", "zvfh"), "v": ("zvfh",),
    "a": ("zacas", "zawrs"), "zfhmin": ("zfh", "zvfh"),
}
MEMORY_BASE, CASES_AT, RESULTS_AT = 0x80000000, 0xc0000000, 0xe0000000


class OracleStopped(Exception):
    """The oracle failed in itself; args[0] is the case it was in."""


class EngineError(Exception):
    pass


def run_command(command, limit):
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, check=False,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise EngineError(f"no end after {limit} s: {' '.join(command)}") from e
    return done


class User:
    """The oracle: runner-user under a user-mode emulator."""

    def __init__(self, path, options):
        self.path, self.options = path, options
        self.substitutes = {}  # words that this engine runs instead of a row's
        self.cases = ()  # of the batch that runs, for messages

    def cpu(self, exts):
        names = [e for e in ALL_EXTS if e not in ("i", "zihintpause", "zfhmin", "zicbop")]
        names += ["zfhmin"]
        props = [f"{e}={'true' if e in exts else 'false'}" for e in names]
        if "v" in exts:
            props += [f"vlen={self.options.vlen}", "vext_spec=v1.0"]
        return f"rv{self.options.xlen}," + ",".join(props)

    def run(self, folder, data, result_bytes, exts):
        case_file, result_file = (os.path.join(folder, n) for n in ("u.cases", "u.results"))
        with open(case_file, "wb") as f:
            f.write(data)
        with open(result_file, "wb") as f:
            f.truncate(result_bytes)
        runner = os.path.join(self.options.runners, f"runner-user{self.options.xlen}")
        done = run_command([self.path, "-cpu", self.cpu(exts), runner, case_file, result_file],
                           self.options.timeout)
        # A known assertion of the oracle's own says nothing about us: that case is left out, and
        # counted.
        if b"probe_access_flags: assertion failed" in done.stderr and type(self) is User:
            raise OracleStopped(self.case_index(result_file))
        if done.returncode:
            self.stopped_at(result_file)
            raise EngineError(f"runner-user ended with {done.returncode}: "
                              f"{done.stderr.decode(errors='replace').strip()[:300]}")
        with open(result_file, "rb") as f:
            return f.read()

    def case_index(self, result_file, offset=0):
        with open(result_file, "rb") as f:
            f.seek(offset)
            return C.HEADER.unpack(f.read(C.HEADER.size))[8]

    def stopped_at(self, result_file, offset=0):
        """Shows the case that ended the emulator itself."""
        index = self.case_index(result_file, offset)
        if index < len(self.cases):
            case = self.cases[index]
            w = case.words
            print(f"the emulator ended in case {index}: vl {w[C.INDEX['vl']]} "
                  f"vtype {w[C.INDEX['vtype']]:#x} vstart {w[C.INDEX['vstart']]}\n"
                  + stream.describe(case, None) + "\n    "
                  + " ".join(f"x{i}={w[i]:#x}" for i in range(1, 32)))


class System(User):
    """runner-bare under a full-system QEMU, for checking the runner itself."""

    def cpu(self, exts):
        with_names = [e for e in self.options.system_exts.split(",") if e]
        props = [f"{e}={'true' if e in exts else 'false'}" for e in with_names]
        if "v" in exts:
            props += ["v=true", f"vlen={self.options.vlen}", "vext_spec=v1.0"]
        return f"rv{self.options.xlen}," + ",".join(props)

    def run(self, folder, data, result_bytes, exts):
        path = os.path.join(folder, "memory")
        with open(path, "wb") as f:
            f.truncate(2 << 30)
            f.seek(CASES_AT - MEMORY_BASE)
            f.write(data)
        elf = os.path.join(self.options.runners, f"runner-bare{self.options.xlen}.elf")
        done = run_command(
            [self.path, "-machine", "virt,memory-backend=m", "-m", "2G", "-object",
             f"memory-backend-file,id=m,mem-path={path},size=2G,share=on", "-cpu", self.cpu(exts),
             "-display", "none", "-serial", "none", "-monitor", "none", "-bios", elf],
            self.options.timeout)
        if done.returncode:
            self.stopped_at(path, RESULTS_AT - MEMORY_BASE)
            raise EngineError(f"runner-bare ended with {done.returncode}: "
                              f"{done.stderr.decode(errors='replace').strip()}")
        with open(path, "rb") as f:
            f.seek(RESULTS_AT - MEMORY_BASE)
            return f.read(result_bytes)


class Bare(User):
    """The CPU under test: runner-bare on this project's machine."""

    settings = ()

    def run(self, folder, data, result_bytes, exts):
        case_file, result_file = (os.path.join(folder, n) for n in ("b.cases", "b.results"))
        size = 64 << 20
        for path, content in ((case_file, data), (result_file, b"")):
            with open(path, "wb") as f:
                f.truncate(max(size, len(data), result_bytes))
                f.write(content)
        elf = os.path.join(self.options.runners, f"runner-bare{self.options.xlen}.elf")
        command = [self.path, "run", os.path.join(HERE, f"isa{self.options.xlen}.toml"), "--firmware", elf,
                   "--plugin-path", self.options.plugin_path,
                   "--set", f"cases.file={case_file}", "--set", f"results.file={result_file}",
                   "--set", f"cpu.vlen={self.options.vlen}"]
        names = [e for e in ALL_EXTS if e not in ("i", "zihintpause")]
        for e in names:
            command += ["--set", f"cpu.{e}={'true' if e in exts else 'false'}"]
        for text in (*self.options.set, *self.settings):
            command += ["--set", text]
        done = run_command(command, self.options.timeout)
        if done.returncode:
            self.stopped_at(result_file)
            raise EngineError(f"backplane ended with {done.returncode}: "
                              f"{done.stderr.decode(errors='replace').strip()[-2000:]}")
        with open(result_file, "rb") as f:
            return f.read(result_bytes)


class Interp(Bare):
    """The same by the interpreter: what native code is compared with. Nothing may differ."""

    settings = ("cpu.engine=interp",)


ENGINES = {"user": User, "system": System, "bare": Bare, "interp": Interp}


def engine(text, options):
    kind, _, path = text.partition(":")
    if kind not in ENGINES or not path:
        sys.exit(f"isa_run.py: an engine is user:PATH, system:PATH, bare:PATH or interp:PATH, not {text!r}")
    return ENGINES[kind](path, options)


class Differences:
    """The table of differences: what may differ, and which section says so."""

    def __init__(self, path):
        with open(path, "rb") as f:
            content = tomllib.load(f)
        self.rules = content.get("difference", [])
        self.substitutes = {name: s["word"] for s in content.get("substitute", [])
                            for name in s["encodings"]}

    def excuse(self, row, fields, wa, wb, xlen, ran=()):
        """Whether a rule lets these fields differ for a case that ended at this row."""
        ends = [wa[C.INDEX["cause"]], wb[C.INDEX["cause"]]]
        for rule in self.rules:
            if "encodings" in rule and (row is None or row.name not in rule["encodings"]):
                continue
            if "causes" in rule and [C.CAUSES[e] for e in ends] not in rule["causes"]:
                continue
            if "near" in rule and any(f not in C.INDEX or abs(wa[C.INDEX[f]] - wb[C.INDEX[f]])
                                      >= rule["near"] for f in fields):
                continue
            if rule.get("lacks") and any(wa[C.INDEX[f]] & ~wb[C.INDEX[f]] for f in fields
                                         if f in C.INDEX):
                continue
            if "oracle" in rule and any(wa[C.INDEX[f]] != rule["oracle"] for f in fields
                                        if f in C.INDEX):
                continue
            if wb[C.INDEX["tval"]] < rule.get("beyond", 0):
                continue
            if "contains" in rule and not set(rule["contains"]) & set(ran):
                continue
            if not set(rule.get("holds", [])) <= set(ran):
                continue
            if rule.get("xlen", xlen) == xlen and set(fields) <= set(rule["fields"]):
                rule["used"] = rule.get("used", 0) + 1
                return True
        return False


def differing(case, a, b, vlenb):
    if a == b:
        return []
    wa, wb = C.FIXED.unpack_from(a), C.FIXED.unpack_from(b)
    fields = [C.NAMES[i] for i in range(80) if wa[i] != wb[i] and C.NAMES[i] != "reserved"]
    for i in range(32):
        at = C.FIXED.size + i * vlenb
        if a[at:at + vlenb] != b[at:at + vlenb]:
            fields.append(f"v{i}")
    return fields


def show(case, index, fields, a, b, vlenb):
    wa, wb = C.FIXED.unpack_from(a), C.FIXED.unpack_from(b)
    w = case.words
    print(f"case {index}: vtype {w[C.INDEX['vtype']]:#x} vl {w[C.INDEX['vl']]} "
          f"vstart {w[C.INDEX['vstart']]} vcsr {w[C.INDEX['vcsr']]} fcsr {w[C.INDEX['fcsr']]:#x} "
          f"full {w[C.INDEX['full']]}; oracle ended with "
          f"{C.CAUSES.get(wa[C.INDEX['cause']])} tval {wa[C.INDEX['tval']]:#x}, subject with "
          f"{C.CAUSES.get(wb[C.INDEX['cause']])} tval {wb[C.INDEX['tval']]:#x} pc {wb[0]:#x}")
    print(stream.describe(case, wa))
    for name in fields[:12]:
        if name in C.INDEX:
            i = C.INDEX[name]
            print(f"       {name}: start {w[i]:016x} oracle {wa[i]:016x} subject {wb[i]:016x}")
        else:
            at = C.FIXED.size + int(name[1:]) * vlenb
            start = case.v[int(name[1:]) * vlenb:][:vlenb]
            print(f"       {name}: start   {start[::-1].hex()}\n"
                  f"          oracle  {a[at:at + vlenb][::-1].hex()}\n"
                  f"          subject {b[at:at + vlenb][::-1].hex()}")
    used = set()
    for _, row, word, _ in case.insns:
        for f in row.fields:
            if f.name.startswith(("rs", "fs")) and not f.name.endswith("'"):
                used.add(("x" if f.name[0] == "r" else "f", f.raw(word)))
            elif f.name.startswith("vs"):
                used.add(("v", f.raw(word)))
    text = []
    for kind, r in sorted(used):
        if kind == "v":
            text.append(f"v{r}={case.v[r * vlenb:(r + 1) * vlenb][::-1].hex()}")
        else:
            text.append(f"{kind}{r}={w[r + (32 if kind == 'f' else 0)]:#x}")
    print("       operands at the start: " + " ".join(text[:24]))


def ending_row(case, words):
    end = words[0] - C.CODE_VA
    for offset, row, _, _ in case.insns:
        if offset == end:
            return row
    return None


class Comparison:
    def __init__(self, options, table):
        self.options, self.table = options, table
        self.oracle = engine(options.oracle, options)
        self.subject = engine(options.subject, options)
        self.differences = Differences(options.differences)
        if type(self.oracle) is Interp:
            self.differences.rules = []
        for e in (self.oracle, self.subject):
            if type(e) is User:
                e.substitutes = self.differences.substitutes
        self.counts, self.wrong, self.cases = Counter(), 0, 0
        self.dropped = 0  # cases that ended the oracle
        self.wrong_rows = Counter()

    def batch(self, folder, cases, exts):
        """Compare the cases; those that end the oracle itself are dropped, at most 40 in all."""
        while True:
            try:
                return self.batch_once(folder, cases, exts)
            except OracleStopped as e:
                if e.args[0] >= len(cases) or self.dropped == 40:
                    raise EngineError("the oracle fails too often") from e
                self.dropped += 1
                cases = cases[:e.args[0]] + cases[e.args[0] + 1:]

    def batch_once(self, folder, cases, exts):
        vlenb = self.options.vlen // 8
        got = []
        for e in (self.oracle, self.subject):
            e.cases = cases
            data, result_bytes = C.write_cases(cases, vlenb, C.flags_of(exts), e.substitutes)
            raw = C.read_results(e.run(folder, data, result_bytes, exts), len(cases), vlenb)
            if len(raw) != len(cases):
                raise EngineError(f"{type(e).__name__}: only {len(raw)} of {len(cases)} cases ran")
            got.append(raw)
        for i, (case, a, b) in enumerate(zip(cases, *got)):
            self.cases += 1
            fields = differing(case, a, b, vlenb)
            wa, wb = C.FIXED.unpack_from(a), C.FIXED.unpack_from(b)
            if fields and not self.differences.excuse(ending_row(case, wa), fields, wa, wb,
                                                      self.options.xlen,
                                                      [r.name for _, r, _, _ in case.insns]):
                self.wrong += 1
                for _, row, _, _ in case.insns if len(case.insns) < 3 else []:
                    self.wrong_rows[row.name] += 1
                if self.wrong <= self.options.show:
                    show(case, i, fields, a, b, vlenb)
            else:
                self.counts.update(r.name for r in stream.executed(case, wa))


def compare(options, table):
    exts = set(ALL_EXTS) - set(options.without.split(","))
    gen = stream.Generator(table, options.xlen, options.vlen, exts, options.seed)
    rows = [r for r in gen.rows if not options.only or r.name in options.only.split(",")]
    if options.no_vstart:
        gen.vstart_rate = -1
    if options.leave:
        rows = [r for r in rows if not re.search(options.leave, r.name)]
    comparison = Comparison(options, table)
    started = time.time()
    batches = 0
    with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
        while batches < options.batches:
            needs = {r: wanted(options, r) - comparison.counts[r.name] for r in rows
                     if comparison.counts[r.name] < wanted(options, r)}
            if not needs or comparison.wrong > options.stop:
                break
            cases, empty = [], 0
            while len(cases) < options.batch and needs and empty < 1000:
                case = gen.case(needs, options.longest)
                if case is None or not case.insns:
                    empty += 1
                    continue
                cases.append(case)
                for _, row, _, _ in case.insns:
                    if row in needs:
                        needs[row] -= 0.8
                        if needs[row] <= 0:
                            del needs[row]
            comparison.batch(folder, cases, exts)
            batches += 1
    few = report(options, comparison, rows, time.time() - started)
    return comparison.wrong or few


def wanted(options, row):
    """How often a row is to run: those of one width only may be asked for more often."""
    own = options.count_own if row.xlens == str(options.xlen) else 0
    return max(options.count, own)


def report(options, comparison, rows, seconds):
    if options.counts:
        for r in rows:
            print(f"{comparison.counts[r.name]:8d}  {r.name}")
    few = [r.name for r in rows if comparison.counts[r.name] < wanted(options, r)]
    none = [r.name for r in rows if not comparison.counts[r.name]]
    print(f"RV{options.xlen} VLEN {options.vlen}: {comparison.cases} cases, "
          f"{sum(comparison.counts.values())} instructions of {len(rows)} encodings, "
          f"{comparison.wrong} cases differ ({comparison.dropped} ended the oracle itself), {seconds:.0f} s")
    if comparison.wrong_rows:
        print("  differing in short cases: "
              + " ".join(f"{n}:{k}" for n, k in comparison.wrong_rows.most_common(40)))
    if few:
        print("  too seldom: " + " ".join(f"{n}={comparison.counts[n]}" for n in few))
    if none:
        print("  never executed: " + " ".join(none))
    return bool(few)


def cases_without(gen, ext, exts, table):
    """Cases of one instruction that needs an extension which is not among exts."""
    def absent(row):
        return not row.hint and not any(set(n) <= exts for n in row.needs)

    rows = [r for r in gen.rows if absent(r) and all(absent(table.by_name[n]) for n in r.over)]
    for row in rows:
        for _ in range(4):
            case = gen.case({row: 1}, 1)
            if case and case.insns and case.insns[0][1] is row:
                yield case
    if ext == "zvfh":  # it has no encodings of its own: vector.py knows what needs it
        for row in [r for r in gen.rows if r.is_vector() and r.match >> 12 & 7 in (1, 5)]:
            for _ in range(30):
                case = gen.case({row: 1}, 1)
                if case and case.insns and case.vtype.sew < 32 and \
                        stream.vector.shape_of(row, case.vtype, exts) is None:
                    yield case
                    break


def without(options, table):
    """Each extension off: its encodings must raise an illegal instruction at once."""
    subject = engine(options.subject, options)
    wrong = checked = 0
    vlenb = options.vlen // 8
    with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
        for ext in [e for e in ALL_EXTS if e not in ("i", "zihintpause", "zicsr", "zicntr")]:
            exts = set(ALL_EXTS) - {ext} - set(DEPENDENTS.get(ext, ()))
            gen = stream.Generator(table, options.xlen, options.vlen, set(ALL_EXTS), options.seed)
            gen.vstart_rate = -1
            subject.cases = cases = list(cases_without(gen, ext, exts, table))
            if not cases:
                continue
            data, size = C.write_cases(cases, vlenb, C.flags_of(exts))
            raw = C.read_results(subject.run(folder, data, size, exts), len(cases), vlenb)
            if len(raw) != len(cases):
                raise EngineError(f"without {ext}: only {len(raw)} of {len(cases)} cases ran")
            for case, r in zip(cases, raw):
                checked += 1
                words = C.FIXED.unpack_from(r)
                at = case.insns[0][0]
                if words[C.INDEX["cause"]] != C.ILLEGAL or words[0] != C.CODE_VA + at:
                    wrong += 1
                    if wrong <= options.show:
                        print(f"without {ext}: {case.insns[0][1].name} "
                              f"({case.insns[0][2]:08x}) ends with "
                              f"{C.CAUSES.get(words[C.INDEX['cause']])} at {words[0]:#x}")
    print(f"RV{options.xlen}, extensions off: {checked} cases, {wrong} were not illegal")
    return wrong


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--oracle", help="user:QEMU-RISCV64, system:QEMU-SYSTEM or bare:BACKPLANE")
    p.add_argument("--subject", required=True, help="the same forms")
    p.add_argument("--runners", required=True, help="the folder that runner/build.sh filled")
    p.add_argument("--xlen", type=int, default=64, choices=(32, 64))
    p.add_argument("--vlen", type=int, default=128, choices=(128, 256, 512))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=1000, help="executions of each encoding")
    p.add_argument("--count-own", type=int, default=0,
                   help="executions of the encodings that only this width has")
    p.add_argument("--quick", action="store_true", help="40 executions of each encoding")
    p.add_argument("--only", default="", help="encodings, comma-separated")
    p.add_argument("--leave", default="", help="encodings to leave out, a regular expression")
    p.add_argument("--no-vstart", action="store_true", help="start all cases with vstart = 0")
    p.add_argument("--without", default="", help="extensions to leave off, comma-separated")
    p.add_argument("--longest", type=int, default=16, help="instructions in a case")
    p.add_argument("--batch", type=int, default=6000, help="cases in one run of an emulator")
    p.add_argument("--batches", type=int, default=100)
    p.add_argument("--show", type=int, default=10, help="differing cases to print")
    p.add_argument("--stop", type=int, default=200, help="differing cases after which to end")
    p.add_argument("--counts", action="store_true", help="print the count of each encoding")
    p.add_argument("--off", action="store_true", help="test each extension switched off instead")
    p.add_argument("--set", action="append", default=[], help="a property for backplane")
    p.add_argument("--plugin-path", default="build/plugins")
    p.add_argument("--system-exts", default="m,a,f,d,c,zba,zbb,zbc,zbs,Zfh,zbkb",
                   help="what the CPU of system: can be told")
    p.add_argument("--differences", default=os.path.join(HERE, "differences.toml"))
    p.add_argument("--timeout", type=int, default=600)
    p.add_argument("--tmp", default=None)
    options = p.parse_args()
    if options.quick:
        options.count = 40
    table = gen_decode.Table(TABLE)
    try:
        if options.off:
            bad = without(options, table)
        else:
            if not options.oracle:
                p.error("--oracle is needed for a comparison")
            bad = compare(options, table)
    except EngineError as e:
        print(f"isa_run.py: {e}")
        bad = 1
    print(f"{0 if bad else 1} passed, {1 if bad else 0} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
