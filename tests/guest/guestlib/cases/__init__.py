"""All cases, in the order in which a whole run takes them."""

from guestlib.case import Case
from guestlib.cases import (bigfile, features, files, firmware, git, kernels, links, newer_qemu, open_files, options,
                            pause, permissions, reboot, rootfs_build, smoke, stress, two_queues, uml)

CASES: dict[str, Case] = {case.name: case for case in (
    smoke.CASE,
    files.CASE,
    bigfile.CASE,
    permissions.CASE,
    links.CASE,
    open_files.RENAME_OPEN,
    open_files.UNLINKED_OPEN,
    rootfs_build.CASE,
    two_queues.CASE,
    newer_qemu.CASE,
    kernels.OLDEST,
    kernels.NEWEST,
    firmware.CASE,
    reboot.CASE,
    uml.CASE,
    pause.CASE,
    options.CASE,
    features.CASE,
    stress.CASE,
    git.CASE,
)}
