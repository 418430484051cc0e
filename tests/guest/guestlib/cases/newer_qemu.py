"""QEMU 10 instead of the system's: another order of vhost-user messages, RESET_DEVICE, DEVICE_STATE."""

from guestlib.case import Case, Outcome
from guestlib.cases import smoke
from guestlib.failure import expect

SCRIPT = smoke.SCRIPT + """
mkdir work && cd work
i=0
while [ $i -lt 300 ]; do echo "content of $i" > f$i; i=$((i + 1)); done
expect "number of files" 300 "$(ls | wc -l)"
mkdir sub && mv f1 sub/moved && ln f2 sub/hard && ln -s ../f3 sub/soft
expect "through the symlink" "content of 3" "$(cat sub/soft)"
rm f[4-9]
head -c 4000000 /dev/urandom > data
sync
echo 3 > /proc/sys/vm/drop_caches
cp data copy
cmp data copy || fail "copy: expected it to equal its source, it differs"
"""


def verify(outcome: Outcome) -> None:
    work = outcome.share / "work"
    expect("number of files left", 300 - 1 - 6, len(list(work.glob("f*"))))
    expect("moved file", "content of 1\n", (work / "sub/moved").read_text())
    expect("link count", 2, (work / "f2").stat().st_nlink)
    expect("copy equals data", (work / "data").read_bytes(), (work / "copy").read_bytes())


CASE = Case(name="qemu-10", summary="the smoke test and file work under QEMU 10 and Linux 6.12", script=SCRIPT,
            setup=smoke.setup, verify=verify, kernel="debian13", qemu="qemu-10")
