"""What the checks under SELinux and those under AppArmor have in common."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
POSTERND = "/usr/bin/posternd"
# Some checks of each family: all of them take many minutes on an emulated processor.
SOME = "@(" + "|".join((
    "acl/decides*", "attribute/@(access|by-open)*", "attribute/@(chmod|chown)/file/*[05]", "creation/@(open|mkdir)/in-plain/*",
    "data/@(a|cr|f|sp|sy|two)*", "directory/@(d|h|same)*", "name/@(create|unlink|stat)/@(missing|below-file)",
    "rename/exchange/file/*", "set-id/@(write|chown-user)/by-root/*", "space/copy/*", "time/@(write|chmod)",
    "type/@(mknod-file|link-to)/@(file|fifo|socket)", "unlinked/@(unlinked|tmpfile)/*", "xattr/user/file/*")) + ")"
DEADLINE = 60
MARK = "postern-test"

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


def note(text: str) -> None:
    """A line in the kernel's log: "begin NAME" and "end NAME" stand around what is to be denied."""
    Path("/dev/kmsg").write_text(f"{MARK} {text}\n")


def notes_and_denials() -> Iterator[tuple[str, str]]:
    """The kernel's log, each line with the name of the attempt during which it was written, or none."""
    during = ""
    for line in subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        if mark := re.search(rf"{MARK} (begin|end) (.*)$", line):
            during = mark[2] if mark[1] == "begin" else ""
        else:
            yield during, line
