"""Whether KVM runs a guest here. A /dev/kvm that opens proves nothing: the answer is a guest that has booted."""

import hashlib
import tempfile
from pathlib import Path

from guestlib.cpio import Archive
from guestlib.process import Supervised

PROBE_LIMIT = 10
PROBE_INIT = b"""#!/bin/busybox sh
echo guest-is-up > /dev/ttyS0
/bin/busybox poweroff -f
"""


def cpu_model(accel: str) -> str:
    # TCG emulates a plain model faster than "max", which brings five-level page tables and wide vectors.
    return "host" if accel == "kvm" else "Nehalem"


def _boots_under_kvm(qemu: str, assets: Path) -> bool:
    archive = Archive()
    for name in ("bin", "dev"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    archive.character_device("dev/ttyS0", 4, 64)
    archive.file("bin/busybox", (assets / "busybox/busybox").read_bytes(), 0o755)
    archive.file("init", PROBE_INIT, 0o755)
    with tempfile.TemporaryDirectory(prefix="postern-kvm-") as scratch:
        directory = Path(scratch)
        (directory / "initrd").write_bytes(archive.finish())
        process = Supervised(
            [qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256",
             "-accel", "kvm", "-cpu", cpu_model("kvm"), "-serial", f"file:{directory}/serial",
             "-kernel", str(assets / "kernel-debian12/vmlinuz"), "-initrd", f"{directory}/initrd",
             "-append", "console=ttyS0 quiet panic=-1"], directory / "log")
        try:
            ended = process.wait(PROBE_LIMIT) == 0
        finally:
            process.kill()
        serial = directory / "serial"
        return ended and serial.exists() and b"guest-is-up" in serial.read_bytes()


def choose(qemu: str, assets: Path) -> str:
    """"kvm" or "tcg". The answer is kept in the assets folder for as long as this machine stays up."""
    device = Path("/dev/kvm")
    if not device.exists():
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = hashlib.sha256(f"{boot} {qemu} {device.stat().st_mode}".encode()).hexdigest()[:16]
    memo = assets / f".accel-{key}"
    if memo.exists():
        return memo.read_text().strip()
    answer = "kvm" if _boots_under_kvm(qemu, assets) else "tcg"
    try:
        memo.write_text(answer + "\n")
    except OSError:  # a read-only cache: the probe costs some seconds each time
        pass
    return answer
