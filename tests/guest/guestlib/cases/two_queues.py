"""Two request queues under a kernel that uses them (Linux 6.12)."""

import hashlib

from guestlib.case import Case, Outcome
from guestlib.failure import CaseFailure, expect

FILES = 150
MEBIBYTES = 12

# A worker is bound to one processor; the kernel chooses the queue by the processor that submits.
SCRIPT = f"""
expect "processors" 2 "$(nproc)"
worker() {{ # NUMBER
    mkdir w$1 && cd w$1
    local i=0
    while [ $i -lt {FILES} ]; do echo "worker $1 file $i" > f$i; cat f$i >> all; i=$((i + 1)); done
    dd if=/dev/urandom of=data bs=1M count={MEBIBYTES} 2>/dev/null
    sha256sum < data > sum
    echo 1 > /proc/sys/vm/drop_caches
    expect "worker $1: hash read back" "$(cat sum)" "$(sha256sum < data)"
    cat f* > /dev/null
}}
taskset -p 1 $$ > /dev/null; worker 0 & first=$!
taskset -p 2 $$ > /dev/null; worker 1 & second=$!
wait $first || fail "first worker: expected status 0, saw $?"
wait $second || fail "second worker: expected status 0, saw $?"
sync
grep -E 'virtio|CPU' /proc/interrupts || true
"""


def verify(outcome: Outcome) -> None:
    for worker in range(2):
        folder = outcome.share / f"w{worker}"
        lines = [f"worker {worker} file {i}\n" for i in range(FILES)]
        expect(f"files of worker {worker}", lines, [(folder / f"f{i}").read_text() for i in range(FILES)])
        expect(f"collected file of worker {worker}", "".join(lines), (folder / "all").read_text())
        expect(f"hash of worker {worker}'s data", (folder / "sum").read_text().split()[0],
               hashlib.sha256((folder / "data").read_bytes()).hexdigest())
    # One interrupt line per queue: "24:  12  0  PCI-MSIX-… virtio0-requests.0"
    counts = {}
    for line in outcome.report.lines:
        fields = line.split()
        if fields and "-requests." in fields[-1]:
            counts[fields[-1]] = sum(int(field) for field in fields[1:3])
    if len(counts) != 2 or not all(counts.values()):
        raise CaseFailure(f"interrupts: expected two request queues, both used, saw {counts}")


CASE = Case(name="two-queues", summary="two request queues and two processors, both at work (Linux 6.12)",
            script=SCRIPT, verify=verify, kernel="debian13", queues=2, cpus=2)
