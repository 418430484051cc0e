"""Work on files and directories, and a directory with 10,000 files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from guestlib.case import Case, Outcome
from guestlib.failure import CaseFailure, expect

if TYPE_CHECKING:
    from guestlib.runner import Run

COUNT = 10000
KEPT = 100  # of the many files these stay for the host to look at
LONG_NAME = "n" * 255
ODD_NAMES = ("with space", "tab\there", "new\nline", "-dash", "...", "quote'\"", "back\\slash", "*?[x]", "ü-ñ-日本")

# The shell's own redirections create the files: a process for each would be a test of fork.
SCRIPT = f"""
mkdir many && cd many
i=0
while [ $i -lt {COUNT} ]; do echo "content of $i" > file-$i; i=$((i + 1)); done
expect "number of files listed" {COUNT} "$(ls | wc -l)"
expect "number of distinct names listed" {COUNT} "$(ls | sort -u | wc -l)"
expect "number of files with the right size" {COUNT} "$(stat -c '%F %s %n' file-* |
    awk '{{ n = substr($4, 6) }}
         $1 " " $2 == "regular file" && $3 == length("content of " n) + 1 {{ count++ }}
         END {{ print count + 0 }}')"
expect "content of one file" "content of 7777" "$(cat file-7777)"
expect "content of every tenth file" {COUNT // 10} "$(cat file-*7 | sort -u | grep -c '^content of [0-9]*7$')"
echo many: created, listed, stat-ed, read
touch ../created
until [ -e ../checked ]; do usleep 20000; done # the host looks at all of them

cp -r ../many/file-1 ../many/file-2 ..
ls | awk '{{ n = substr($1, 6) + 0; if (n >= {KEPT}) print }}' | xargs rm
expect "number of files left" {KEPT} "$(ls | wc -l)"
expect_failure "a deleted file" "No such file" cat file-{COUNT - 1}
cd ..
echo many: deleted

mkdir -p deep/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p
echo deep > deep/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/file
mv deep/a/b/c deep/moved
expect "file in a renamed directory" deep "$(cat deep/moved/d/e/f/g/h/i/j/k/l/m/n/o/p/file)"
expect_failure "rmdir of a full directory" "not empty" rmdir deep/moved
expect_failure "mkdir over a directory" "exists" mkdir deep
expect_failure "rmdir of a file" "Not a directory" rmdir file-1
expect_failure "removing a directory as a file" "directory" unlink deep
mkdir empty && mv empty renamed-empty && rmdir renamed-empty
expect "removed directory" no "$([ -e renamed-empty ] && echo yes || echo no)"

echo first > one; echo second > two
mv one two
expect "file renamed over another" first "$(cat two)"
expect "old name" no "$([ -e one ] && echo yes || echo no)"

printf 0123456789 > truncated
truncate -s 4 truncated
expect "shortened file" 0123 "$(cat truncated)"
truncate -s 8 truncated
expect "lengthened file" "30 31 32 33 00 00 00 00" "$(xxd -p truncated | sed 's/../& /g; s/ $//')"
printf a > appended; printf b >> appended; printf c >> appended
expect "appended file" abc "$(cat appended)"
printf longer-text > shorter; printf xy > shorter
expect "file opened with truncation" xy "$(cat shorter)"

dd if=/dev/zero of=sparse bs=1 count=1 seek=1073741823 2>/dev/null
expect "size of the sparse file" 1073741824 "$(stat -c %s sparse)"
[ "$(stat -c %b sparse)" -lt 1000 ] || fail "sparse file: expected less than 1000 blocks, saw $(stat -c %b sparse)"

echo long > {LONG_NAME}
expect "file with a name of 255 bytes" long "$(cat {LONG_NAME})"
expect_failure "a name of 256 bytes" "too long" mkdir x{LONG_NAME}

mkdir odd
while read -r -d '' name; do echo "odd" > "odd/$name"; done < odd-names
expect "number of odd names" {len(ODD_NAMES)} "$(find odd -type f -print0 | tr -cd '\\000' | wc -c)"
touch -d '2001-02-03 04:05:06' dated
expect "modification time" 981173106 "$(stat -c %Y dated)"
mkfifo fifo
expect "type of the fifo" fifo "$(stat -c %F fifo)"
sync
"""


def setup(share: Path, _assets: Path) -> None:
    (share / "odd-names").write_bytes(b"".join(name.encode() + b"\0" for name in ODD_NAMES))


def expect_many(share: Path, count: int) -> None:
    seen = {path.name: path.read_text() for path in (share / "many").iterdir()}
    expected = {f"file-{i}": f"content of {i}\n" for i in range(count)}
    wrong = sorted(name for name in seen.keys() | expected.keys() if seen.get(name) != expected.get(name))
    if wrong:
        raise CaseFailure(f"many/{wrong[0]} and {len(wrong) - 1} more: expected {expected.get(wrong[0])!r}, "
                          f"saw {seen.get(wrong[0])!r}")


def during(run: "Run") -> None:
    run.wait_for(lambda: (run.share / "created").exists(), f"the guest to have made {COUNT} files", CASE.time_limit)
    expect_many(run.share, COUNT)
    (run.share / "checked").touch()


def verify(outcome: Outcome) -> None:
    share = outcome.share
    expect_many(share, KEPT)
    expect("deep file", "deep\n", (share / "deep/moved/d/e/f/g/h/i/j/k/l/m/n/o/p/file").read_text())
    expect("truncated", b"0123\0\0\0\0", (share / "truncated").read_bytes())
    expect("appended", "abc", (share / "appended").read_text())
    expect("size of sparse", 1 << 30, (share / "sparse").stat().st_size)
    expect("sparse takes less than 1 MiB", True, (share / "sparse").stat().st_blocks * 512 < 1 << 20)
    expect("file with a name of 255 bytes", "long\n", (share / LONG_NAME).read_text())
    expect("odd names", sorted(ODD_NAMES), sorted(os.listdir(share / "odd")))
    expect("modification time", 981173106, int((share / "dated").stat().st_mtime))
    expect("fifo", True, (share / "fifo").is_fifo())


CASE = Case(name="files", summary=f"creates, lists, stats, renames, truncates, deletes; {COUNT} small files",
            script=SCRIPT, setup=setup, during=during, verify=verify, time_limit=300)
