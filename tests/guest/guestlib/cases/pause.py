"""The machine is paused and continued in the middle of I/O."""

import hashlib
from typing import TYPE_CHECKING

from guestlib.case import Case, Outcome
from guestlib.failure import CaseFailure, expect
from guestlib.process import wait_until

if TYPE_CHECKING:
    from guestlib.runner import Run

ROUNDS = 4
GROWTH = 256 * 1024  # what the guest must have written between two pauses

# Writes blocks until the host has paused it often enough, which the host says through the share.
SCRIPT = """
dd if=/dev/urandom of=/tmp/block bs=64k count=1 2>/dev/null
mkdir small
exec 3> stream
echo writing
blocks=0
while [ ! -e enough ]; do
    cat /tmp/block >&3
    echo "block $blocks" > small/$((blocks % 20))
    blocks=$((blocks + 1))
    [ $blocks -lt 20000 ] || fail "host: expected it to say 'enough' within $blocks blocks"
done
exec 3>&-
i=0
while [ $i -lt $blocks ]; do cat /tmp/block; i=$((i + 1)); done | sha256sum > /tmp/expected
echo 3 > /proc/sys/vm/drop_caches
expect "size of the stream" $((blocks * 65536)) "$(stat -c %s stream)"
expect "hash of the stream" "$(cat /tmp/expected)" "$(sha256sum < stream)"
sum=$(sha256sum < stream)
echo "hash=${sum%% *}"
"""


def during(run: "Run") -> None:
    stream = run.share / "stream"
    run.wait_for_line("writing", 60)
    qmp = run.machine.qmp()

    def state() -> str:
        return qmp.call("query-status")["status"]

    try:
        for number in range(ROUNDS):
            start = stream.stat().st_size
            if not wait_until(lambda: stream.stat().st_size >= start + GROWTH, 30):
                raise CaseFailure(f"round {number}: expected the stream to grow by {GROWTH} bytes in 30 s, "
                                  f"saw {stream.stat().st_size - start}")
            qmp.call("stop")
            # The stop is answered once the daemon has given up its rings: nothing may be under way any more.
            size = stream.stat().st_size
            expect(f"round {number}: state after stop", "paused", state())
            for _ in range(50):
                state()
            expect(f"round {number}: size of the stream while paused", size, stream.stat().st_size)
            qmp.call("cont")
            expect(f"round {number}: state after cont", "running", state())
        (run.share / "enough").touch()
    finally:
        qmp.close()


def verify(outcome: Outcome) -> None:
    seen = hashlib.sha256((outcome.share / "stream").read_bytes()).hexdigest()
    expect("hash of the stream", outcome.report.value("hash"), seen)


CASE = Case(name="pause", summary="the machine is paused and continued in the middle of I/O", script=SCRIPT,
            during=during, verify=verify)
