"""What a case is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guestlib.report import Report

if TYPE_CHECKING:
    from guestlib.runner import Run


@dataclass(frozen=True)
class Outcome:
    """What a case's host side looks at once guest and daemon have ended well."""

    share: Path
    report: Report


@dataclass(frozen=True)
class Case:
    """One guest, one daemon, one script that must end with status 0 inside the guest."""

    name: str
    summary: str
    script: str
    setup: Callable[[Path, Path], None] | None = None  # (share, assets): fills the share
    verify: Callable[[Outcome], None] | None = None
    during: Callable[["Run"], None] | None = None  # runs on the host beside the guest
    daemon_options: tuple[str, ...] = ()
    kernel: str = "debian12"  # debian12, debian13, uml
    qemu: str = "system"  # system, qemu-10
    queues: int = 1
    cpus: int = 1
    memory_mib: int = 512
    time_limit: int = 150  # seconds from the guest's start to its end: several times what TCG takes
    boots: int = 1
    mount_options: str = ""
    share_is_root: bool = False
    own_filesystem: bool = False  # the share is a tmpfs, whose free space nobody else changes
