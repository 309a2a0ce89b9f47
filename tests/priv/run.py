#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build and run the bare-metal RISC-V test programs (see README.md here).

run.py list                     names of all programs
run.py build NAME OUT.bin       compile one program to a flat image
run.py run [NAME...]            run on Backplane and on QEMU and compare line by line

A program's settings stand in programs.toml, what may differ in differences.toml.
"""
import argparse
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77  # meson's code for a skipped test
KINDS = ("wrong", "missing", "choice", "both")


def load(name):
    with open(os.path.join(HERE, name), "rb") as f:
        return tomllib.load(f)


def programs():
    """Each program with the defaults filled in."""
    table = load("programs.toml")
    result = {}
    for name, given in table["program"].items():
        xlen = given.get("xlen", 64)
        unknown = set(given) - set(table["default"][str(xlen)]) - {"xlen", "source", "required", "required_here", "no_qemu"}
        if unknown:
            sys.exit(f"programs.toml: {name}: unknown key {sorted(unknown)[0]}")
        result[name] = {"xlen": xlen, "source": given.get("source", name + ".c"),
                        "required": [], "required_here": [], "no_qemu": "", **table["default"][str(xlen)], **given}
    return result


def compile_image(sources, out, arch, define=(), xlen=64, include=()):
    """A flat image of these sources and lib/."""
    gcc = os.environ.get("RISCV_CC", "riscv64-linux-gnu-gcc")
    objcopy = os.environ.get("RISCV_OBJCOPY", "riscv64-linux-gnu-objcopy")
    elf = out.removesuffix(".bin") + ".elf"
    lib = os.path.join(HERE, "lib")
    compile_command = (
        [gcc, "-march=" + arch, "-mabi=" + ("lp64" if xlen == 64 else "ilp32"),
         "-mcmodel=medany", "-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
         "-ffreestanding", "-fno-builtin", "-fno-pic", "-fno-pie", "-fno-stack-protector",
         "-fno-strict-aliasing", "-fno-delete-null-pointer-checks", "-nostdlib", "-static",
         "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-Wl,-T",
         os.path.join(lib, "link.ld"), *["-I" + d for d in (lib, *include)], *["-D" + d for d in define],
         *[os.path.join(lib, s) for s in ("start.S", "priv.c", "vm.c")], *sources, "-o", elf])
    for command in (compile_command, [objcopy, "-O", "binary", elf, out]):
        if subprocess.run(command).returncode:
            sys.exit(f"{os.path.basename(out)}: cannot be built: {command[0]} failed, see above")


def build(name, out):
    p = programs()[name]
    compile_image([os.path.join(HERE, p["source"])], out, p["arch"], p["define"], p["xlen"])


class Run:
    """What one emulator made of one program."""

    def __init__(self, command, seconds):
        self.command = shlex.join(command)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            self.code, self.resident = self.wait(p, time.monotonic() + seconds)
            out.seek(0)
            err.seek(0)
            self.out, self.err = out.read(), err.read()
        text = self.out.decode("utf-8", "replace").replace("\r", "")
        self.lines = [line for line in text.split("\n") if line]
        self.checks = {}
        self.repeated = []
        for line in self.lines:
            name, colon, value = line.partition(": ")
            if colon:
                if name in self.checks:
                    self.repeated.append(name)
                self.checks[name] = value

    @staticmethod
    def wait(p, until):
        """Its exit status, None if it did not end in time, and the most memory it had, in MiB."""
        pid = late = 0
        while not pid:
            pid, status, usage = os.wait4(p.pid, os.WNOHANG)
            if not pid and not late and time.monotonic() > until:
                late = True
                p.kill()
            if not pid:
                time.sleep(0.005)
        p.returncode = os.waitstatus_to_exitcode(status)
        return None if late else p.returncode, usage.ru_maxrss >> 10

    def faults(self, exit_code, resident=0):
        """What is wrong however the values compare."""
        if self.code is None:
            return ["did not end in time"]
        wrong = any(" WRONG" in v for v in self.checks.values())
        faults = [f"prints {n} twice" for n in self.repeated]
        if self.code != (1 if wrong else exit_code):
            faults.append(f"exit status {self.code}, expected {1 if wrong else exit_code}")
        if resident and self.resident > resident:
            faults.append(f"had {self.resident} MiB of memory, at most {resident} are allowed")
        if not any(re.fullmatch("PASS|FAIL [0-9]+", line) for line in self.lines):
            faults.append("did not reach its end")
        return faults


def compare(name, qemu, ours, table):
    """Messages about lines of either run that the table of differences does not explain."""
    messages = []
    entries = [d for d in table if fnmatch.fnmatchcase(name, d["program"])]
    used = set()
    names = list(dict.fromkeys([*(qemu.checks if qemu else ()), *(ours.checks if ours else ())]))
    for check in names:
        if check == "checks":
            continue
        q = qemu.checks.get(check) if qemu else None
        o = ours.checks.get(check) if ours else None
        entry = next((i for i, d in enumerate(entries)
                      if fnmatch.fnmatchcase(check, d["check"])), None)
        bad = qemu is not None and (q is None or " WRONG" in q)
        if entry is not None and (bad or (ours and o != q)):
            used.add(entry)
        if ours and o and o == q and entry is not None and entries[entry]["kind"] == "both":
            continue
        if ours and (o is None or " WRONG" in o):
            messages.append(f"backplane: {check}: {o or 'not printed'}")
            if qemu:
                messages.append(f"     qemu: {check}: {q or 'not printed'}")
            continue
        if not qemu or not (bad or (ours and q != o)):
            continue
        if entry is None:
            messages.append(f"qemu: {check}: {q or 'not printed'}" if bad else
                            f"differ: {check}: backplane {o}, qemu {q}")
            continue
        d = entries[entry]
        if "qemu" in d and not re.fullmatch(d["qemu"], (q or "").split(" WRONG")[0].split(" ok")[0]):
            messages.append(f"qemu: {check}: {q}, but differences.toml says {d['qemu']}")
    if qemu:
        for i, d in enumerate(entries):
            if i not in used and d["kind"] != "choice" and (ours or "count " not in d["check"]):
                messages.append(f"differences.toml: {d['program']}: {d['check']}: no longer differs")
    return messages


def differences():
    table = load("differences.toml")["difference"]
    for d in table:
        missing = {"program", "check", "kind", "section", "reason"} - set(d)
        if missing or d["kind"] not in KINDS:
            sys.exit(f"differences.toml: {d}: wants program, check, kind ({KINDS}), section, reason")
    return table


def run_one(name, p, image, args, table):
    """Prints a report; returns the messages and the counts that hold on all that ran."""
    qemu = ours = None
    xlen = str(p["xlen"])
    if not args.no_qemu and not p["no_qemu"]:
        program = os.environ.get("QEMU_SYSTEM_RISCV" + xlen, "qemu-system-riscv" + xlen)
        qemu = Run([program, "-M", "virt", "-nodefaults", "-display", "none", "-monitor", "none",
                    "-serial", "stdio", "-m", "128M", "-smp", str(p["cpus"]), "-bios", image,
                    *p["qemu"]], p["seconds"] * args.patience)
    if args.emulator != "qemu-only":
        machine = os.path.join(HERE, "..", "..", "machines", p["machine"])
        command = [args.emulator, "run", args.machine or machine, "--firmware", image,
                   "--memory", "128M", "--cpus", str(p["cpus"]), *p["backplane"],
                   *(["--engine", args.engine] if args.engine else [])]
        for d in args.plugin_path:
            command[2:2] = ["--plugin-path", d]
        with tempfile.TemporaryDirectory() as tmp:
            command = [word.replace("{tmp}", tmp) for word in command]
            ours = Run(command, p["seconds"] * args.patience)
    messages = []
    for who, r in (("qemu", qemu), ("backplane", ours)):
        if r:
            if args.verbose:
                print(f"--- {name} on {who}: {r.command}")
                print("\n".join(r.lines))
            faults = r.faults(p["exit"], p["resident"] if r is ours and not args.sanitized else 0)
            messages += [f"{who}: {m}" for m in faults]
            if faults:
                messages.append(f"{who}: command: {r.command}")
                messages += [f"{who}: last output: {line}" for line in r.lines[-3:]]
                messages += [f"{who}: stderr: {line}" for line in
                             r.err.decode("utf-8", "replace").split("\n")[-5:] if line]
    messages += compare(name, qemu, ours, table)
    counts = {}
    for check, value in (ours.checks if ours else qemu.checks if qemu else {}).items():
        if check.startswith("count ") and value.isdigit():
            counts[check.removeprefix("count ")] = int(value)
    for encoding in p["required"] + (p["required_here"] if ours else []):
        if counts.get(encoding, 0) < 1000:
            messages.append(f"{encoding}: executed {counts.get(encoding, 0)} times, wanted 1000")
    return messages, counts


def run(args):
    table = differences()
    all_programs = programs()
    names = args.names or list(all_programs)
    total, bad = {}, []
    with tempfile.TemporaryDirectory() as tmp:
        for name in names:
            p = all_programs[name]
            if name not in args.images:
                args.images[name] = os.path.join(tmp, name + ".bin")
                build(name, args.images[name])
            messages, counts = run_one(name, p, args.images[name], args, table)
            for m in messages:
                print(f"{name}: {m}")
            if p["no_qemu"] and args.emulator == "qemu-only":
                print(f"{name}: not run, {p['no_qemu']}")
                continue
            print(f"{name}: {'FAIL' if messages else 'pass'}", flush=True)
            if messages:
                bad.append(name)
            for k, v in counts.items():
                total[k] = total.get(k, 0) + v
    for k in sorted(total):
        print(f"count {k} {total[k]}")
    if args.counts:
        with open(args.counts, "w", encoding="utf-8") as f:
            f.writelines(f"{k} {total[k]}\n" for k in sorted(total))
    print(f"{len(names) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


def is_sanitized(folder):
    """A sanitizer's own memory is not bounded by programs.toml."""
    with open(os.path.join(folder, "meson-info/intro-buildoptions.json"), encoding="utf-8") as f:
        return any(o["name"] == "b_sanitize" and o["value"] not in ("none", []) for o in json.load(f))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    names = commands.add_parser("list")
    names.add_argument("--sources", action="store_true", help="with the source file of each")
    b = commands.add_parser("build")
    b.add_argument("name")
    b.add_argument("out")
    r = commands.add_parser("run")
    r.add_argument("names", nargs="*")
    r.add_argument("--emulator", default="qemu-only",
                   help="path of the backplane command, or qemu-only")
    r.add_argument("--engine", help="what executes Backplane's CPUs: jit or interp")
    r.add_argument("--build", help="a build folder: its backplane command and plugins")
    r.add_argument("--no-qemu", action="store_true", help="run on Backplane alone")
    r.add_argument("--machine", help="machine file in place of each program's own")
    r.add_argument("--plugin-path", action="append", default=[])
    r.add_argument("--image", action="append", default=[], metavar="NAME=FILE",
                   help="an image built before")
    r.add_argument("--counts", help="write the count of each privileged encoding to this file")
    r.add_argument("--patience", type=int, default=1, help="multiply all time limits")
    r.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    if args.command == "list":
        for name, p in programs().items():
            print(*([name, p["source"]] if args.sources else [name]))
        return 0
    if args.command == "build":
        build(args.name, args.out)
        return 0
    args.images = dict(i.split("=", 1) for i in args.image)
    args.sanitized = args.build and is_sanitized(args.build)
    if args.build:
        args.emulator = os.path.join(args.build, "core", "backplane")
        args.plugin_path.append(os.path.join(args.build, "plugins"))
    if not args.no_qemu and not shutil.which("qemu-system-riscv64"):
        print("qemu-system-riscv64 is not installed (Debian package qemu-system-misc)")
        if args.emulator == "qemu-only":
            return SKIPPED
        args.no_qemu = True
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
