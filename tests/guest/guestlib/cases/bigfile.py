"""A file of 256 MiB: written, synced, read back from the daemon, the same on the host."""

import hashlib

from guestlib.case import Case, Outcome
from guestlib.failure import expect

MEBIBYTES = 256
SEED_MEBIBYTES = 8

# Where the processor is emulated /dev/urandom gives 12 MiB/s, so it gives a seed, which comes again and again, each
# time behind another header of odd length: no two pages of the file are alike.
SCRIPT = f"""
dd if=/dev/urandom of=/tmp/seed bs=1M count={SEED_MEBIBYTES} 2>/dev/null
content() {{
    local i=0
    while [ $i -lt {MEBIBYTES // SEED_MEBIBYTES + 1} ]; do
        printf '%d:' $((i * 104729))
        cat /tmp/seed
        i=$((i + 1))
    done | head -c {MEBIBYTES << 20}
}}
content > /tmp/content
dd if=/tmp/content of=big bs=1M 2>/dev/null
sync
expect "size of the file" {MEBIBYTES << 20} "$(stat -c %s big)"
written=$(sha256sum < /tmp/content)
rm /tmp/content
echo 3 > /proc/sys/vm/drop_caches
read=$(sha256sum < big)
expect "hash of the file read back" "$written" "$read"
echo "hash=${{read%% *}}"
"""


def verify(outcome: Outcome) -> None:
    big = outcome.share / "big"
    expect("size of the file", MEBIBYTES << 20, big.stat().st_size)
    with open(big, "rb") as stream:
        expect("hash of the file", outcome.report.value("hash"), hashlib.file_digest(stream, "sha256").hexdigest())


CASE = Case(name="bigfile",
            summary=f"writes {MEBIBYTES} MiB, syncs, reads back past the guest's cache, compares hashes",
            script=SCRIPT, verify=verify, memory_mib=1024, time_limit=300)
