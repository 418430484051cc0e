"""The first thing anybody tries: mount, look, read, write."""

from pathlib import Path

from guestlib.case import Case, Outcome
from guestlib.failure import expect

GREETING = "hello from the host\n"
ANSWER = "hello from the guest\n"

SCRIPT = f"""
uname -r
grep ' /mnt ' /proc/mounts
ls -la
df -k . | tail -n 1
cat greeting
expect "greeting" "{GREETING.strip()}" "$(cat greeting)"
expect "names in the share" "directory greeting" "$(echo *)"
echo "{ANSWER.strip()}" > answer
expect "answer" "{ANSWER.strip()}" "$(cat answer)"
"""


def setup(share: Path, _assets: Path) -> None:
    (share / "greeting").write_text(GREETING)
    (share / "directory").mkdir()


def verify(outcome: Outcome) -> None:
    expect("names in the share", ["answer", "directory", "greeting"],
           sorted(path.name for path in outcome.share.iterdir()))
    expect("the guest's file", ANSWER, (outcome.share / "answer").read_text())


CASE = Case(name="smoke", summary="mounts, lists, reads a file, writes one", script=SCRIPT, setup=setup, verify=verify)
