#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a Debian disk: trixie for riscv64 on ext4 in a qcow2 image, in the cache.

    disk.py [--build DIR]               makes it if need be, and prints where it lies
    disk.py [--build DIR] --new FILE    a copy of one's own, unless FILE is there

The packages are only unpacked here, which needs no root; the machine itself installs them, in
some minutes. Login: root, password: backplane.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
fetch = module_from_spec(spec_from_loader("fetch", SourceFileLoader("fetch", str(HERE / "fetch"))))
fetch.__spec__.loader.exec_module(fetch)

SUITE = ("trixie", "riscv64")
PACKAGES = ("?essential", "?priority(required)", "apt", "systemd-sysv", "udev", "e2fsprogs",
            "iproute2", "openssh-server")
SIZE, LABEL = "4G", "debian"
NAME = "debian-disk"
# What the machine needs beside its disk.
FIRMWARE, KERNEL, INITRD = ("opensbi-trixie/fw_dynamic.bin", "linux/Image",
                            "initrd/initrd.cpio.gz")
INSTALL_S = 1200 * float(os.environ.get("BACKPLANE_TEST_PATIENCE", "1"))
MKFS = ("mkfs.ext4", "-q", "-F", "-L", LABEL, "-m", "1", "-E",
        "lazy_itable_init=0,lazy_journal_init=0")
FILES = {
    "etc/hostname": "backplane\n",
    "etc/hosts": "127.0.0.1 localhost backplane\n::1 localhost\n",
    "etc/fstab": f"LABEL={LABEL} / ext4 rw 0 1\n",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
    "etc/locale.conf": "LANG=C.UTF-8\n",
    "etc/systemd/network/wired.network": "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n",
}


# Where mkfs and its like lie for users who are not root.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def backplane(build, *argv, **more):
    env = {**os.environ, "BACKPLANE_PLUGIN_PATH": str(build / "plugins")}
    return subprocess.run([build / "core/backplane", *argv], env=env, **more)


def recipe(debs):
    """The disk is made again when what makes it has changed."""
    sources = [Path(__file__).read_bytes(), (HERE / "second-stage").read_bytes(),
               (HERE / "init").read_bytes(), *(d.name.encode() for d in debs)]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()


def packages(store):
    """All packages of the system, from the cache or from Debian."""
    names = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:16]
    folder = store.folder / "packages" / f"{'-'.join(SUITE)}-{NAME}-{names}"
    if not folder.is_dir():
        print("fetching the packages of a Debian system", file=sys.stderr)
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store.folder) as temp:
            store.suite(*SUITE).download_all(PACKAGES, temp)
            shutil.rmtree(Path(temp) / "partial")
            (Path(temp) / "lock").unlink(missing_ok=True)
            shutil.copytree(temp, folder)
    return sorted(folder.glob("*.deb"))


def unpack(store, debs, tree):
    """The root file system before its installation."""
    tree.mkdir()
    # The first has the links from bin to usr/bin and so on, which others' files go through.
    for deb in sorted(debs, key=lambda d: not d.name.startswith("base-files_")):
        subprocess.run(["dpkg-deb", "--extract", deb, tree], check=True)
    stage = tree / "var/cache/second-stage"
    stage.mkdir()
    for deb in debs:
        shutil.copyfile(deb, stage / deb.name)
    shutil.copy(HERE / "second-stage", tree)
    files, source = dict(FILES), store.suite(*SUITE).source()
    if source.uris[0].startswith("http"):
        files["etc/apt/sources.list.d/debian.sources"] = (
            f"Types: deb\nURIs: {source.uris[0]}\nSuites: {SUITE[0]}\nComponents: main\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)


def must(done, what):
    if done.returncode:
        raise fetch.debian.FetchError(f"{what} failed:\n{done.stdout or ''}{done.stderr or ''}")


def install(build, guests, disk, log):
    """Lets the machine run the second stage on the disk."""
    machines = build.parent / "machines"
    with open(log, "wb") as out:
        status = backplane(
            build, "run", machines / "riscv-virt.toml", "--cpus", "2", "--memory", "1G",
            "--firmware", guests / FIRMWARE, "--kernel", guests / KERNEL, "--initrd",
            guests / INITRD, "--drive", f"{disk},format=qcow2,cache=unsafe", "--append",
            f"console=ttyS0 quiet root=LABEL={LABEL} bp.run=/second-stage",
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=INSTALL_S).returncode
    text = log.read_text(errors="replace")
    if status or "=== DISK-READY " not in text or "-FAULT " in text:
        raise fetch.debian.FetchError(
            f"the installation did not end well, status {status}; {log} ends so:\n"
            + "\n".join(text.splitlines()[-20:]))


def make(store, build, guests, debs, into):
    """The disk, in the folder `into`."""
    with tempfile.TemporaryDirectory(dir=store.folder) as temp:
        tree, raw, disk = (Path(temp) / n for n in ("tree", "raw", "disk.qcow2"))
        unpack(store, debs, tree)
        must(subprocess.run([*MKFS, "-d", tree, raw, SIZE], capture_output=True, text=True,
                            env={**os.environ, "PATH": PATH}), "mkfs.ext4")
        shutil.rmtree(tree)
        convert = ("img", "convert", "-O", "qcow2")
        must(backplane(build, *convert, "-f", "raw", raw, disk, capture_output=True, text=True),
             "backplane img convert")
        raw.unlink()
        log = into.parent / f"{NAME}.log"
        print(f"installing Debian in the machine: some minutes, see {log}", file=sys.stderr)
        install(build, guests, disk, log)
        # What the installation freed is left out.
        must(backplane(build, *convert, "-f", "qcow2", disk, into / "disk.qcow2",
                       capture_output=True, text=True), "backplane img convert")


def ensure(build, folder=None):
    """Makes sure that the disk is in the cache; returns its path."""
    store = fetch.Store(folder or fetch.cache_folder())
    guests = fetch.ensure([g.split("/")[0] for g in (FIRMWARE, KERNEL, INITRD)],
                          folder=store.folder)
    with fetch.alone(store.folder):
        debs = packages(store)
        stamp = recipe(debs)
    place = store.guest(NAME)
    made = place / "MADE-FROM"
    with fetch.alone(store.folder / "disks"):  # others may fetch meanwhile
        if not made.is_file() or not made.read_text().startswith(stamp):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            make(store, build, guests, debs, place)
            made.write_text("\n".join([stamp, *(d.name for d in debs), ""]))
    return place / "disk.qcow2"


def packages_named(origins):
    """The files of single packages."""
    store = fetch.Store(fetch.cache_folder())
    with fetch.alone(store.folder):
        return [store.package(o) for o in origins]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=HERE.parent.parent / "build")
    parser.add_argument("--new", metavar="FILE", type=Path, help="make a copy there")
    args = parser.parse_args()
    build = args.build.resolve()
    try:
        disk = ensure(build)
        if args.new and not args.new.exists():
            must(backplane(build, "img", "convert", "-f", "qcow2", "-O", "qcow2", disk, args.new,
                           capture_output=True, text=True), "backplane img convert")
    except (fetch.debian.FetchError, OSError, subprocess.SubprocessError) as e:
        print(f"disk: {e}", file=sys.stderr)
        return 1
    print(args.new or disk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
