"""What a case is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guestlib.report import Report

if TYPE_CHECKING:
    from guestlib.runner import Run
    from guestlib.shares import Shares

TAG = "share"  # of a case's only device
TOOLS_TAG = "tools"


@dataclass(frozen=True)
class Device:
    """One virtio-fs device: a daemon of its own, on a directory of its own unless one of the last two says otherwise."""

    tag: str
    options: tuple[str, ...] = ()
    mount_options: str = ""
    same_as: str = ""  # tag of another device, whose directory this one shares too
    asset: str = ""  # a directory of the assets


@dataclass(frozen=True)
class Outcome:
    """What a case's host side looks at once guest and daemon have ended well."""

    share: Path
    report: Report


@dataclass(frozen=True)
class Part:
    """One of several scripts that one guest runs after one another, each with devices of its own at /srv/TAG.

    A part's script runs in a Debian that the guest has mounted read-only (the assets' "tools"), with dash.
    """

    name: str
    script: str
    devices: tuple[Device, ...]
    setup: Callable[["Shares"], None] | None = None
    verify: Callable[["Shares", Report], None] | None = None
    needs_conformance: bool = False  # the conformance program, which the script finds as $CONFORMANCE


@dataclass(frozen=True)
class Case:
    """One guest, and a script (or parts with one each) that must end with status 0 inside it."""

    name: str
    summary: str
    script: str = ""
    setup: Callable[[Path, Path], None] | None = None  # (share, assets): fills the share
    verify: Callable[[Outcome], None] | None = None
    during: Callable[["Run"], None] | None = None  # runs on the host beside the guest
    daemon_options: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()  # instead of script, setup, verify and daemon_options
    kernel: str = "debian12"  # debian11, debian12, debian13, unstable, uml, firmware (no kernel: UEFI's shell)
    kernel_options: str = ""
    qemu: str = "system"  # system, qemu-10
    queues: int = 1
    cpus: int = 1
    memory_mib: int = 512
    time_limit: int = 150  # seconds from the guest's start to its end: several times what TCG takes
    boots: int = 1
    mount_options: str = ""
    share_is_root: bool = False
    own_filesystem: bool = False  # the share is a tmpfs, whose free space nobody else changes

    @property
    def devices(self) -> tuple[Device, ...]:
        if not self.parts:
            return (Device(TAG, self.daemon_options, self.mount_options),)
        tools = Device(TOOLS_TAG, ("--cache=always",), "ro", asset="tools/root")
        return (tools, *(device for part in self.parts for device in part.devices))
