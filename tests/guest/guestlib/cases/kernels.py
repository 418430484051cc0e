"""The oldest and the newest Linux that Debian has, with the file work of the case qemu-10."""

from guestlib.case import Case
from guestlib.cases import newer_qemu, smoke

OLDEST = Case(name="linux-oldest", summary="the smoke test and file work under Linux 5.10", script=newer_qemu.SCRIPT,
              setup=smoke.setup, verify=newer_qemu.verify, kernel="debian11")
NEWEST = Case(name="linux-newest", summary="the same under the newest Linux of Debian unstable", script=newer_qemu.SCRIPT,
              setup=smoke.setup, verify=newer_qemu.verify, kernel="unstable", qemu="qemu-10")
