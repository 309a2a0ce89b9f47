#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests of the instruction set, by name, as meson calls them: isa_test.py --build DIR NAME.

Random streams run on this project's machine and on the user-mode oracle of tests/guests/fetch; see
isa_run.py. With BACKPLANE_FULL in the environment the counts are ten times as high.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import tap  # noqa: E402
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
    build, name = tap.chosen(__doc__, TESTS)
    xlen, needs_oracle, text = TESTS[name]
    times = 10 if os.environ.get("BACKPLANE_FULL") else 1
    command = [sys.executable, RUN, "--xlen", str(xlen),
               "--runners", os.path.join(build, "tests/isa/runners"),
               "--subject", "bare:" + os.path.join(build, "core/backplane"),
               "--plugin-path", os.path.join(build, "plugins"),
               *text.format(many=1000 * times, some=100 * times,
                            command=os.path.join(build, "core/backplane")).split()]
    if needs_oracle:
        command += ["--oracle", "user:" + oracle(xlen)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
