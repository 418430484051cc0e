"""The guest's initramfs: busybox, the modules of its kernel, and the case's scripts."""

from dataclasses import dataclass, field
from pathlib import Path

from guestlib.case import Device
from guestlib.cpio import Archive

INSIDE = Path(__file__).resolve().parent / "inside"

PASSWD = """root:x:0:0:root:/root:/bin/sh
alice:x:1001:1001::/tmp:/bin/sh
bob:x:1002:1002::/tmp:/bin/sh
carol:x:1003:1003::/tmp:/bin/sh
"""
GROUP = """root:x:0:
alice:x:1001:
bob:x:1002:
carol:x:1003:
staff:x:2000:alice,bob
"""


@dataclass(frozen=True)
class GuestSettings:
    """What the guest's side of the harness must know."""

    nonce: str
    report_device: str  # without /dev/
    devices: tuple[Device, ...]
    share_is_root: bool
    script: str
    parts: dict[str, str] = field(default_factory=dict)  # scripts by name, instead of `script`
    files: dict[str, bytes] = field(default_factory=dict)  # programs for the parts' scripts

    def shell(self) -> str:
        first = self.devices[0]
        return (f"NONCE={self.nonce}\nREPORT=/dev/{self.report_device}\nTAG={first.tag}\n"
                f"MOUNT_OPTIONS='{_option(first)}'\nSHARE_IS_ROOT={int(self.share_is_root)}\n")


def _option(device: Device) -> str:
    return f"-o {device.mount_options}" if device.mount_options else ""


def _script(text: str) -> bytes:
    return ((INSIDE / "prelude.sh").read_text() + text).encode()


def _add_parts(archive: Archive, settings: GuestSettings) -> None:
    for name in ("guest/parts", "guest/files"):
        archive.directory(name)
    archive.file("guest/run_parts.sh", (INSIDE / "run_parts.sh").read_bytes())
    archive.file("guest/devices", "".join(f"{device.tag} {_option(device)}\n"
                                          for device in settings.devices[1:]).encode())
    archive.file("guest/part_names", "".join(f"{name}\n" for name in settings.parts).encode())
    tools = (INSIDE / "tools.sh").read_text()
    for name, text in settings.parts.items():
        archive.file(f"guest/parts/{name}", _script(tools + text))
    for name, content in settings.files.items():
        archive.file(f"guest/files/{name}", content, 0o755)


def build(kernel: Path, busybox: Path, settings: GuestSettings) -> bytes:
    """`kernel` is the kernel's folder in the assets, with its modules."""
    archive = Archive()
    for name in ("bin", "dev", "etc", "guest", "guest/modules", "mnt", "proc", "root", "sys", "tmp"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    archive.character_device("dev/null", 1, 3)
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    archive.file("etc/passwd", PASSWD.encode())
    archive.file("etc/group", GROUP.encode())
    archive.file("init", (INSIDE / "init.sh").read_bytes(), 0o755)
    archive.file("guest/second_stage.sh", (INSIDE / "second_stage.sh").read_bytes())
    archive.file("guest/report.sh", (settings.shell() + (INSIDE / "report.sh").read_text()).encode())
    if settings.parts:
        _add_parts(archive, settings)
    else:
        archive.file("guest/run_case.sh", _script(settings.script))
    for module in sorted((kernel / "modules").iterdir()):
        archive.file(f"guest/modules/{module.name}", module.read_bytes())
    return archive.finish()
