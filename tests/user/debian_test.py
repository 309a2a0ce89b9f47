#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian trixie's riscv64 programs, unmodified, from a tree that tests/guests/fetch makes. What the host
has too gives the output to compare with.

    debian_test.py --build BUILD [WORD...]      checks whose name has one of the words, or all; as TAP
"""

import argparse
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

PI = r"""
#include <math.h>
#include <stdio.h>
int main(void)
{
	double sum = 0;
	for (int i = 1; i < 1000000; i++)
		sum += 1.0 / ((double)i * i);
	printf("%.6f\n", sqrt(6 * sum));
	return 0;
}
"""
MAKEFILE = """\
all: $(patsubst %.c,%.o,$(wildcard f*.c))
\tcat $^ > all
%.o: %.c
\t/usr/bin/riscv64-linux-gnu-gcc-14 --sysroot=$(TREE) -c -O2 $< -o $@
"""

# Shell lines whose output is the same here and there. bash -c runs each.
SAME = {
    "bash": r"x=$(for i in 3 1 2; do echo $i; done | sort -r); echo $x; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}",
    "bash functions": r"f() { local n=$1; ((n < 2)) && echo $n || echo $(($(f $((n-1))) + $(f $((n-2))))); }; f 10",
    "bash traps": r"trap 'echo usr1' USR1; kill -USR1 $$; (exit 3); echo $?; sleep 0.1 & wait $!; echo $?",
    "here document": "cat <<X | tr a-z A-Z\none\ntwo\nX",
    "coreutils": r"seq 1 3000 | shuf --random-source=nums | sort -n | uniq | md5sum; wc -c nums; head -c 1000 nums | base64 | tail -1; cut -c1-2 nums | sort | uniq -c | sort -rn | head -3; stat -c '%s %f' nums; factor 1234567890123; date -u -d @1234567890 +%F; printf '%05.2f\n' 3.14159; od -c nums | tail -2; expr 6 \* 7; sha512sum nums; ls -1; du -b nums; dd if=nums bs=100 count=3 2>/dev/null | cksum; tac nums | head -1; paste -sd+ nums | head -c 20; env -i A=1 printenv A; nl nums | tail -1; comm -12 nums nums | wc -l; split -n 3 nums part; cat part* | cmp - nums; rm part*; truncate -s 5 t; mkfifo p; (echo through >p &) ; cat p; rm p t; ln -s nums l; readlink l; rm l; test -f nums && echo file; timeout 0.1 sleep 5; echo $?",
    "findutils": r"find . -name 'num*' -size +1k -print | sort; echo a b c | xargs -n1 echo; find . -type f -exec echo {} + | tr ' ' '\n' | sort",
    "grep": r"grep -c 7 nums; grep -E '^(12|34)5?$' nums; grep -o '9*$' nums | sort | uniq -c | head -3; grep -P '(?<=1)23$' nums | head -2",
    "sed": r"sed -n '5,7p;$p' nums; sed 's/\([0-9]\)\([0-9]\)/\2\1/' nums | md5sum; sed -E '2~3d' nums | wc -l",
    "tar": r"tar cf - --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner nums | md5sum; tar czf a.tgz nums; tar tzf a.tgz; mkdir -p o; tar xzf a.tgz -C o; cmp nums o/nums; rm -r o a.tgz",
    "xz": r"xz -c nums | xz -dc | cmp - nums; xz -1 -c nums | xz -l - 2>/dev/null; xz -9e -T2 -c nums | xz -t -; echo $?",
    "zstd": r"zstd -q -c nums | zstd -q -dc | cmp - nums; zstd -q -19 -T2 -c nums | zstd -q -t -; echo $?",
    "gzip": r"gzip -nc nums | md5sum; gzip -c nums | gzip -dc | cmp - nums; bzip2 -c nums | md5sum",
    "perl": r"""perl -e 'my %h; $h{$_ % 7}++ for 1..1000; print join(",", map {"$_=$h{$_}"} sort keys %h), "\n"; printf "%.10f %s\n", exp(1), "abc" =~ s/b/[$&]/r; my $p = open(my $f, "-|", "echo sub") or die; print <$f>; local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5 }; print $@;'""",
    "dash": r"dash -c 'i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo $i; (echo a; echo b) | while read x; do echo $x$x; done'",
    "diff": r"sed 's/^5$/x/' nums > n2; diff nums n2; diff -u nums n2 | tail -n +3 | md5sum; rm n2",
    "openssl digests": r"for d in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -r -$d nums; done; openssl enc -aes-256-ctr -K 00 -iv 00 -in nums 2>/dev/null | md5sum",
}
# Lines with what they must print.
TELLS = {
    "awk": (r"""gawk 'BEGIN { for (i = 0; i < 3; i++) printf "%.6f ", sin(i); print length("x"), substr("hello", 2, 3), 2^31 }'""",
            "0.000000 0.841471 0.909297 1 ell 2147483648\n"),
    "sqlite3": (r"sqlite3 x.db 'create table t(a integer primary key, b text); with recursive n(i) as (select 1 union all select i+1 from n where i<20000) insert into t select i, hex(i) from n; select count(*), sum(a), max(b) from t; select total(a*1.5) from t;'; rm x.db",
                "20000|200010000|39393939\n300015000.0\n"),
    "python3": (r"""python3.13 -c 'import sys, json, hashlib, subprocess, threading, multiprocessing, re, decimal
t = [threading.Thread(target=lambda: r.append(sum(range(10000)))) for _ in range(8)]
r = []
[x.start() for x in t]; [x.join() for x in t]
print(r == [49995000] * 8, json.dumps({"a": [1, 2.5, None]}), decimal.Decimal(2).sqrt(), 2**200)
print(subprocess.run(["echo", "sub"], capture_output=True).stdout, sys.platform, hashlib.sha256(b"x").hexdigest()[:8])
print(multiprocessing.get_context("fork").Pool(2).map(abs, range(-3, 0)))'""",
                'True {"a": [1, 2.5, null]} 1.414213562373095048801688724 '
                "1606938044258990275541962092341162602522202993782792835301376\n"
                "b'sub\\n' linux 2d711642\n[3, 2, 1]\n"),
    "gcc": (r"riscv64-linux-gnu-gcc-14 --sysroot=$TREE -O2 pi.c -o pi -lm && ./pi; rm -f pi", "3.141592\n"),
    "make -j2": (r"for i in 1 2 3 4 5 6; do echo int f$i[$i]\; > f$i.c; done; make -s -j2 -f mf && wc -l < all > /dev/null && ls f*.o | wc -l; rm -f f*.[co] all", "6\n"),
    "git": (r"git init -q -b m r; cd r; echo a > f; git add f; git -c user.name=a -c user.email=b commit -qm one; cd ..; git clone -q r c; cat c/f; git -C c log --format=%s; git -C c fsck 2>&1 | tail -1; rm -rf r c", "a\none\n"),
    "ssh-keygen": (r"ssh-keygen -q -t ed25519 -N '' -f k; ssh-keygen -q -t rsa -b 2048 -N '' -f k2; ssh-keygen -l -f k2.pub | cut -d' ' -f1; ssh-keygen -y -f k | cut -d' ' -f1; rm k*", "2048\nssh-ed25519\n"),
    "openssl speed": (r"openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | tail -1 | cut -c1-6", "sha256\n"),
    "commands": (r"n=0; for ((i = 0; i < $COMMANDS; i++)); do (exit 1); n=$((n + $?)); done; for ((i = 0; i < $COMMANDS / 10; i++)); do /usr/bin/true; done; echo $((n == COMMANDS))", "1\n"),
    "threads under load": (r"for i in 1 2 3 4 5 6 7 8; do cat nums; done > n8; zstd -q -17 -T4 -c n8 | zstd -q -dc | cmp - n8; xz -3 -T4 --block-size=100KiB -c n8 | xz -dc -T4 | cmp - n8; rm n8; echo same", "same\n"),
    "the machine": ("uname -m; uname -s", "riscv64\nLinux\n"),
    "/proc/self": (r"readlink /proc/self/exe | grep -c /usr/bin/readlink; cat /proc/self/cmdline | tr '\0' ' '; grep -c stack /proc/self/maps", "1\ncat /proc/self/cmdline 1\n"),
}
PYTHON_TESTS = ("test_int test_float test_struct test_dict test_list test_re test_json test_hashlib "
                "test_os test_signal test_thread test_threading test_subprocess test_mmap test_select "
                "test_epoll test_socket test_fcntl test_pty test_math test_complex test_zlib")


PYTHON_SAMPLE = "test_int test_struct test_signal"  # of every run

# In user, mount and PID namespaces of its own: the registration ends with them. The program itself is
# nowhere in the chroot; programs start programs, with /proc and without.
CHROOT = r"""
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && test -e /proc/sys/fs/binfmt_misc/register || exit 99
while read -r line; do
    printf %s "$line" > /proc/sys/fs/binfmt_misc/register || exit 98
done < "$1"
mkdir -p "$2/proc"
chroot "$2" /bin/sh -c "$3" || exit
mount -t proc none "$2/proc"
chroot "$2" /bin/sh -c "$3 readlink /proc/self/exe; cat /proc/self/cmdline | tr '\\0' ' '; grep -c rv64i /proc/cpuinfo | tr -s '1-9' n"
"""
IN_CHROOT = r"""
uname -m; echo /* | tr ' ' '
' | grep -v -e MADE -e proc | tr '
' ' '; test -e %s || echo hidden
/usr/bin/python3.13 -c 'import subprocess; print(subprocess.run(["uname", "-m"], capture_output=True).stdout)'
echo 'echo script $0 $1' > /tmp/s; chmod +x /tmp/s; sed -i '1i#!/bin/bash' /tmp/s; /tmp/s one; rm /tmp/s
seq 1 1000 | sort -R | sort -n | md5sum; (exec uname -s)
"""
CHROOT_SAYS = """riscv64
/bin /etc /lib /sbin /tmp /usr /var hidden
b'riscv64\\n'
script /tmp/s one
53d025127ae99ab79e8502aae2d9bea6  -
Linux
"""


def chroot(c, build, tree, folder):
    """A foreign Debian by binfmt_misc alone."""
    static = build / "plugins/backplane-user"
    if not static.exists():
        c.check("chroot # SKIP no backplane-user: no static glib here", True)
        return
    manifest = HERE.parent.parent / "plugins/cpu-riscv/cpu-riscv.plugin.toml"
    rows = subprocess.run([sys.executable, HERE.parent.parent / "plugins/os-linux/binfmt.py", static,
                           manifest], capture_output=True, check=True).stdout
    (folder / "backplane.conf").write_bytes(rows)
    done = subprocess.run(["unshare", "-Urmpf", "--mount-proc", "sh", "-c", CHROOT, "sh",
                           folder / "backplane.conf", tree, IN_CHROOT % static],
                          capture_output=True, timeout=300)
    if done.returncode in (1, 99) and not done.stdout:
        c.check("chroot # SKIP this kernel gives namespaces no binfmt_misc of their own", True)
        return
    whole = CHROOT_SAYS + CHROOT_SAYS + "/usr/bin/readlink\ncat /proc/self/cmdline n\n"
    c.check("a foreign Debian in a chroot", done.stdout.decode() == whole,
            f"{done.stdout.decode()}\n{done.stderr.decode()}")


def guests():
    loader = importlib.machinery.SourceFileLoader("fetch", str(HERE.parent / "guests/fetch"))
    spec = importlib.util.spec_from_loader("fetch", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.ensure(["riscv64-tree"])


def prepare(folder, tree):
    (folder / "nums").write_text("".join(f"{n}\n" for n in range(1, 20001)))
    (folder / "pi.c").write_text(PI)
    (folder / "mf").write_text(MAKEFILE.replace("$(TREE)", str(tree)))


def ignored(tree):
    """Python's test_user starts the interpreter as nobody, who must be able to reach it."""
    return "" if all(p.stat().st_mode & 1 for p in [tree, *tree.parents]) else "-i test_user "


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    full = "BACKPLANE_FULL" in os.environ
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--python-tests", action="store_true", default=full,
                        help="more of Python's own tests")
    parser.add_argument("--commands", type=int, default=10000 if full else 1000, metavar="N",
                        help="that a shell runs, and a tenth of N programs (default 1000; 10000 with "
                        "BACKPLANE_FULL)")
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    build, tree, c = args.build.resolve(), guests() / "riscv64-tree", tap.Checks()
    command = [build / "core/backplane", "user", "--plugin-path", build / "plugins", "--sysroot", tree]

    # A command of a shell costs 5 ms of CPU time, a tenth of them starts a program for 10 more; the rest
    # of this is for what else the machine does.
    def run(line, native, folder, timeout=200 + args.commands // 10):
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder),
               "TREE": str(tree), "GIT_CONFIG_NOSYSTEM": "1",
               "COMMANDS": str(args.commands)}
        words = ["/usr/bin/bash", "-c", line]
        return subprocess.run(words if native else [*command, *words], capture_output=True,
                              cwd=folder, timeout=timeout, env=env, stdin=subprocess.DEVNULL)

    def wanted(name):
        return not args.words or any(w in name for w in args.words)

    with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
        prepare(Path(here), tree)
        prepare(Path(there), tree)
        for name, line in SAME.items():
            if wanted(name):
                good, done = run(line, True, Path(here)), run(line, False, Path(there))
                c.check(name, (good.stdout, good.returncode) == (done.stdout, done.returncode),
                        f"native {good.stdout!r}\nguest {done.stdout!r}\n{done.stderr!r}")
        for name, (line, says) in TELLS.items():
            if wanted(name):
                done = run(line, False, Path(there))
                c.check(name, done.stdout.decode() == says, f"{done.stdout!r}\n{done.stderr!r}")
        if wanted("chroot"):
            chroot(c, build, tree, Path(here))
        for name in (PYTHON_TESTS if args.python_tests else PYTHON_SAMPLE).split():
            if wanted(name):
                done = run(f"python3.13 -m test -q {ignored(tree)}{name}", False, Path(there), 900)
                c.check(name, done.returncode == 0, done.stdout.decode()[-1500:])
    sys.exit(c.finish())


if __name__ == "__main__":
    main()
