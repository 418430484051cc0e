"""The directories of a run, and the daemons that share them."""

import os
import shutil
import subprocess
from pathlib import Path

from guestlib.case import Device
from guestlib.daemon import Daemon
from guestlib.failure import expect

MOUNT_TABLE = Path("/proc/self/mountinfo")


class Shares:
    """What the host side of a case works with: each device's directory, by the device's tag."""

    def __init__(self, devices: tuple[Device, ...], directory: Path, assets: Path, given: Path | None) -> None:
        """`given` is the directory of the only device, where somebody else has made it."""
        self.assets = assets
        self.directory = directory
        self.devices = devices
        self.daemons: dict[str, Daemon] = {}
        self._paths: dict[str, Path] = {}
        self._mounted: list[Path] = []
        for device in devices:
            path = given or (assets / device.asset if device.asset else None)
            if path is None:
                path = directory / "shares" / (device.same_as or device.tag)
                path.mkdir(parents=True, exist_ok=True)
            self._paths[device.tag] = path

    def __getitem__(self, tag: str) -> Path:
        return self._paths[tag]

    def mount_tmpfs(self, path: Path, options: str) -> None:
        """Puts a filesystem of its own at a directory of a share, until the run's end."""
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "share", path], check=True)
        self._mounted.append(path)

    def start_daemons(self, program: str, common: tuple[str, ...], env: dict[str, str]) -> None:
        """Starts one daemon for each device; each has a directory of its own for its socket."""
        for device in self.devices:
            sockets = self.directory / "sockets" / device.tag
            sockets.mkdir(parents=True)
            log = self.directory / ("daemon.log" if len(self.devices) == 1 else f"daemon-{device.tag}.log")
            self.daemons[device.tag] = Daemon(device.tag, program, self[device.tag], sockets, log,
                                              [*common, *device.options], env)
        for daemon in self.daemons.values():
            daemon.wait_for_socket()

    def expect_daemons_end(self) -> None:
        for daemon in self.daemons.values():
            daemon.expect_end()

    def expect_no_sockets(self) -> None:
        for tag in self.daemons:
            expect(f"files in the directory of {tag}'s socket after the daemon's end", [],
                   sorted(path.name for path in (self.directory / "sockets" / tag).iterdir()))

    def mounts(self) -> list[str]:
        """All mounts below the run's directory."""
        with open(MOUNT_TABLE, encoding="utf-8", errors="replace") as table:
            points = [line.split()[4] for line in table]
        return [point for point in points if point.startswith(f"{self.directory}/")]

    def expect_only_own_mounts(self) -> None:
        expect("mounts below the run's directory", sorted(map(str, self._mounted)), sorted(self.mounts()))

    def end(self) -> None:
        """Ends the daemons that still run and takes the own mounts away."""
        for daemon in self.daemons.values():
            daemon.process.kill()
        for path in reversed(self._mounted):
            if str(path) in self.mounts():
                subprocess.run(["umount", path], check=True)

    def remove(self) -> None:
        """Removes the run's directory, but never through a mount that somebody left there."""
        if not self.mounts():
            shutil.rmtree(self.directory)


def environment(scratch: Path) -> dict[str, str]:
    """Where a daemon puts temporary files is its own affair, as long as it takes them away."""
    return {**os.environ, "TMPDIR": str(scratch)}
