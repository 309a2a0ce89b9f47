#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots unmodified firmware and kernels of Debian's, as a person at the terminal would.

    boot.py [--build DIR] [--emulator backplane|interp|qemu] [CASE...]     (default: all)
    boot.py --list
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import signal
import socket
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from console import Console, ConsoleError  # noqa: E402
from control import Control, ControlError  # noqa: E402
import debian_disk  # noqa: E402
from emulator import EMULATORS, Machine  # noqa: E402
from guest import (EXIT_S, FIRMWARE_S, KERNEL_S, PROMPT, REPLY_S, SLOW, Mismatch,  # noqa: E402
                   backplane_img, check, shell)
import network  # noqa: E402

SERVE = "mkdir /www; seq 1 100000 >/www/page; httpd -h /www"
OPENSBI = {"opensbi-bookworm": r"OpenSBI v1\.1\b", "opensbi-trixie": r"OpenSBI v1\.6\b",
           "opensbi-trixie-rv32": r"OpenSBI v1\.6\b"}


def check_cpuinfo(text, machine):
    harts = re.findall(r"^processor\s*: (\d+)$", text, re.M)
    if harts != [str(n) for n in range(machine.cpus)]:
        raise Mismatch(f"/proc/cpuinfo lists harts {harts}; expected {machine.cpus} of them")
    isas = set(re.findall(r"^isa\s*: (\S+)$", text, re.M))
    if len(isas) != 1:
        raise Mismatch(f"expected one isa line for all harts, found {sorted(isas)}")
    letters, *names = isas.pop().split("_")
    check(letters, r"^rv64imafdc", "the isa line")
    if ("v" in letters[len("rv64"):]) != machine.vector:
        raise Mismatch(f"the isa line says {letters}; V should be {machine.vector}")
    for name in ("zicsr", "zifencei", "zba", "zbb", "zbs"):
        if name not in names:
            raise Mismatch(f"the isa line lacks {name}: {names}")
    check(text, r"^mmu\s*: sv(39|48|57)$", "the mmu line")


def check_clock(text):
    stamp = check(text, r"^clock: (?:.*goldfish.*) (\d+-\d+-\d+ \d+:\d+)$", "the RTC")[1]
    guest = datetime.strptime(stamp, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)
    host = datetime.now(timezone.utc)
    if abs(guest - host) > timedelta(minutes=20):
        raise Mismatch(f"the guest's clock says {guest}, the host's {host}")


def reach_guest(console, firmware, machine):
    """From reset to what the guest says of itself."""
    console.expect(OPENSBI[firmware], FIRMWARE_S)
    console.expect(r"Linux version 6\.", FIRMWARE_S)
    console.expect(r"Run /init as init process", KERNEL_S)
    said = console.expect(r"\A([\s\S]*?)=== GUEST-UP riscv64 ", KERNEL_S)[1]
    if "GUEST-FAULT" in said:
        raise Mismatch(f"the guest reports a fault:\n{said}")
    check_cpuinfo(said, machine)
    check_clock(said)
    check(said, r"^random: virtio_rng\.0$", "the random number generator")


def linux(firmware, cpus, vector=False, stay=True):
    def run(start, guests):
        machine = Machine(guests / firmware / "fw_dynamic.bin", guests / "linux/Image",
                          guests / "initrd/initrd.cpio.gz", "console=ttyS0", cpus=cpus,
                          vector=vector)
        if not stay:
            machine.append += " bp.test=poweroff"
        with start(machine) as console:
            reach_guest(console, firmware, machine)
            if stay:
                console.expect(PROMPT, KERNEL_S)
                check(shell(console, "uname -sm"), r"^Linux riscv64$", "uname")
                check(shell(console, "echo $((6 * 7))"), r"^42$", "arithmetic")
                check(shell(console, "head -c 64 /dev/hwrng | wc -c"), r"^64$", "/dev/hwrng")
                check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")
                console.type("reboot\n")
                reach_guest(console, firmware, machine)
                console.expect(PROMPT, KERNEL_S)
                console.type("poweroff\n")
            return console.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


def virtio_console(firmware):
    """The shell at hvc0: what is typed is echoed and obeyed, also more than its rings hold at once."""
    def run(start, guests):
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(guests / firmware / "fw_dynamic.bin", guests / "linux/Image",
                              guests / "initrd/initrd.cpio.gz", "console=ttyS0 console=hvc0",
                              serial=f"{folder}/serial")
            with start(machine) as console:
                console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
                check(shell(console, "tty"), r"^/dev/hvc0$", "the shell's terminal")
                check(shell(console, "cat /sys/class/tty/console/active"), r"\bhvc0$",
                      "the consoles")
                check(shell(console, "echo $((6 * 7))"), r"^42$", "arithmetic")
                if start.keywords["emulator"] != "qemu":
                    check(shell(console, "stty size"), r"^25 120$", "the size of the terminal")
                shell(console, "dmesg -n 1")  # or a word of the kernel's on a busy host stands among them
                many = shell(console, "seq 1 5000")
                if many.split() != [str(n) for n in range(1, 5001)]:
                    raise Mismatch(f"5,000 lines came out as {len(many.split())}: {many[:200]}")
                console.type("wc -c\n" + 20 * ("0123456789" * 40 + "\n") + "\x04")
                console.expect(rf"^{20 * 401}$", REPLY_S)
                console.expect(PROMPT, REPLY_S)
                console.type("poweroff\n")
                status = console.status(EXIT_S)
            check(Path(machine.serial).read_text(errors="replace"), r"Linux version 6\.",
                  "the serial port")
            return status
    return run, (firmware, "linux", "initrd")


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(REPLY_S)
    s.connect(str(path))
    return s


def lines_of(wire, count):
    """The next lines that come over a socket."""
    text = b""
    while text.count(b"\n") < count:
        more = wire.recv(4096)
        if not more:
            break
        text += more
    return text.decode(errors="replace")


def use_port(console, path):
    """Both ways through port 1, and what the guest notices of the other end."""
    check(shell(console, "cat /sys/class/virtio-ports/vport*p1/name"), r"^org\.example\.port$",
          "the port's name")
    port = check(shell(console, "ls /dev/vport*p1"), r"^(/dev/vport\d+p1)$", "the port")[1]
    with connect(path) as wire:
        console.type(f"read -r line <{port}; echo \"heard: $line\"\n")
        wire.sendall(b"from the host\n")
        console.expect(r"^heard: from the host$", REPLY_S)
        console.expect(PROMPT, REPLY_S)
        # A write for each line: more than the socket holds, so the guest waits for the reader.
        console.type(f"seq 1 2000 >{port}\n")
        said = lines_of(wire, 2000)
        console.expect(PROMPT, REPLY_S)
        if said.split() != [str(n) for n in range(1, 2001)]:
            raise Mismatch(f"2,000 lines came as {len(said.split())}: {said[:200]}")
        console.type(f"cat {port} | md5sum\n")
        wire.sendall(b"0123456789abcdef" * 4096)
        wire.shutdown(socket.SHUT_WR)
    digest = hashlib.md5(b"0123456789abcdef" * 4096).hexdigest()
    console.expect(rf"^{digest}\b", REPLY_S)
    console.expect(PROMPT, REPLY_S)


def use_input(console, path):
    """Events as od shows them: type, code, and the value's halves, behind 16 bytes of time."""
    load_modules(console)
    shell(console, "until ls /dev/input/event1; do sleep 1; done")
    names = shell(console, "cd /sys/class/input; grep . event*/device/name; cd /")
    keys, tablet = (check(names, rf"^(event\d)/device/name:Backplane {kind}$", "the devices")[1]
                    for kind in ("keyboard", "tablet"))
    dump = "dd if=/dev/input/{} bs=24 count={} 2>/dev/null | od -v -An -tx2 -w24 | cut -c 41- >/tmp/{} &"
    for number, (device, count) in enumerate(((keys, 6), (tablet, 5))):
        shell(console, dump.format(device, count, number))
    shell(console, "sleep 1")
    with connect(path) as wire:
        wire.sendall(b"key leftshift down; key KEY_A\nno such line\nkey leftshift up\n"
                     b"abs x 100; abs y 32767; key BTN_LEFT down\nrel wheel -1\n")
        console.expect(r'line 2: "no": key, rel or abs is expected; the line is left out$', REPLY_S)
        said = shell(console, "wait; cat /tmp/0 /tmp/1")
        events = re.findall(r"^ ((?:[0-9a-f]{4} ?){4})$", said, re.M)
        want = ["0001 002a 0001 0000", "0001 001e 0001 0000", "0000 0000 0000 0000",
                "0001 001e 0000 0000", "0000 0000 0000 0000", "0001 002a 0000 0000",
                "0003 0000 0064 0000", "0003 0001 7fff 0000", "0001 0110 0001 0000",
                "0000 0000 0000 0000", "0002 0008 ffff ffff"]
        if events != want:
            raise Mismatch(f"the events were {events}; expected {want}")
        shell(console, f"head -c 16 /dev/zero >/tmp/e; printf '\\021\\0\\1\\0\\1\\0\\0\\0' >>/tmp/e; "
                       f"cat /tmp/e >/dev/input/{keys}")
        check(lines_of(wire, 1), r"^led LED_CAPSL on$", "the light")


def ports_and_input(firmware):
    """A named port beside the terminal, a keyboard and a tablet that obey lines of text."""
    def run(start, guests):
        with tempfile.TemporaryDirectory() as folder:
            ports, lines = f"{folder}/port", f"{folder}/lines"
            machine = Machine(guests / firmware / "fw_dynamic.bin", guests / "linux/Image",
                              guests / "initrd/initrd.cpio.gz", "console=ttyS0 console=hvc0",
                              board="virtio-ports.toml",
                              more=["--set", f"wire.path={ports}", "--set", f"lines.path={lines}"])
            with start(machine) as console:
                console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
                check(shell(console, "tty"), r"^/dev/hvc0$", "the shell's terminal")
                check(shell(console, "stty size"), r"^25 120$", "the terminal's size")
                use_port(console, ports)
                use_input(console, lines)
                check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")
                console.type("poweroff\n")
                return console.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


DISK_M, SEEK_M = 64, 11  # MiB of each disk, and where dd writes


def digest_of(console, file):
    return check(shell(console, f"md5sum {file}"), r"^([0-9a-f]{32}) ", f"md5sum {file}")[1]


def load_modules(console):
    shell(console, "while read -r m; do insmod /modules/$m; done </modules/later")


def scsi_names(console):
    """The disk on mmio and the one on PCI: which one Linux sees first is chance."""
    shell(console, "until [ -e /dev/sda -a -e /dev/sdb ]; do sleep 1; done")
    said = shell(console, "ls -d /sys/bus/pci/devices/*/virtio*/host*/target*/*:3:2/block/*")
    far = check(said, r"/block/(sd[ab])$", "the disk 3.2 on PCI")[1]
    return "/dev/sda" if far == "sdb" else "/dev/sdb", "/dev/" + far


def use_disks(console, first, other):
    """A file system on the first and plain bytes on the other; what the digest of both is."""
    shell(console, "dd if=/dev/urandom of=/tmp/r bs=1M count=8")
    digest = digest_of(console, "/tmp/r")
    shell(console, f"mke2fs {first} && mount -t ext4 {first} /mnt && cp /tmp/r /mnt/r")
    check(shell(console, "umount /mnt && echo gone"), r"^gone$", "umount")
    shell(console, f"dd if=/tmp/r of={other} bs=64k seek={SEEK_M * 16} oflag=direct")
    check(shell(console, f"blkdiscard -o 0 -l 1048576 {other} && echo fine"), r"^fine$", "discard")
    check(shell(console, f"dd if={other} of=/dev/null bs=1M skip=63; echo $?"), r"^0$", "the end")
    check(shell(console, f"dd if=/dev/zero of={other} bs=1M seek=64 count=1; echo $?"), r"^1$",
          "beyond the end")
    return digest


def check_pci(console):
    """What sysfs says is on the buses, and a card that goes and comes as sysfs wants it."""
    found = shell(console, "cat /sys/bus/pci/devices/*/uevent")
    for kind, ids, slot in (("60000", "1B36:0008", "00:00.0"), ("60400", "1B36:000C", "00:01.0"),
                            ("60400", "1B36:0001", "00:05.0"), ("10802", "1B36:0010", "02:00.0"),
                            ("10000", "1AF4:1042", "04:07.0"), ("FF00", "1AF4:1005", "04:07.1")):
        check(found, rf"^PCI_CLASS={kind}\nPCI_ID={ids}\n.*\nPCI_SLOT_NAME=0000:{slot}$",
              "the functions on PCI")
    check(shell(console, "head -c 64 /dev/hwrng | wc -c"), r"^64$", "/dev/hwrng")
    check(shell(console, "cat /sys/class/nvme/nvme0/serial"), r"^BOOT-1", "the serial number")
    nvme = "/sys/bus/pci/devices/0000:02:00.0"
    shell(console, f"echo 1 >{nvme}/remove")
    check(shell(console, f"ls {nvme} 2>&1"), r"No such file", "the card that was removed")
    shell(console, "echo 1 >/sys/bus/pci/rescan; sleep 2")
    check(shell(console, "ls -d /dev/nvme0n1"), r"^/dev/nvme0n1$", "the card that came back")
    check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")


def disks(transport="", pci=False, scsi=False):
    """What Linux writes to the first disk (raw) and the other (qcow2) is there after a reboot, and in the
    images."""
    def run(start, guests):
        build = start.keywords["build"]
        with tempfile.TemporaryDirectory() as folder:
            raw, qcow2, flat = (Path(folder) / n for n in ("a.raw", "b.qcow2", "b.raw"))
            backplane_img(build, "create", "-f", "raw", raw, f"{DISK_M}M")
            backplane_img(build, "create", "-f", "qcow2", qcow2, f"{DISK_M}M")
            machine = Machine(guests / "opensbi-trixie/fw_dynamic.bin", guests / "linux/Image",
                              guests / "initrd/initrd.cpio.gz", "console=ttyS0",
                              drives=((raw, "raw"), (qcow2, "qcow2")), transport=transport,
                              pci=pci, scsi=scsi)
            with start(machine) as console:
                console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
                load_modules(console)
                names = scsi_names(console) if scsi else \
                    ("/dev/vda", "/dev/nvme0n1" if pci else "/dev/vdb")
                digest = use_disks(console, *names)
                if pci and start.keywords["emulator"] != "qemu":
                    check_pci(console)
                console.type("reboot\n")
                console.expect(r"=== GUEST-UP riscv64 ", FIRMWARE_S + KERNEL_S)
                console.expect(PROMPT, KERNEL_S)
                load_modules(console)
                first = scsi_names(console)[0] if scsi else "/dev/vda"
                shell(console, f"mount -t ext4 {first} /mnt")
                if digest_of(console, "/mnt/r") != digest:
                    raise Mismatch("the file system has another file after the reboot")
                shell(console, "umount /mnt")
                console.type("poweroff\n")
                status = console.status(EXIT_S)
            backplane_img(build, "check", "-f", "qcow2", qcow2)
            if shutil.which("qemu-img"):
                subprocess.run(["qemu-img", "check", "-q", qcow2], timeout=EXIT_S, check=True)
            backplane_img(build, "convert", "-f", "qcow2", "-O", "raw", qcow2, flat)
            there = flat.read_bytes()[SEEK_M << 20:(SEEK_M + 8) << 20]
            if hashlib.md5(there).hexdigest() != digest:
                raise Mismatch("the qcow2 image does not hold what the guest wrote")
            return status
    return run, ("opensbi-trixie", "linux", "initrd")


HOT_CARDS = (("card-blk", "00:03.0"), ("nvme", "01:00.0"), ("card-net", "02:00.0"))
SETTLED = "echo 1 >/sys/bus/pci/rescan; sleep 2"


def surf(console, server):
    """An address by DHCP and a file from the host."""
    shell(console, "ip link set eth0 up")
    check(shell(console, "udhcpc -i eth0 -s /etc/udhcpc -n -q"), r"^=== DHCP eth0 10\.0\.2\.15/24",
          "DHCP")
    url = f"http://10.0.2.2:{server.port}/file"
    check(shell(console, f"wget -q -O - {url} | md5sum"), rf"^{server.md5}\b", "the file")


def pull_and_plug(console, control):
    """Each card is removed as sysfs has it, pulled, missed, put in again and found."""
    for name, slot in HOT_CARDS:
        shell(console, f"echo 1 >/sys/bus/pci/devices/0000:{slot}/remove")
        # Behind a port the button would wait for a driver that this kernel does not have.
        control.tell(f"unplug {name}" if slot.startswith("00") else f"unplug! {name}")
    shell(console, SETTLED)
    gone = shell(console, "ls -d /dev/vda /dev/nvme0n1 /sys/class/net/eth0 2>&1")
    check(gone, r"\A(ls: .*: No such file or directory\n){3}\Z", "what the cards were")
    listed = "\n".join(control.tell("list"))
    for name, slot in HOT_CARDS:
        check(shell(console, f"ls -d /sys/bus/pci/devices/0000:{slot} 2>&1"), r"No such file", name)
        check(listed, rf"^{name} \(.*\) on .*: out$", "list")
        control.tell(f"plug {name}")
    shell(console, SETTLED)
    for name, slot in HOT_CARDS:
        check(shell(console, f"ls -d /sys/bus/pci/devices/0000:{slot}"), rf"0000:{slot}$", name)


def hot_plug(start, guests):
    """Linux removes a disk, an NVMe disk and a network card; they go, come back and work as before. A
    disk more is put in, and one is pulled from under the guest."""
    if start.keywords["emulator"] == "qemu":
        return 0  # no machine of QEMU's has its user at such a socket
    build = start.keywords["build"]
    with tempfile.TemporaryDirectory() as folder, network.Server(4 << 20) as server:
        disks = [Path(folder) / name for name in ("a.raw", "b.qcow2", "c.raw")]
        more = ["--control", f"unix:{folder}/control"]
        for n, disk in enumerate(disks):
            backplane_img(build, "create", "-f", disk.suffix[1:], disk, f"{DISK_M}M")
            more += ["--set", f"disk{n}.file={disk}"]
        machine = Machine(guests / "opensbi-trixie/fw_dynamic.bin", guests / "linux/Image",
                          guests / "initrd/initrd.cpio.gz", "console=ttyS0", board="plug.toml",
                          more=more)
        with start(machine) as console:
            console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
            load_modules(console)
            digest = use_disks(console, "/dev/vda", "/dev/nvme0n1")
            surf(console, server)
            with Control(f"{folder}/control", REPLY_S) as control:
                for _ in range(2):
                    pull_and_plug(console, control)
                    shell(console, "mount -t ext4 /dev/vda /mnt")
                    if digest_of(console, "/mnt/r") != digest:
                        raise Mismatch("the file system has another file after the disk came back")
                    shell(console, "umount /mnt")
                    said = shell(console, f"dd if=/dev/nvme0n1 bs=1M skip={SEEK_M + 1} count=7 "
                                          "2>/dev/null | md5sum")
                    there = shell(console, "dd if=/tmp/r bs=1M skip=1 2>/dev/null | md5sum")
                    check(said, "^" + there.split()[0], "NVMe")
                    surf(console, server)
                check(shell(console, "ls /dev/vdb 2>&1"), r"No such file", "the late disk")
                control.tell("plug card-late")
                shell(console, SETTLED)
                done = shell(console, "dd if=/tmp/r of=/dev/vdb bs=1M oflag=direct; echo $?")
                check(done, r"^0$", "the late disk")
                shell(console, "echo 1 >/sys/bus/pci/devices/0000:00:04.0/remove")
                control.tell("unplug! card-late")
                # Pulled from under a guest that was not told. Of Linux's drivers NVMe's lives with that;
                # virtio's waits for ever for a device that is gone to say that it was reset.
                control.tell("unplug! nvme")
                shell(console, "echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove")
                check(shell(console, "ls /dev/nvme0n1 2>&1"), r"No such file", "the pulled disk")
                control.tell("plug nvme")
                shell(console, SETTLED)
                check(shell(console, "ls /dev/nvme0n1"), r"^/dev/nvme0n1$", "the disk that came back")
                for line in ("plug nobody", "unplug! card-late", "x" * 5000):
                    try:
                        control.tell(line)
                        raise Mismatch(f"the command `{line[:40]}` is no error")
                    except ControlError:
                        pass
            check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")
            console.type("poweroff\n")
            status = console.status(EXIT_S)
        if hashlib.md5(disks[2].read_bytes()[:8 << 20]).hexdigest() != digest:
            raise Mismatch("the disk that was pulled does not hold what the guest wrote")
        return status


def net_machine(guests, firmware, **more):
    return Machine(guests / firmware / "fw_dynamic.bin", guests / "linux/Image",
                   guests / "initrd/initrd.cpio.gz", "console=ttyS0", **more)


def net_user(firmware):
    """An address by DHCP, a file from the host's loopback, a page from the guest."""
    def run(start, guests):
        port = network.free_port()
        machine = net_machine(guests, firmware, net=[f"user,hostfwd=tcp:127.0.0.1:{port}-:80"])
        with network.Server(4 << 20) as server, start(machine) as console:
            console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
            check(shell(console, "udhcpc -i eth0 -s /etc/udhcpc -n -q"),
                  r"^=== DHCP eth0 10\.0\.2\.15/24 via 10\.0\.2\.2 dns 10\.0\.2\.3 ===$", "DHCP")
            url = f"http://10.0.2.2:{server.port}/file"
            check(shell(console, f"wget -q -O - {url} | md5sum"), rf"^{server.md5}\b", "the file")
            check(shell(console, "ping -c 2 10.0.2.2"), r"^2 packets transmitted, 2 ", "ping")
            # By the router's advertisement.
            shell(console, "until ip -6 addr | grep fec0; do sleep 1; done")
            check(shell(console, "ip -6 addr"), r"inet6 fec0::\S+/64 scope site", "IPv6")
            shell(console, SERVE)
            page = network.get(port, "/page", REPLY_S)
            if page != b"".join(b"%d\n" % n for n in range(1, 100001)):
                raise Mismatch(f"the guest's page came as {len(page)} bytes")
            check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")
            console.type("poweroff\n")
            return console.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


def net_snapshot(firmware):
    """Saved in the midst of a transfer: the restored guest keeps its address and reaches the host."""
    def run(start, guests):
        with tempfile.TemporaryDirectory() as folder, network.Server(64 << 20) as server:
            file = Path(folder) / "snapshot"
            url = f"http://10.0.2.2:{server.port}/file"
            with start(net_machine(guests, firmware, net=["user"],
                                   more=["--save-to", str(file)])) as console:
                console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
                shell(console, "udhcpc -i eth0 -s /etc/udhcpc -n -q")
                console.type(f"while wget -q -O /dev/null {url}; do echo one; done\n")
                console.expect(r"^one$", REPLY_S)
                os.kill(console.pid, signal.SIGUSR1)
                console.expect(r"saved to ", REPLY_S)
            with start(net_machine(guests, firmware, net=["user"],
                                   more=["--restore", str(file)])) as console:
                # It only listens, so it does not hear that nobody is there; and between two
                # transfers the shell goes on with the next.
                for attempt in range(20):
                    console.type("\x03")
                    try:
                        console.expect(PROMPT, SLOW * 3)
                        break
                    except ConsoleError:
                        if attempt == 19:
                            raise
                check(shell(console, "ip addr show eth0"), r"inet 10\.0\.2\.15/24", "the address")
                check(shell(console, f"wget -q -O - {url} | md5sum"), rf"^{server.md5}\b",
                      "the file")
                console.type("poweroff\n")
                return console.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


def net_pair(firmware):
    """Two machines joined by a socket: they ping each other, and one has the other's file."""
    def run(start, guests):
        with tempfile.TemporaryDirectory() as folder:
            wire = f"unix:{folder}/wire"
            ends = [net_machine(guests, firmware, net=[wire], mac="52:54:00:00:00:01"),
                    net_machine(guests, firmware, net=[wire + ",connect=true"],
                                mac="52:54:00:00:00:02")]
            with start(ends[0]) as one, start(ends[1]) as two:
                for n, console in enumerate((one, two), 1):
                    console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
                    shell(console, f"ip addr add 192.168.7.{n}/24 dev eth0; ip link set eth0 up")
                check(shell(one, "ping -c 3 192.168.7.2"), r"^3 packets transmitted, 3 ", "ping")
                check(shell(two, "ping -c 3 192.168.7.1"), r"^3 packets transmitted, 3 ", "ping")
                shell(one, SERVE)
                said = shell(two, "wget -q -O - http://192.168.7.1/page | md5sum")
                check(said, r"^dea9193b768319cbb4ff1a137ac03113\b", "the file")
                one.type("poweroff\n")
                two.type("poweroff\n")
                return one.status(EXIT_S) or two.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


def shared_folder(firmware):
    """Files of the host in the guest and the other way round, also after a snapshot with a file open;
    a symlink of the guest's to the outside leads nowhere but into the guest."""
    def run(start, guests):
        with tempfile.TemporaryDirectory() as folder:
            share, file = Path(folder) / "share", Path(folder) / "snapshot"
            share.mkdir()
            (share / "host").write_text("from the host\n")
            (Path(folder) / "secret").write_text("hidden\n")
            (share / "out").symlink_to("../secret")
            with start(net_machine(guests, firmware, share=str(share),
                                   more=["--save-to", str(file)])) as console:
                console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
                load_modules(console)
                shell(console, "mount -t 9p -o trans=virtio,version=9p2000.L home /mnt")
                check(shell(console, "cat /mnt/host"), r"^from the host$", "the host's file")
                check(shell(console, "cat /mnt/out /mnt/../mnt/../secret 2>&1"),
                      r"No such file[\s\S]*No such file", "what is outside")
                shell(console, "mkdir /mnt/d; seq 1 200000 >/tmp/g; cp /tmp/g /mnt/d")
                shell(console, "mv /mnt/d /mnt/e; sync")
                check(shell(console, "touch /mnt/e/$(seq -s ' /mnt/e/' 500); ls /mnt/e | wc -l"),
                      r"^501$", "a folder of many")
                if (share / "e/g").read_text() != "".join(f"{n}\n" for n in range(1, 200001)):
                    raise Mismatch("the host sees another file than the guest wrote")
                shell(console, "exec 5>>/mnt/open; echo before >&5")
                os.kill(console.pid, signal.SIGUSR1)
                console.expect(r"saved to ", REPLY_S)
            with start(net_machine(guests, firmware, share=str(share),
                                   more=["--restore", str(file)])) as console:
                console.type("\n")
                console.expect(PROMPT, REPLY_S)
                shell(console, "echo after >&5; exec 5>&-; umount /mnt")
                if (share / "open").read_text() != "before\nafter\n":
                    raise Mismatch("what was written after the snapshot is not there")
                console.type("poweroff\n")
                return console.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


def resident_m(pid):
    """MiB of shared memory, which the guest's is, that the host holds for the emulator."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(check(status, r"^RssShmem:\s+(\d+) kB$", "the host's memory")[1]) >> 10


def until(what, holds):
    """Waits until it holds: Linux takes its time with memory."""
    for _ in range(int(REPLY_S)):
        if holds():
            return
        time.sleep(1)
    raise Mismatch(f"not in {REPLY_S:.0f} s: {what}")


def balloon(firmware):
    """What Linux frees goes back to the host; a balloon takes memory from Linux, and gives it back."""
    def run(start, guests):
        def free_m(console):
            return int(check(shell(console, "grep MemTotal /proc/meminfo"),
                             r"^MemTotal:\s+(\d+) kB$", "memory")[1]) >> 10

        with start(net_machine(guests, firmware, balloon=True)) as console:
            console.expect(PROMPT, FIRMWARE_S + KERNEL_S)
            load_modules(console)
            shell(console, "dd if=/dev/urandom of=/tmp/r bs=1M count=192")
            full, total = resident_m(console.pid), free_m(console)
            if full < 192:
                raise Mismatch(f"192 MiB were written, the host holds {full}")
            shell(console, "rm /tmp/r")
            until("free pages are reported", lambda: resident_m(console.pid) < full - 128)
            console.type("\x01cset balloon.target 128M\n\x04")
            until("the balloon is blown up", lambda: free_m(console) <= total - 128)
            console.type("\x01cset balloon.target 0\n\x04")
            until("the balloon is empty", lambda: free_m(console) >= total)
            shell(console, "dd if=/dev/urandom of=/tmp/r bs=1M count=64 && rm /tmp/r")
            check(shell(console, "dmesg | grep -c 'Call Trace'"), r"^0$", "kernel warnings")
            console.type("poweroff\n")
            return console.status(EXIT_S)
    return run, (firmware, "linux", "initrd")


def u_boot(package, mode):
    def run(start, guests):
        image = guests / package / f"u-boot-{mode}.bin"
        machine = Machine(image) if mode == "m" else \
            Machine(guests / "opensbi-bookworm/fw_dynamic.bin", image)
        with start(machine) as console:
            console.expect(r"^U-Boot 20\d\d\.\d\d", FIRMWARE_S)
            console.expect(r"Hit any key to stop autoboot", FIRMWARE_S)
            console.type(" ")
            console.expect(r"^=> $", FIRMWARE_S)
            for command, answer in (("version", r"^U-Boot 20\d\d\.\d\d"),
                                    ("bdinfo", r"DRAM bank[\s\S]*start\s*= 0x0*80000000$"),
                                    ("printenv bootdelay", r"^bootdelay=\d+$"),
                                    ("setenv word plugged", r""),
                                    ("echo back${word}", r"^backplugged$"),
                                    ("pci", r"^00\.00\.00\s+0x1b36\s+0x0008\s+Bridge device"),
                                    ("mw.q 90000000 0123456789abcdef 2; md.q 90000000 2",
                                     r"^90000000: 0123456789abcdef 0123456789abcdef")):
                console.type(command + "\n")
                console.expect(re.escape(command) + r"\n", REPLY_S)
                check(console.expect(r"\A([\s\S]*?)^=> $", REPLY_S)[1], answer, command)
            console.type("\x01x")
            return console.status(EXIT_S)
    return run, (package, "opensbi-bookworm")


def banner(firmware, bits):
    def run(start, guests):
        machine = Machine(guests / firmware / "fw_dynamic.bin", bits=bits)
        with start(machine) as console:
            console.expect(OPENSBI[firmware], FIRMWARE_S)
            console.expect(rf"^Boot HART Base ISA\s*: rv{bits}ima", FIRMWARE_S)
            console.expect(r"^Boot HART MEDELEG", FIRMWARE_S)
            console.type("\x01x")
            return console.status(EXIT_S)
    return run, (firmware,)


CASES = {
    "linux-sbi11-cpus1": linux("opensbi-bookworm", 1),
    "linux-sbi11-cpus4": linux("opensbi-bookworm", 4),
    "linux-sbi16-cpus1": linux("opensbi-trixie", 1),
    "linux-sbi16-cpus4": linux("opensbi-trixie", 4),
    "linux-vector": linux("opensbi-trixie", 1, vector=True, stay=False),
    "virtio-console": virtio_console("opensbi-bookworm"),
    "virtio-ports-input": ports_and_input("opensbi-bookworm"),
    "virtio-blk": disks(),
    "virtio-blk-packed": disks("packed"),
    "virtio-blk-legacy": disks("legacy"),
    "pci-disks": disks(pci=True),
    "pci-hot-plug": (hot_plug, ("opensbi-trixie", "linux", "initrd")),
    "virtio-scsi": disks(scsi=True),
    "virtio-balloon": balloon("opensbi-bookworm"),
    "virtio-9p": shared_folder("opensbi-bookworm"),
    "net-user": net_user("opensbi-bookworm"),
    "net-snapshot": net_snapshot("opensbi-bookworm"),
    "net-pair": net_pair("opensbi-bookworm"),
    "u-boot-2023-m": u_boot("u-boot-bookworm", "m"),
    "u-boot-2023-s": u_boot("u-boot-bookworm", "s"),
    "u-boot-2025-m": u_boot("u-boot-trixie", "m"),
    "u-boot-2025-s": u_boot("u-boot-trixie", "s"),
    "opensbi-rv32": banner("opensbi-trixie-rv32", 32),
    **debian_disk.CASES,
}


def fetch_module():
    """tests/guests/fetch, a program without a suffix, as a module."""
    path = str(HERE.parent / "guests/fetch")
    module = module_from_spec(spec_from_loader("fetch", SourceFileLoader("fetch", path)))
    module.__spec__.loader.exec_module(module)
    return module


def start_machine(machine, emulator, build, log):
    return Console(EMULATORS[emulator](machine, build), log)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--build", type=Path, default=HERE.parent.parent / "build")
    parser.add_argument("--emulator", choices=EMULATORS, default="backplane")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if args.list:
        print("\n".join(CASES))
        return 0
    build = args.build.resolve()
    logs = build / "boot-logs"
    logs.mkdir(parents=True, exist_ok=True)
    failed = 0
    sys.dont_write_bytecode = True
    fetch = fetch_module()
    for name in args.cases or CASES:
        run, guests = CASES[name]
        began = time.monotonic()
        with open(logs / f"{args.emulator}-{name}.log", "wb") as log:
            try:
                status = run(partial(start_machine, emulator=args.emulator, build=build, log=log),
                             fetch.ensure(guests))
                fault = "" if status == 0 else f"exit status {status}, expected 0"
            except (ConsoleError, ControlError, Mismatch, OSError, subprocess.SubprocessError,
                    fetch.debian.FetchError) as e:
                fault = str(e)
        print(f"{'FAIL' if fault else 'ok'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
        if fault:
            failed += 1
            print(f"{fault}\nThe whole session: {log.name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
