# SPDX-License-Identifier: MIT
"""CPU time of programs seen from outside: all threads, translation and start included. Test machines
are shared, so what is compared runs in turns, and ratios are made within a turn."""

import json
import math
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date


class BenchError(Exception):
    """A sentence for the user."""


@dataclass
class Mark:
    """A line of output, and what the process had used when it came."""
    text: str
    cpu: float
    rss_mib: float
    wall: float = 0


@dataclass
class Run:
    cpu: float = 0  # seconds of user and system time, all threads
    output: str = ""
    marks: list = field(default_factory=list)

    def find(self, prefix):
        return [m for m in self.marks if m.text.startswith(prefix)]

    def one(self, prefix):
        found = self.find(prefix)
        if len(found) != 1:
            raise BenchError(f"expected one line `{prefix}`, found {len(found)}; "
                             f"the last output was:\n{self.output[-500:]}")
        return found[0]


def cpu_of(pid):
    """Seconds of a living process: its clock's number is made as clock_getcpuclockid(3) does."""
    return time.clock_gettime(~pid << 3 | 2)


def rss_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def run(argv, marks=(), seconds=600):
    """Runs a program to its end, which must be a good one; notes lines that begin with a mark."""
    argv = list(map(str, argv))
    result, rest, end = Run(), "", time.monotonic() + seconds
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        while select.select([process.stdout], [], [], max(end - time.monotonic(), 0))[0]:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            text = data.decode(errors="replace").replace("\r", "")
            result.output += text
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                if line.startswith(tuple(marks)) and marks:
                    result.marks.append(Mark(line, cpu_of(process.pid), rss_mib(process.pid),
                                             time.monotonic()))
        else:
            process.send_signal(signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    result.cpu = used.ru_utime + used.ru_stime
    if process.returncode:
        raise BenchError(f"`{' '.join(argv)}` ended with {process.returncode} (-9: after {seconds} "
                         f"s); the last output was:\n{result.output[-500:]}")
    return result


class Samples:
    """Figures by row, column and turn."""

    def __init__(self, columns):
        self.columns = columns
        self.rows = {}

    def add(self, row, column, figure):
        self.rows.setdefault(row, {}).setdefault(column, []).append(figure)

    def median(self, row, column):
        figures = self.rows[row].get(column)
        return statistics.median(figures) if figures else math.nan

    def ratio(self, row, column, base):
        """The median of the ratios of each turn."""
        pairs = zip(self.rows[row].get(column, ()), self.rows[row].get(base, ()))
        ratios = [a / b for a, b in pairs if b > 0]
        return statistics.median(ratios) if ratios else math.nan


def geometric_mean(figures):
    figures = [f for f in figures if not math.isnan(f)]
    return math.exp(sum(map(math.log, figures)) / len(figures)) if figures else math.nan


def print_table(title, head, rows):
    """Rows of a text and figures."""
    print(title)
    widths = [max(9, len(h) + 1) for h in head[1:]]
    name = max(len(str(r[0])) for r in [head, *rows])
    for cells in [head, *rows]:
        print(str(cells[0]).ljust(name), *(
            (c if isinstance(c, str) else "-" if math.isnan(c) else f"{c:.2f}").rjust(w)
            for c, w in zip(cells[1:], widths)), flush=True)


def write_json(path, samples):
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"date": str(date.today()), "command": sys.argv, "host": platform.processor()
                   or platform.machine(), "samples": samples.rows}, f, indent=1)
        f.write("\n")
