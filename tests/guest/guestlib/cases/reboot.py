"""The guest resets itself, with the share mounted and in use, and starts over on the same connection."""

from guestlib.case import Case, Outcome
from guestlib.failure import expect

# The flag in the share tells the second boot from the first.
SCRIPT = """
if [ ! -e first-boot ]; then
    mkdir work
    i=0
    while [ $i -lt 50 ]; do echo "first $i" > work/f$i; i=$((i + 1)); done
    exec 3> held-open # the reset comes while the daemon has this open
    echo first >&3
    sync
    echo done > first-boot
    sync
    reboot -f
    sleep 600 # the reset takes the machine away under us; ending here would end the guest instead
fi
expect "files of the first boot" 50 "$(ls work | wc -l)"
expect "content of the first boot" "first 49" "$(cat work/f49)"
expect "file that was open at the reset" first "$(cat held-open)"
i=0
while [ $i -lt 50 ]; do echo "second $i" > work/f$i; i=$((i + 1)); done
rm held-open
echo done > second-boot
"""


def verify(outcome: Outcome) -> None:
    expect("names in the share", ["first-boot", "second-boot", "work"],
           sorted(path.name for path in outcome.share.iterdir()))
    expect("files of the second boot", {f"f{i}": f"second {i}\n" for i in range(50)},
           {path.name: path.read_text() for path in (outcome.share / "work").iterdir()})


CASE = Case(name="reboot", summary="the guest resets itself with the share in use and mounts it again", script=SCRIPT,
            verify=verify, boots=2)
