"""What the checks under SELinux and those under AppArmor have in common."""

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
POSTERND = "/usr/bin/posternd"
# Some checks of each family: all of them take many minutes on an emulated processor.
SOME = "@(" + "|".join((
    "acl/decides*", "attribute/@(access|by-open)*", "attribute/@(chmod|chown)/file/*[05]",
    "creation/@(open|mkdir)/in-plain/*", "data/@(a|cr|f|sp|sy|two)*", "directory/@(d|h|same)*", "name/@(create|unlink|stat)/@(missing|below-file)",
    "rename/exchange/file/*", "set-id/@(write|chown-user)/by-root/*", "space/copy/*", "time/@(write|chmod)",
    "type/@(mknod-file|link-to)/@(file|fifo|socket)", "unlinked/@(unlinked|tmpfile)/*", "xattr/user/file/*")) + ")"
READY = "Waiting for vhost-user socket connection"
DEADLINE = 60
COARSE = 5  # CLOCK_REALTIME_COARSE

failed: list[str] = []


def check(name: str, condition: bool, detail: object = "") -> None:
    print(f"{'PASS' if condition else 'FAIL'} {name}{'' if condition else f': {detail}'}", flush=True)
    if not condition:
        failed.append(name)


def ended_with_failures() -> int:
    """An exit status, and a line that says why."""
    print(f"{len(failed)} failed", flush=True)
    return 1 if failed else 0


def wait_until(condition: Callable[[], object], limit: float = DEADLINE) -> bool:
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# Between which instants each attempt was made, in milliseconds of the clock by which the kernel dates its audit records.
_attempts: list[tuple[str, int, int]] = []
AUDIT = re.compile(r"audit\((\d+)\.(\d{3}):\d+\)")


def _next_tick() -> int:
    """A millisecond in which nothing has happened yet."""
    def now() -> int:
        return time.clock_gettime_ns(COARSE) // 1_000_000

    start = now()
    while now() == start:
        pass
    return now()


@contextlib.contextmanager
def attempting(name: str) -> Iterator[None]:
    """What is denied meanwhile is denied to the attempt of that name."""
    begin = _next_tick()
    yield
    _attempts.append((name, begin, _next_tick() - 1))


def audit_records() -> Iterator[tuple[str, str]]:
    """The kernel's log of denials, each with the name of the attempt during which it came, or nothing. The kernel writes
    them there some time later: dates tell."""
    for line in subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        if date := AUDIT.search(line):
            at = int(date[1]) * 1000 + int(date[2])
            yield next((name for name, begin, end in _attempts if begin <= at <= end), ""), line
