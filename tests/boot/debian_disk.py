# SPDX-License-Identifier: MIT
"""A Debian system on a disk: it boots to a login, gets a package from the host, serves the host by
ssh, shares a folder with it, powers off; the file system is whole, and the package is there at the next boot."""

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import network
from emulator import Machine
from guest import (EXIT_S, FIRMWARE_S, KERNEL_S, REPLY_S, SLOW, Mismatch, backplane_img, check,
                   shell)

GUESTS = Path(__file__).resolve().parent.parent / "guests"
sys.path.insert(0, str(GUESTS))
import disk  # noqa: E402
from repository import Repository  # noqa: E402

APT_S = 180 * SLOW
PROMPT = r"^debian# $"
# What is installed: a program with libraries of its own.
PROGRAM = [("trixie", "riscv64", name) for name in ("jq", "libjq1", "libonig5")]
ASK = "jq -n '[range(7)] | add * 2'"
# disk -> what the kernel calls it
DEVICES = {"virtio": "vda", "virtio-pci": "vda", "nvme": "nvme0n1", "virtio-scsi": "sda"}


def login(console):
    """From reset to a shell; bash would edit the line, this one leaves it to the terminal."""
    console.expect(r"Linux version 6\.", FIRMWARE_S)
    said = console.expect(r"\A([\s\S]*?)^backplane login: $", KERNEL_S)[1]
    if "GUEST-FAULT" in said:
        raise Mismatch(f"the guest reports a fault:\n{said}")
    console.type("root\n")
    console.expect(r"^Password: $", REPLY_S)
    console.type("backplane\n")
    console.expect(r"root@backplane:~# $", REPLY_S)
    console.type("exec env PS1='debian# ' sh\n")
    console.expect(PROMPT, REPLY_S)


def say(console, command, seconds=REPLY_S):
    """Runs a command, which is to succeed; returns what it printed."""
    said = shell(console, f"{command}; echo =$?", PROMPT, seconds)
    return check(said, r"\A([\s\S]*)^=0$", command)[1]


def check_system(console, device):
    check(say(console, "findmnt -no SOURCE,FSTYPE,OPTIONS /"), rf"^/dev/{device} ext4 rw\b",
          "the root file system")
    check(shell(console, "systemctl is-system-running --wait", PROMPT, KERNEL_S), r"^running$",
          "the system's state")
    check(shell(console, "dmesg | grep -c 'Call Trace'", PROMPT), r"^0$", "kernel warnings")


def install(console, port):
    """Packages from the host's loopback, whose signature apt checks."""
    url = f"http://10.0.2.2:{port}"
    say(console, "rm -f /etc/apt/sources.list.d/*")
    say(console, f"/usr/lib/apt/apt-helper download-file {url}/key.gpg /etc/apt/keyrings/own.gpg",
        APT_S)
    say(console, f"echo 'deb [signed-by=/etc/apt/keyrings/own.gpg] {url} own main' "
        ">/etc/apt/sources.list")
    say(console, "apt-get update", APT_S)
    check(say(console, "apt-get install -y jq", APT_S), r"^Setting up jq ", "apt-get install")
    check(say(console, ASK), r"^42$", "the program that was installed")


def ask_by_ssh(console, port, folder):
    """A command through the forwarded port."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    say(console, f"mkdir -p -m 700 .ssh; echo '{key.with_suffix('.pub').read_text().strip()}' "
        ">.ssh/authorized_keys")
    done = subprocess.run(
        ["ssh", "-F", "none", "-i", key, "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o",
         f"UserKnownHostsFile={folder}/known", "-o", "IdentitiesOnly=yes", "root@127.0.0.1",
         f"uname -m; {ASK}; seq 1 100000 | md5sum"], stdin=subprocess.DEVNULL, timeout=REPLY_S,
        capture_output=True, text=True, check=False)
    if done.stdout != "riscv64\n42\ndea9193b768319cbb4ff1a137ac03113  -\n":
        raise Mismatch(f"ssh said {done.stdout!r} and {done.stderr!r}")


def use_folder(console, share):
    """A folder of the host's: what each side writes, the other reads."""
    say(console, "mount -t 9p -o trans=virtio,version=9p2000.L home /mnt")
    check(say(console, "cat /mnt/host"), r"^from the host$", "the host's file")
    say(console, "seq 1 1000 >/mnt/guest; umount /mnt")
    if (share / "guest").read_text() != "".join(f"{n}\n" for n in range(1, 1001)):
        raise Mismatch("the host sees another file than the guest wrote")


def check_image(build, image, folder):
    """The image is in order, and so is the file system that the guest left."""
    backplane_img(build, "check", "-f", "qcow2", image)
    if shutil.which("qemu-img"):
        subprocess.run(["qemu-img", "check", "-q", image], timeout=EXIT_S, check=True)
    raw = folder / "disk.raw"
    backplane_img(build, "convert", "-f", "qcow2", "-O", "raw", image, raw)
    done = subprocess.run(["e2fsck", "-f", "-n", raw], capture_output=True, text=True,
                          timeout=EXIT_S, check=False, env={"PATH": disk.PATH})
    raw.unlink()
    if done.returncode:
        raise Mismatch(f"e2fsck of what the guest left:\n{done.stdout}{done.stderr}")


@contextmanager
def session(start, guests, kind, image, **more):
    """One boot up to the shell; it powers off at the end."""
    machine = Machine(guests / disk.FIRMWARE, guests / disk.KERNEL, guests / disk.INITRD,
                      f"console=ttyS0 root=/dev/{DEVICES[kind]}", memory="1G",
                      drives=((image, "qcow2"),), disk=kind, **more)
    with start(machine) as console:
        login(console)
        yield console
        console.type("poweroff\n")
        status = console.status(EXIT_S)
        if status:
            raise Mismatch(f"exit status {status} after poweroff, expected 0")


def boot(kind, whole=False):
    def run(start, guests):
        build = start.keywords["build"]
        base = disk.ensure(build)
        with tempfile.TemporaryDirectory() as temp:
            folder, port = Path(temp), network.free_port()
            image = folder / "mine.qcow2"
            backplane_img(build, "create", "-f", "qcow2", "-b", base, "-F", "qcow2", image)
            share = folder / "share"
            share.mkdir()
            (share / "host").write_text("from the host\n")
            net = [f"user,hostfwd=tcp:127.0.0.1:{port}-:22"]
            with session(start, guests, kind, image, net=net, cpus=2, share=share) as console:
                check_system(console, DEVICES[kind])
                if whole:
                    served = folder / "repository"
                    with Repository(served, "own", "riscv64") as repository:
                        repository.publish(disk.packages_named(PROGRAM))
                        with network.folder(served) as server:
                            install(console, server.port)
                    ask_by_ssh(console, port, folder)
                    use_folder(console, share)
            check_image(build, image, folder)
            if whole:
                with session(start, guests, kind, image) as console:
                    check(say(console, ASK), r"^42$", "the program that was installed")
            return 0
    return run, ("opensbi-trixie", "linux", "initrd")


CASES = {f"debian-{kind}": boot(kind, whole=kind == "virtio") for kind in DEVICES}
