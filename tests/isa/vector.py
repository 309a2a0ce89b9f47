# SPDX-License-Identifier: MIT
"""What the vector manual allows: operands of vector instructions for a given vtype.

Sections are those of the vector chapter of volume I: 30.3.4 (LMUL), 30.5.2 (operands), 30.5.3
(masking), 30.7 (loads and stores), 30.10 to 30.16.
"""
import re

FP_INT_WIDE = re.compile(r"vfwcvt\.f\.xu?\.v")
FP_INT_NARROW = re.compile(r"vfncvt\.(rtz\.)?xu?\.f\.w")
NO_OVERLAP = re.compile(r"v(rgather|slideup|slide1up|fslide1up|compress|iota|ms[bio]f\.m)")
VSTART_ZERO = re.compile(r"v(w?red|fw?red|cpop|first|iota|ms[bio]f\.m|compress)")
MASK_RESULT = re.compile(r"vm(seq|sne|sltu?|sleu?|sgtu?|feq|fle|flt|fne|fgt|fge|adc|sbc)\.")


def log2(n):
    return n.bit_length() - 1


class Vtype:
    def __init__(self, sew, lmul, vta, vma):
        self.sew, self.lmul = sew, lmul  # lmul is the logarithm
        self.bits = vma << 7 | vta << 6 | (log2(sew) - 3) << 3 | lmul & 7

    def vlmax(self, vlen):
        return vlen << self.lmul >> log2(self.sew) if self.lmul >= 0 else \
            (vlen >> -self.lmul) // self.sew


def random_vtype(rng):
    while True:
        sew, lmul = rng.choice((8, 16, 32, 64)), rng.randrange(-3, 4)
        if lmul >= 0 or sew <= 64 >> -lmul:
            return Vtype(sew, lmul, rng.getrandbits(1), rng.getrandbits(1))


class Shape:
    """The register groups of one instruction: for each field (EEW, log2 EMUL), and its rules."""

    def __init__(self):
        self.groups = {}
        self.nf = 1
        self.no_overlap = False
        self.mask_ok = False  # vd may be v0 though masked


def memory_shape(row, t, shape):
    m = re.fullmatch(r"v([ls])([uo]x|s)?(seg)?e(i)?(\d+)(ff)?\.v", row.name)
    data = "vd" if row.has("vd") else "vs3"
    if re.fullmatch(r"v[ls]m\.v", row.name):
        shape.groups[data] = (8, 0)
        return True
    if w := re.fullmatch(r"v[ls](\d)r(e\d+)?\.v", row.name):
        shape.groups[data] = (8, log2(int(w[1])))
        shape.whole = True
        return True
    eew = int(m[5])
    emul = t.lmul + log2(eew) - log2(t.sew)
    if not -3 <= emul <= 3:
        return False
    if m[4]:
        shape.groups["vs2"] = (eew, emul)
        shape.groups[data] = (t.sew, t.lmul)
    else:
        shape.groups[data] = (eew, emul)
    data_emul = shape.groups[data][1]
    if m[3]:
        most = 8 >> max(data_emul, 0)
        if most < 2:
            return False
        shape.most_fields = most
        shape.no_overlap = bool(m[4])
    return True


def shape_of(row, t, exts):
    """The Shape of a row under vtype t, or None if the row is reserved there."""
    s = Shape()
    name, sew, lmul = row.name, t.sew, t.lmul
    opcode = row.match & 0x7f
    s.memory = opcode in (0x07, 0x27)
    s.most_fields, s.whole = 1, False
    if s.memory:
        return s if memory_shape(row, t, s) else None
    if row.format == "VMVR":
        count = log2((row.match >> 15 & 31) + 1)
        s.groups = {"vd": (sew, count), "vs2": (sew, count)}
        s.whole = True
        return s
    fp = row.match >> 12 & 7 in (1, 5)
    fp_sews = (16, 32, 64) if "zvfh" in exts else (32, 64)
    widening = name.startswith(("vw", "vfw"))
    narrowing = name.startswith(("vn", "vfn")) and re.search(r"\.w[vxi]?$", name)
    if (widening or narrowing) and (sew > 32 or (lmul > 2 and not name.endswith(".vs"))):
        return None
    if fp:
        if FP_INT_WIDE.match(name):
            if 2 * sew not in fp_sews:
                return None
        elif FP_INT_NARROW.match(name):
            if 2 * sew not in fp_sews:
                return None
        elif sew not in fp_sews:
            return None
    one = (1, 0)
    vd = vs2 = vs1 = (sew, lmul)
    if name.endswith(".mm"):
        vd = vs2 = vs1 = one
    elif re.search(r"red\w+\.vs$", name):
        vd = vs1 = (2 * sew, 0) if widening else (sew, 0)
        s.mask_ok = True
        s.scalar = True
    elif widening:
        vd = (2 * sew, lmul + 1)
        if re.search(r"\.w[vxf]$", name):
            vs2 = (2 * sew, lmul + 1)
    elif narrowing:
        vs2 = (2 * sew, lmul + 1)
    elif MASK_RESULT.match(name):
        vd = one
        s.mask_ok = True
    elif name in ("vcpop.m", "vfirst.m", "vmsbf.m", "vmsof.m", "vmsif.m", "viota.m"):
        vs2 = one
        if name.startswith("vms"):
            vd = one
    elif name == "vcompress.vm":
        vs1 = one
    elif name == "vrgatherei16.vv":
        emul = lmul + 4 - log2(sew)
        if not -3 <= emul <= 3:
            return None
        vs1 = (16, emul)
    elif m := re.fullmatch(r"v[sz]ext\.vf(\d)", name):
        n = int(m[1])
        if sew // n < 8 or lmul - log2(n) < -3:
            return None
        vs2 = (sew // n, lmul - log2(n))
    elif name in ("vmv.x.s", "vfmv.f.s", "vmv.s.x", "vfmv.s.f"):
        vd = vs2 = (sew, 0)
    s.no_overlap = bool(NO_OVERLAP.match(name))
    for field, group in (("vd", vd), ("vs2", vs2), ("vs1", vs1)):
        if row.has(field):
            s.groups[field] = group
    return s


def span(register, group, fields=1):
    return set(range(register, register + (fields << max(group[1], 0))))


def overlap_allowed(dest, dest_group, src, src_group, fields):
    d, s = span(dest, dest_group, fields), span(src, src_group)
    if not d & s:
        return True
    if fields > 1:
        return False
    if dest_group[0] == src_group[0]:
        return True
    if dest_group[0] < src_group[0]:  # 30.5.2: the lowest-numbered part of the source
        return dest == src and d <= s
    return src_group[1] >= 0 and s <= d and max(s) == max(d)  # the highest part of the dest


def choose(row, shape, rng, avoid):
    """Register numbers for the row's vector fields, nf and vm; None when none was found.

    avoid: registers that must not be written.
    """
    fields = rng.randrange(2, shape.most_fields + 1) if shape.most_fields > 1 else 1
    for _ in range(50):
        vm = rng.getrandbits(1) if row.has("vm") else row.match >> 25 & 1
        picked = {}
        for field, group in shape.groups.items():
            count = 1 << max(group[1], 0)
            picked[field] = rng.randrange(0, 32 // count) * count
        dest = "vd" if "vd" in picked else None
        data = dest or ("vs3" if "vs3" in picked else None)
        if data and fields > 1 and picked[data] + (fields << max(shape.groups[data][1], 0)) > 32:
            continue
        if not legal(row, shape, picked, fields, vm, dest, avoid):
            continue
        if fields > 1:
            picked["nf"] = fields - 1
        if row.has("vm"):
            picked["vm"] = vm
        return picked
    return None


def legal(row, shape, picked, fields, vm, dest, avoid):
    groups = shape.groups
    sources = [f for f in picked if f != dest]
    if dest:
        written = span(picked[dest], groups[dest], fields)
        if written & avoid or (not vm and 0 in written and not shape.mask_ok and not shape.whole):
            return False
        for f in sources:
            if shape.no_overlap and written & span(picked[f], groups[f]):
                return False
            if getattr(shape, "scalar", False):
                continue
            if not overlap_allowed(picked[dest], groups[dest], picked[f], groups[f], fields):
                return False
    # 30.5.2: no register is read with two EEWs, v0 as a mask with one bit among them.
    read = [(span(picked[f], groups[f], fields if f == "vs3" else 1), groups[f][0])
            for f in sources]
    if not vm and not shape.whole:
        read.append(({0}, 1))
    if dest and row.name.startswith(("vmacc", "vmadd", "vnms", "vfm", "vfnm", "vwmacc", "vfwm",
                                     "vfwnm")):
        read.append((span(picked[dest], groups[dest]), groups[dest][0]))
    for i, (a, eew_a) in enumerate(read):
        for b, eew_b in read[i + 1:]:
            if eew_a != eew_b and a & b:
                return False
    return True
