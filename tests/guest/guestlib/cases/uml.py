"""User-Mode Linux: another front end, with its own habits on the vhost-user socket."""

from guestlib.case import Case
from guestlib.cases import newer_qemu, smoke

# It reads the tag from the device's configuration space, which the daemon only offers when it is told a tag.
CASE = Case(name="uml", summary="the smoke test and file work under User-Mode Linux", script=newer_qemu.SCRIPT,
            setup=smoke.setup, verify=newer_qemu.verify, kernel="uml", daemon_options=("--tag=share",), memory_mib=256)
