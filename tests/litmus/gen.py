#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gen.py OUT.c: makes the litmus tests of shapes.toml, with the outcomes that RVWMO allows.

Allowed is what some global memory order explains (unprivileged manual, 17.1.3 to 17.1.5): all orders that
respect the preserved program order are tried, loads take their values from the load value axiom, and
an order that breaks the atomicity axiom or a rule that depends on values is dropped. An outcome is "relaxed"
when no interleaving of the harts' instructions gives it.
"""
import itertools
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

TABLE = tomllib.loads((Path(__file__).resolve().parent / "shapes.toml").read_text(encoding="utf-8"))
HALVES = {"": "lh", ".l": "l", ".h": "h"}


@dataclass(eq=False)
class Op:
    """A memory operation: cells are halves of places. An AMO is a load and a store in one."""
    hart: int
    at: int  # in program order
    load: bool
    store: bool
    cells: list
    value: int = -1  # of a store; -1: what was loaded
    aq: bool = False
    rl: bool = False
    atomic: bool = False  # an AMO or SC: rule 3
    lr: object = None  # an SC's
    addr: list = field(default_factory=list)
    data: list = field(default_factory=list)
    ctrl: list = field(default_factory=list)
    observed: bool = False


@dataclass
class Access:
    """One access of a shape with its filling; `between` is what stands before it."""
    store: bool
    place: str
    half: str
    value: int
    kind: str = ""
    between: str = ""


def parse(text):
    """A hart's accesses and the fillings between them."""
    accesses, fills, words = [], [], text.split()
    while words:
        word = words.pop(0)
        if word[0] == "@":
            fills.append(word[1:])
            continue
        place, dot, half = words.pop(0).partition(".")
        accesses.append(Access(word == "W", place, dot + half, int(words.pop(0)) if word == "W" else 0))
    assert len(fills) == len(accesses) - 1, text
    return accesses, fills


def fill(text, class_name):
    accesses, fills = parse(text)
    for n, name in enumerate(fills):
        a, b = accesses[n], accesses[n + 1]
        if not name:
            name = TABLE["class"][class_name]["RW"[a.store] + "RW"[b.store]]
        before, b.between, after = TABLE["fill"][name]
        # A shape with several @ in a row: the first to say something about an access wins.
        a.kind, b.kind = a.kind or before, b.kind or after
    return accesses


def fences(spec):
    """Pairs of (is store, is store) that a fence orders."""
    if spec == "fence tso":
        return {(False, False), (False, True), (True, True)}
    before, after = spec.split()[1:]
    return {("w" == a, "w" == b) for a in before for b in after}


def ordered(fence, a, b):
    return any((x, y) in fence for x in {not a.load, a.store} for y in {not b.load, b.store})


def operations(harts, wide):
    """All operations, and the fences: (hart, position, pairs)."""
    ops, barriers = [], []
    for hart, accesses in enumerate(harts):
        at, last, ctrl = 0, None, []
        for access in accesses:
            cells = [access.place + h for h in (HALVES[access.half] if wide else "l")]
            kind, _, order = access.kind.partition(".")
            mark = {"aq": "aq" in order, "rl": "rl" in order}
            if access.between.startswith("fence"):
                barriers.append((hart, at, fences(access.between)))
            if access.between == "ctrl":
                ctrl = ctrl + [last]
            addr = [last] if access.between == "addr" else []
            data = [last] if access.between == "data" else []
            new = []
            if kind == "lrsc":  # the loop's last pass; that its failed ones order anything is not used
                new.append(Op(hart, at, True, False, cells, aq=mark["aq"], addr=addr, ctrl=ctrl))
                new.append(Op(hart, at + 1, False, True, cells, access.value, rl=mark["rl"], atomic=True,
                              lr=new[0], addr=addr, data=data, ctrl=ctrl))
            else:
                amo = kind == "amo"
                new.append(Op(hart, at, amo or not access.store, amo or access.store, cells,
                              access.value if access.store else -1, **mark, atomic=amo, addr=addr,
                              data=data, ctrl=ctrl))
            new[-1].observed = not access.store
            last = new[0] if new[0].load else new[-1]
            at += len(new)
            ops += new
    return ops, barriers


def overlap(a, b):
    return any(c in b.cells for c in a.cells)


def preserved(ops, barriers, everything):
    """Pairs of the preserved program order that hold whatever the values: 17.1.3 without 2, 3, 12."""
    pairs = set()
    for a, b in itertools.permutations(ops, 2):
        if a.hart != b.hart or a.at > b.at:
            continue
        between = [m for m in ops if m.hart == a.hart and a.at < m.at < b.at]
        if (everything
                or b.store and overlap(a, b)  # 1
                or any(h == a.hart and a.at < at <= b.at and ordered(f, a, b) for h, at, f in barriers)  # 4
                or a.aq or b.rl  # 5, 6
                or (a.aq or a.rl) and (b.aq or b.rl)  # 7
                or b.lr is a  # 8
                or a in b.addr or a in b.data  # 9, 10
                or b.store and a in b.ctrl  # 11
                or b.store and any(a in m.addr for m in between)):  # 13
            pairs.add((a, b))
    return pairs


def linear(ops, pairs):
    """All orders of ops that respect the pairs."""
    if not ops:
        yield []
    for op in ops:
        if not any((other, op) in pairs for other in ops):
            for rest in linear([o for o in ops if o is not op], pairs):
                yield [op, *rest]


def explain(ops, order):
    """Who wrote what each load returns: (load, cell) to a store, or None for the start. None if the order is
    no execution."""
    place = {op: n for n, op in enumerate(order)}
    source = {}
    for load in ops:
        for cell in load.cells if load.load else ():
            seen = [s for s in ops if s.store and cell in s.cells and s is not load
                    and (place[s] < place[load] or s.hart == load.hart and s.at < load.at)]
            source[load, cell] = max(seen, key=place.get, default=None)
    for (load, cell), store in source.items():
        for a in ops:
            if a.hart != load.hart or a.at >= load.at or place[a] < place[load]:
                continue
            # a comes earlier in the program and later in the order: rules 2, 3 and 12 may forbid that
            between = [m for m in ops if m.hart == a.hart and a.at < m.at < load.at]
            if (a.load and cell in a.cells and source[a, cell] is not store
                    and not any(m.store and cell in m.cells for m in between)
                    or a.atomic and store is a
                    or any(m is store and (a in m.addr or a in m.data) for m in between)):
                return None
    for sc in ops:
        for cell in sc.cells if sc.lr else ():  # the atomicity axiom
            start = source[sc.lr, cell]
            first = place[start] if start else -1
            if any(s.store and s.hart != sc.hart and cell in s.cells and first < place[s] < place[sc]
                   for s in ops):
                return None
    return source


def outcomes(ops, pairs, finals):
    """Every outcome as a tuple of halves: the observed loads in program order, then the final values."""
    result = set()
    for order in linear(ops, pairs):
        source = explain(ops, order)
        if source is None:
            continue

        def value(store, cell, source=source):
            if store is None:
                return 0
            return store.value if store.value >= 0 else value(source[store, cell], cell)
        key = [value(source[op, cell], cell) for op in ops if op.observed for cell in reversed(op.cells)]
        for cell in finals:
            last = [s for s in order if s.store and cell in s.cells]
            key.append(value(last[-1] if last else None, cell))
        result.add(tuple(key))
    return result


def number(key):
    n = 0
    for v in key:
        n = n << 2 | v
    return n


# ---- code ----

# Registers: a0 to a2 the places x, y, z; a3 where observations go; a4 up: values; t0 up: loaded values.
PLACES = {"x": "a0", "y": "a1", "z": "a2"}


def width(access, wide):
    """Suffix and offset."""
    return ("d" if wide and not access.half else "w"), (4 if access.half == ".h" else 0)


def constant(access, wide):
    both = wide and not access.half
    return access.value | access.value << 32 if both else access.value


def instructions(accesses, wide):
    before, body, after, observed = [], [], [], 0
    last = "x0"
    for n, access in enumerate(accesses):
        base, loaded, given = PLACES[access.place], f"t{n}", f"a{4 + n}"
        size, offset = width(access, wide)
        kind, _, order = access.kind.partition(".")
        suffix = f"{size}.{order}" if order else size
        if access.store:
            before.append(f"li {given}, {constant(access, wide)}")
        if access.between.startswith("fence"):
            body.append("fence.tso" if access.between == "fence tso"
                        else "fence " + access.between[6:].replace(" ", ", "))
        elif access.between == "ctrl":
            body += [f"bnez {last}, {n}f", f"{n}:"]
        elif access.between == "data":
            body += [f"xor t6, {last}, {last}", f"or {given}, {given}, t6"]
        elif access.between == "addr":
            body += [f"xor t6, {last}, {last}", f"add t6, t6, {base}"]
            base = "t6"
        if kind and offset:
            body.append(f"addi t5, {base}, {offset}")
            base = "t5"
        if kind == "lrsc":
            suffixes = [f"{size}.{o}" if o else size for o in (order if "aq" in order else "",
                                                               order if "rl" in order else "")]
            body += [f"{n}5: lr.{suffixes[0]} {loaded}, ({base})",
                     f"sc.{suffixes[1]} t6, {given}, ({base})", f"bnez t6, {n}5b"]
        elif kind == "lr":
            body.append(f"lr.{suffix} {loaded}, ({base})")
        elif kind == "amo":
            body.append(f"amoswap.{suffix} {loaded}, {given}, ({base})" if access.store
                        else f"amoor.{suffix} {loaded}, x0, ({base})")
        elif access.store:
            body.append(f"s{size} {given}, {offset}({base})")
        else:
            body.append(f"l{size} {loaded}, {offset}({base})")
        last = loaded
        if not access.store:
            after.append(f"sd {loaded}, {8 * observed}(a3)")
            observed += 1
    return [*before, *body, *after, "ret"]


def names(shape):
    """The fillings of a shape: class names, one for each hart."""
    harts = shape["harts"]
    slots = [h for h in range(len(harts)) if "" in parse(harts[h])[1]]
    classes = list(TABLE["class"])
    if not slots:
        yield ["none"] * len(harts)
        return
    chosen = [[c] * len(slots) for c in classes]
    if shape.get("pairs"):
        chosen += [pair for c in classes if c != "full" for pair in ([c, "full"], ["full", c])]
    for choice in sorted(set(map(tuple, chosen)), key=lambda c: [classes.index(n) for n in c]):
        result = ["none"] * len(harts)
        for slot, name in zip(slots, choice):
            result[slot] = name
        yield result


def tests():
    """(name, harts as lists of accesses, wide, allowed keys, relaxed keys, finals, places) of each."""
    seen = set()
    for n, (name, shape) in enumerate(TABLE["shape"].items()):
        halves = any("." in text for text in shape["harts"])
        for m, classes in enumerate(names(shape)):
            harts = [fill(text, c) for text, c in zip(shape["harts"], classes)]
            wide = halves or (n + m) % 2 == 1
            what = repr(harts)
            if what in seen:
                continue
            seen.add(what)
            stored = [a.place for h in harts for a in h if a.store]
            places = sorted({a.place for h in harts for a in h})
            # a place that is stored to once ends with that value: nothing to look at
            final_places = [p for p in places if stored.count(p) > 1]
            finals = [p + h for p in final_places for h in ("hl" if wide else "l")]
            ops, barriers = operations(harts, wide)
            allowed = outcomes(ops, preserved(ops, barriers, False), finals)
            strict = outcomes(ops, preserved(ops, barriers, True), finals)
            assert strict <= allowed, name
            used = [c for c, text in zip(classes, shape["harts"]) if "" in parse(text)[1]]
            yield (f"{name}+{'+'.join(used if len(set(used)) > 1 else used[:1])}".rstrip("+"), harts, wide,
                   sorted(map(number, allowed)), {number(k) for k in allowed - strict}, final_places, places)


def write(out):
    table, relaxed_total = [], 0
    out.write("/* made by gen.py from shapes.toml */\n#include \"litmus.h\"\n")
    for n, (name, harts, wide, allowed, relaxed, finals, places) in enumerate(tests()):
        out.write('__asm__(".text\\n.option push\\n.option norvc\\n"\n')
        for h, accesses in enumerate(harts):
            lines = "\\n".join(instructions(accesses, wide))
            out.write(f'"litmus_{n}_{h}: {lines}\\n"\n')
        out.write('".option pop\\n");\n')
        out.writelines(f"extern body litmus_{n}_{h};\n" for h in range(len(harts)))
        out.write(f"static const uint64_t keys_{n}[] = {{ {', '.join(map(hex, allowed))} }};\n")
        out.write(f"static const uint8_t relaxed_{n}[] = "
                  f"{{ {', '.join(str(int(k in relaxed)) for k in allowed)} }};\n")
        widths = []
        for accesses in harts:
            bits = [int(width(a, wide)[0] == "d") for a in accesses if not a.store]
            widths.append(f"{{ {len(bits)}, {{ {', '.join(map(str, bits)) or 0} }} }}")
        bodies = ", ".join(f"litmus_{n}_{h}" for h in range(len(harts)))
        table.append(f'{{ "{name}", {len(harts)}, {int(wide)}, {len(places)}, {{ {bodies} }}, '
                     f"{{ {', '.join(widths)} }}, {len(finals)}, "
                     f"{{ {', '.join(str('xyz'.index(p)) for p in finals) or 0} }}, "
                     f"{len(allowed)}, {len(relaxed)}, keys_{n}, relaxed_{n} }},\n")
        relaxed_total += bool(relaxed)
    out.write("const struct litmus litmus_tests[] = {\n")
    out.writelines(table)
    out.write(f"}};\nconst unsigned litmus_count = {len(table)};\n")
    return len(table), relaxed_total


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        write(f)
