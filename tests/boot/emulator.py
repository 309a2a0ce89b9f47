# SPDX-License-Identifier: MIT
"""How to start one machine in Backplane, and the same machine in Debian's QEMU, where a test can
be tried out: a test that fails there too is wrong."""

from dataclasses import dataclass, field


@dataclass
class Machine:
    firmware: str
    kernel: str = ""
    initrd: str = ""
    append: str = ""
    cpus: int = 1
    memory: str = "512M"
    bits: int = 64
    vector: bool = False
    serial: str = ""  # a file for the serial port's bytes: the terminal is a virtio console's
    drives: tuple = ()  # (file, format): virtio disks
    disk: str = "virtio"  # what the first drive is, of DISKS
    scsi: bool = False  # the drives are SCSI disks, on mmio and on PCI
    balloon: bool = False
    pci: bool = False  # the drives are a virtio disk and an NVMe one on PCI
    transport: str = ""  # a property of the virtio transports that is to be true
    net: list = field(default_factory=list)  # values of --net, each with its device
    mac: str = ""  # of the first device
    share: str = ""  # a folder of the host's, tag "home"
    more: list = field(default_factory=list)  # further options of Backplane's
    board: str = ""  # a machine file beside this one, which QEMU has no words for


# What a drive can be -> the board, further words for Backplane, QEMU's device.
DISKS = {
    "virtio": ("machines/riscv-virt.toml", (), "virtio-blk-device"),
    "virtio-pci": ("tests/boot/virtio-pci.toml", ("drive0.bus=slot",), "virtio-blk-pci"),
    "nvme": ("machines/riscv-virt.toml", ("drive0.type=nvme", "drive0.bus=pci"),
             "nvme,serial=1"),
    "virtio-scsi": ("tests/boot/virtio-scsi.toml",
                    ("drive0.type=scsi-disk", "drive0.bus=scsi"), "scsi-hd,bus=host.0"),
}


def backplane(m, build):
    source = build.parent if (build.parent / "machines").is_dir() else build
    board = DISKS[m.disk][0] if m.bits == 64 else "machines/riscv32-virt.toml"
    board = "tests/boot/virtio-console.toml" if m.serial else board
    board = "tests/boot/pci.toml" if m.pci else board
    board = f"tests/boot/{m.board}" if m.board else board
    board = "tests/boot/scsi.toml" if m.scsi else board
    board = "tests/boot/virtio-balloon.toml" if m.balloon else board
    argv = [build / "core/backplane", "run", source / board,
            "--plugin-path", build / "plugins", "--cpus", str(m.cpus), "--memory", m.memory,
            "--firmware", m.firmware]
    argv += ["--kernel", m.kernel] if m.kernel else []
    argv += ["--initrd", m.initrd] if m.initrd else []
    argv += ["--append", m.append] if m.append else []
    argv += ["--set", "cpu.v=true"] if m.vector else []
    argv += ["--serial", f"file:{m.serial}"] if m.serial else []
    argv += ["--share", f"{m.share},tag=home"] if m.share else []
    argv += ["--set", f"virtio.{m.transport}=true"] if m.transport else []
    for n, (file, kind) in enumerate(m.drives):
        argv += ["--set", f"disk{n}.file={file}", "--set", f"disk{n}.format={kind}"] if m.pci or m.scsi else \
            ["--drive", f"file={file},format={kind}"]
    for setting in DISKS[m.disk][1]:
        argv += ["--set", setting]
    for net in m.net:
        argv += ["--net", net]
    argv += ["--set", f"nic0.mac={m.mac}"] if m.mac else []
    argv += m.more
    return argv


def backplane_interp(m, build):
    return backplane(m, build) + ["--engine", "interp"]


def qemu_net(value):
    """What --net says, in QEMU's words."""
    word, *rest = value.split(",")
    kind, _, path = word.partition(":")
    if kind == "unix":
        server = "off" if "connect=true" in rest else "on"
        return f"stream,addr.type=unix,addr.path={path},server={server}"
    return value


def qemu(m, _build):
    argv = [f"qemu-system-riscv{m.bits}", "-M", "virt", "-nographic", "-no-user-config",
            "-cpu", f"rv{m.bits}" + (",v=true" if m.vector else ""),
            "-smp", str(m.cpus), "-m", m.memory, "-bios", m.firmware,
            "-device", "virtio-rng-device"]
    argv += ["-kernel", m.kernel] if m.kernel else []
    argv += ["-initrd", m.initrd] if m.initrd else []
    argv += ["-append", m.append] if m.append else []
    argv += ["-serial", f"file:{m.serial}", "-monitor", "none", "-chardev",
             "stdio,id=terminal,signal=off", "-device", "virtio-serial-device", "-device",
             "virtconsole,chardev=terminal"] if m.serial else []
    argv += ["-fsdev", f"local,id=fs,path={m.share},security_model=none", "-device",
             "virtio-9p-device,fsdev=fs,mount_tag=home"] if m.share else []
    argv += ["-global", f"virtio-mmio.force-legacy={'on' if m.transport == 'legacy' else 'off'}"]
    packed = ",packed=on" if m.transport == "packed" else ""
    argv += ["-device", "virtio-scsi-device,id=host", "-device",
             "virtio-scsi-pci,id=host-pci"] if m.scsi or m.disk == "virtio-scsi" else []
    argv += ["-device", "virtio-balloon-device,free-page-reporting=on"] if m.balloon else []
    kinds = ("scsi-hd,bus=host.0", "scsi-hd,bus=host-pci.0") if m.scsi else \
        ("virtio-blk-pci", "nvme") if m.pci else (DISKS[m.disk][2], "virtio-blk-device")
    if m.pci:
        packed = ",serial=BOOT-1"
    for n, (file, kind) in enumerate(m.drives):
        argv += ["-drive", f"if=none,id=disk{n},file={file},format={kind}",
                 "-device", f"{kinds[n]},drive=disk{n}{packed}"]
    for n, net in enumerate(m.net):
        mac = f",mac={m.mac}" if m.mac and not n else ""
        argv += ["-netdev", qemu_net(net) + f",id=net{n}",
                 "-device", f"virtio-net-device,netdev=net{n}{mac}"]
    return argv


EMULATORS = {"backplane": backplane, "interp": backplane_interp, "qemu": qemu}
