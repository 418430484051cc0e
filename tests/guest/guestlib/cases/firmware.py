"""UEFI firmware as a guest: EDK II's driver and shell, before any operating system.

Its driver insists on READDIRPLUS, and knows names and dates, those of "." and ".." too, from nowhere else. So it runs
with the cache mode in which Linux guests get no READDIRPLUS.
"""

import re
from pathlib import Path

from guestlib.case import Case, Outcome
from guestlib.failure import CaseFailure, expect

BYTES = 5 * 1024 * 1024 + 11  # more than a Linux guest asks for at once

SCRIPT = r"""
echo listing
ls
echo listing of d
ls d
echo end of listings
type greeting.txt
mkdir made
cp greeting.txt made\copy.txt
mv made\copy.txt made\moved.txt
cp large.bin made\large.bin
comp large.bin made\large.bin
attrib +r d\readonly.txt
rm d\gone.txt
mkdir d\empty
rm d\empty
echo hello from the firmware >a made\hello.txt
"""


def setup(share: Path, _assets: Path) -> None:
    (share / "greeting.txt").write_text("hello from the host\n")
    (share / "d").mkdir()
    for name in ("gone.txt", "readonly.txt"):
        (share / "d" / name).write_text(name)
    (share / "large.bin").write_bytes(bytes(range(251)) * (BYTES // 251) + bytes(BYTES % 251))


def verify(outcome: Outcome) -> None:
    share, lines = outcome.share, outcome.report.lines
    listing = lines[lines.index("listing of d"):lines.index("end of listings")]
    dated = {match.group(2): match.group(1) for line in listing
             if (match := re.match(r"\s*(\d\d/\d\d/\d{4})\s+\d\d:\d\d\s.*?([\w.]+)\s*$", line))}
    for name in (".", "..", "gone.txt", "readonly.txt"):
        if int(dated.get(name, "00/00/0000")[-4:]) < 2024:
            raise CaseFailure(f"listing: expected {name} with its date, saw {dated}")
    expect("names made", ["hello.txt", "large.bin", "moved.txt"], sorted(path.name for path in (share / "made").iterdir()))
    expect("names in d", ["readonly.txt"], sorted(path.name for path in (share / "d").iterdir()))
    expect("copied and moved", "hello from the host\n", (share / "made/moved.txt").read_text())
    expect("large file", (share / "large.bin").read_bytes(), (share / "made/large.bin").read_bytes())
    expect("text written", "hello from the firmware", (share / "made/hello.txt").read_text().strip())
    expect("writable after attrib +r", 0, (share / "d/readonly.txt").stat().st_mode & 0o222)


CASE = Case(name="firmware", summary="EDK II's UEFI shell works on the share, with --cache=never", script=SCRIPT,
            setup=setup, verify=verify, kernel="firmware", daemon_options=("--cache=never",))
