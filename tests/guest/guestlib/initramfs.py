"""The guest's initramfs: busybox, the modules of its kernel, and the case's script."""

from dataclasses import dataclass
from pathlib import Path

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
    tag: str
    mount_options: str
    share_is_root: bool
    script: str

    def shell(self) -> str:
        options = f"-o {self.mount_options}" if self.mount_options else ""
        return (f"NONCE={self.nonce}\nREPORT=/dev/{self.report_device}\nTAG={self.tag}\n"
                f"MOUNT_OPTIONS='{options}'\nSHARE_IS_ROOT={int(self.share_is_root)}\n")


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
    archive.file("guest/run_case.sh", ((INSIDE / "prelude.sh").read_text() + settings.script).encode())
    for module in sorted((kernel / "modules").iterdir()):
        archive.file(f"guest/modules/{module.name}", module.read_bytes())
    return archive.finish()
