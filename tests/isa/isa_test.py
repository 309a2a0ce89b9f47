#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests of the instruction set, by name, as meson calls them: isa_test.py --build DIR NAME.

Random streams run on this project's machine and on the user-mode oracle of tests/guests/fetch; see
isa_run.py. With BACKPLANE_FULL in the environment the counts are ten times as high.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(HERE, "isa_run.py")
FETCH = os.path.join(HERE, "../guests/fetch")

# Name: width, whether the oracle is needed, and what isa_run.py is told. {many} and {some} are
# counts for each encoding.
TESTS = {
    "rv64": (64, True, "--vlen 128 --count {many} --counts"),
    "rv64-vlen256": (64, True, "--vlen 256 --count {some} --seed 2"),
    "rv64-vlen512": (64, True, "--vlen 512 --count {some} --seed 3"),
    "rv32": (32, True, "--vlen 128 --count {some} --count-own {many} --counts --seed 4"),
    "engines": (64, False, "--vlen 128 --count {some} --seed 9 --oracle interp:{command}"),
    "engines-rv32": (32, False, "--vlen 128 --count {some} --seed 10 --oracle interp:{command}"),
    "engines-cut": (64, False, "--vlen 128 --count {some} --seed 11 --set cpu.block-limit=3 "
                    "--oracle interp:{command}"),
    "interp": (64, True, "--vlen 128 --count {some} --seed 7 --set cpu.engine=interp"),
    "interp-rv32": (32, True, "--vlen 128 --count {some} --seed 8 --set cpu.engine=interp"),
    "block-limit": (64, True, "--vlen 128 --count {some} --seed 5 --set cpu.block-limit=1"),
    "two-addresses": (64, True, "--vlen 128 --count {some} --seed 6 --set cpu.check-ir=true"),
    "off-rv64": (64, False, "--vlen 128 --off"),
    "off-rv32": (32, False, "--vlen 128 --off"),
}


def oracle(xlen):
    path = f"qemu-user/qemu-riscv{xlen}"
    done = subprocess.run([FETCH, "--path", path], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit("isa_test.py: there is no oracle: tests/guests/fetch says why")
    return done.stdout.split()[-1]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", help="the build folder")
    p.add_argument("--list", action="store_true", help="print the names of the tests")
    p.add_argument("name", nargs="?", choices=list(TESTS))
    options = p.parse_args()
    if options.list:
        print("\n".join(TESTS))
        return 0
    if not options.build or not options.name:
        p.error("a build folder and a name are needed")
    xlen, needs_oracle, text = TESTS[options.name]
    times = 10 if os.environ.get("BACKPLANE_FULL") else 1
    command = [sys.executable, RUN, "--xlen", str(xlen),
               "--runners", os.path.join(options.build, "tests/isa/runners"),
               "--subject", "bare:" + os.path.join(options.build, "core/backplane"),
               "--plugin-path", os.path.join(options.build, "plugins"),
               *text.format(many=1000 * times, some=100 * times,
                            command=os.path.join(options.build, "core/backplane")).split()]
    if needs_oracle:
        command += ["--oracle", "user:" + oracle(xlen)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
