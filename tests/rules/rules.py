#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of the house, checked from the sources and the built files.

    rules.py includes|names|headers|libraries|symbols|style SOURCE BUILD

includes   rooms include only rooms below them, plugins only public headers (DESIGN 2)
names      the core names no hardware: words from manifests, plugin folders and ISA names
headers    public headers compile alone, as C11, C++11 and (but for macros) C99, without padding
libraries  the core needs glib2, libltdl and the C library's objects, and nothing else
symbols    each plugin exports one symbol and imports none of the core's
style      SPDX headers, clang-format
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

# A room may include itself and those listed. DESIGN 2: tools -> machine -> {state, host, cpu} ->
# {jit, sched, bus} -> trace -> plugin.
BELOW = {
    "plugin": set(),
    "trace": {"plugin"},
    "bus": {"trace", "plugin"},
    "sched": {"trace", "plugin"},
    "jit": {"trace", "plugin"},
    "cpu": {"jit", "sched", "bus", "trace", "plugin"},
    "host": {"jit", "sched", "bus", "trace", "plugin"},
    "state": {"jit", "sched", "bus", "trace", "plugin"},
    "machine": {"state", "host", "cpu", "jit", "sched", "bus", "trace", "plugin"},
    "tools": {"machine", "state", "host", "cpu", "jit", "sched", "bus", "trace", "plugin"},
}
ISA_NAMES = ["riscv", "rv32", "rv64", "x86", "i386", "amd64", "aarch64", "armv7", "armv8", "arm",
             "mips", "powerpc", "ppc", "ppc64", "sparc", "s390", "m68k", "thumb"]
HOST_FOLDERS = ("core/jit/x86_64/", "core/jit/aarch64/")
LIBRARIES = {"libglib-2.0.so.0", "libltdl.so.7", "libc.so.6", "libm.so.6", "libgcc_s.so.1",
             "ld-linux-x86-64.so.2", "libbackplane.so.0"}
SANITIZERS = ("libasan", "libubsan")


def sources(root, *patterns):
    for pattern in patterns:
        yield from sorted(root.glob(pattern))


def includes(root, build):
    faults = []
    inc = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
    for path in sources(root, "core/*/**/*.[ch]"):
        room = path.relative_to(root / "core").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = inc.match(line)
            if not m:
                continue
            first = m[2].split("/")[0]
            if first in BELOW and "/" in m[2] and first != room and first not in BELOW[room]:
                faults.append(f"{path.relative_to(root)}:{number}: {room}/ must not include {m[2]}")
            if ".." in m[2] or first == "plugins":
                faults.append(f"{path.relative_to(root)}:{number}: no way out of the room: {m[2]}")
    for path in sources(root, "plugins/**/*.[ch]"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = inc.match(line)
            if m and m[1] == '"' and ("/" in m[2] or m[2].split("/")[0] in BELOW):
                faults.append(f"{path.relative_to(root)}:{number}: a plugin sees only public "
                              f"headers and its own folder: {m[2]}")
    for path in sources(root, "pluginapi/**/*.h"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = inc.match(line)
            if m and not re.fullmatch(r"backplane/\w+\.h|stddef\.h|stdint\.h", m[2]):
                faults.append(f"{path.relative_to(root)}:{number}: not for a public header: {m[2]}")
    return faults


# Parts of hardware's names that are said of other things too.
EVERYDAY = {"blk", "disk", "generic", "host", "input", "port", "root"}


def words(root):
    """Names that hardware goes by, from what the tree itself declares."""
    found = set(ISA_NAMES)
    for path in sources(root, "plugins/*/*.plugin.toml"):
        manifest = tomllib.loads(path.read_text())
        # Back ends, tracers and services are named after host things: file, null, log.
        kinds = {entry.get("kind") for entry in manifest.get("types", {}).values()}
        if not kinds & {"cpu", "device", "board", "bus", "isa-extension"}:
            found.update(manifest.get("types", {}))
            found.add(path.parent.name)
            continue
        found.update(set(path.parent.name.split("-")[1:]) - EVERYDAY)
        for name, entry in manifest.get("types", {}).items():
            for text in [name, *entry.get("compatible", [])]:
                found.add(text)
                found.update(set(re.split(r"[,-]", text)) - EVERYDAY)
    return {w.lower() for w in found if len(w) > 1 and re.search('[a-z]', w, re.I)}


def names(root, build):
    faults = []
    allowed = []
    for line in (root / "tests/rules/names-allowed.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            file, word, reason = (part.strip() for part in line.split("|"))
            if not reason:
                faults.append(f"names-allowed.txt: no reason given: {line}")
            allowed.append((file, word.lower()))
    pattern = re.compile(r"(?<![a-z0-9])(" + "|".join(
        re.escape(w) for w in sorted(words(root), key=len, reverse=True)) + r")(?![a-z0-9])",
        re.IGNORECASE)
    for path in sources(root, "core/**/*.[ch]", "core/**/meson.build"):
        name = str(path.relative_to(root))
        if name.startswith(HOST_FOLDERS):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for m in pattern.finditer(line):
                word = m[1].lower()
                if not any(w == word and pathlib.PurePath(name).match(f) for f, w in allowed):
                    faults.append(f"{name}:{number}: the core names hardware: {m[1]}")
    return faults


def compile_one(command, header, text=None):
    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write(text or f"#include <backplane/{header}>\n")
        f.flush()
        r = subprocess.run(command + [f.name, "-fsyntax-only"], capture_output=True, text=True)
        return r.stderr


def headers(root, build):
    faults = []
    inc = ["-I", str(root / "pluginapi")]
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for path in sources(root, "pluginapi/backplane/*.h"):
        for command in (["gcc", "-std=c11", "-Wpadded"], ["gcc", "-std=c99", "-Wpadded"],
                        ["g++", "-x", "c++", "-std=c++11"]):
            out = compile_one(command + strict + inc, path.name)
            if out:
                faults.append(f"{path.name}: {' '.join(command)}: {out}")
    return faults


def needed(path):
    out = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
    return {line.split()[1] for line in out.splitlines() if "NEEDED" in line}


def libraries(root, build):
    faults = []
    for name in ("backplane", "libbackplane.so.0"):
        path = build / "core" / name
        extra = {n for n in needed(path) if n not in LIBRARIES and not n.startswith(SANITIZERS)}
        if extra:
            faults.append(f"{name} needs {', '.join(sorted(extra))}")
    return faults


def dynamic_symbols(path, which):
    out = subprocess.run(["nm", "-D", which, "--format=posix", path], capture_output=True,
                         text=True, check=True).stdout
    # A is the name of a version, not of something.
    return {line.split()[0].split("@")[0] for line in out.splitlines() if line.split()[1] != "A"}


def symbols(root, build):
    faults = []
    core = dynamic_symbols(build / "core" / "libbackplane.so.0", "--defined-only")
    strange = {s for s in core if not s.startswith(("bp_", "BACKPLANE_1", "__odr_asan"))}
    if strange:
        faults.append(f"libbackplane exports {', '.join(sorted(strange))}")
    plugins = sorted((build / "plugins").glob("*/*.so"))
    if not plugins:
        faults.append("no plugin was built")
    for path in plugins:
        own = {s for s in dynamic_symbols(path, "--defined-only") if not s.startswith("__odr_")}
        if own != {"bp_plugin_1"}:
            faults.append(f"{path.name} exports {', '.join(sorted(own))}; wanted: bp_plugin_1 alone")
        taken = dynamic_symbols(path, "--undefined-only") & core
        if taken or "libbackplane.so.0" in needed(path):
            faults.append(f"{path.name} imports from the core: {', '.join(sorted(taken))}")
    return faults


def style(root, build):
    faults = []
    files = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True)
    listed = [root / f for f in files.stdout.split()]
    code = [p for p in listed if p.suffix in (".c", ".h") and p.is_file()]
    for path in listed:
        if path.suffix in (".c", ".h", ".py", ".sh", ".S", ".toml") and path.is_file() and \
                "SPDX-License-Identifier: MIT" not in path.read_text(errors="replace")[:400] and \
                "corpus" not in path.parts and "seeds" not in path.parts:
            faults.append(f"{path.relative_to(root)}: no SPDX line")
    r = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *code], capture_output=True,
                       text=True)
    faults += [line for line in r.stderr.splitlines() if "error:" in line][:40]
    return faults


def main():
    check, root, build = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    faults = {"includes": includes, "names": names, "headers": headers, "libraries": libraries,
              "symbols": symbols, "style": style}[check](root, build)
    for fault in faults:
        print(fault, file=sys.stderr)
    print("1..1\n" + ("not ok" if faults else "ok") + f" 1 - {check}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
