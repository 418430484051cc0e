"""Processes in other domains, and what they are allowed to do."""

import os
from collections.abc import Callable

USER = "system_u:system_r"
OBJECT = "system_u:object_r"
CANNOT = 255  # No errno: the attempt itself couldn't be made.


def write_attribute(name: str, value: str) -> None:
    """Sets an attribute of this thread's (current, exec, sockcreate, fscreate)."""
    with open(f"/proc/thread-self/attr/{name}", "wb", buffering=0) as file:
        file.write(value.encode())


def label(path: str) -> str:
    return os.getxattr(path, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()


def set_label(path: str, kind: str, level: str = "s0") -> None:
    os.setxattr(path, "security.selinux", f"{OBJECT}:{kind}:{level}".encode(), follow_symlinks=False)


def context_of(pid: int) -> str:
    with open(f"/proc/{pid}/attr/current") as file:
        return file.read().rstrip("\0\n")


def attempt(domain: str, level: str, action: Callable[[], object]) -> int:
    """Becomes that domain in a child and does it there: errno, or 0. The child has nothing that must be opened or
    loaded any more, and says what it has seen by its exit status, which no policy forbids."""
    pid = os.fork()
    if pid == 0:
        status = CANNOT
        try:
            write_attribute("current", f"{USER}:{domain}:{level}")
        except OSError:
            os._exit(CANNOT)
        try:
            action()
            status = 0
        except OSError as error:
            status = error.errno
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
