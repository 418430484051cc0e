"""Files that are open while their names change or go."""

from guestlib.case import Case, Outcome
from guestlib.failure import expect

RENAME_SCRIPT = """
echo old-content > target
echo new-content > source
exec 3< target          # the file that loses its name
exec 4<> source         # the file that takes it
mv source target
expect "old descriptor" old-content "$(cat <&3)"
expect "name after the rename" new-content "$(cat target)"
cat <&4 > /dev/null     # to the end
echo appended-through-descriptor >&4
expect "name after a write through the descriptor" "new-content appended-through-descriptor" "$(echo $(cat target))"
exec 3<&- 4<&-

mkdir -p parent/child elsewhere
echo one > parent/child/file
exec 5>> parent/child/file
exec 6< parent/child/file
mv parent elsewhere/moved
echo two >&5
expect "file of the moved directory" "one two" "$(echo $(cat elsewhere/moved/child/file))"
expect "descriptor from before the move" "one two" "$(echo $(cat <&6))"
expect "old path" no "$([ -e parent ] && echo yes || echo no)"
# A process whose working directory moves with it.
(cd elsewhere/moved/child && mv /mnt/elsewhere/moved /mnt/back && echo three >> file && cat file > /tmp/seen)
expect "file through a moved working directory" "one two three" "$(echo $(cat /tmp/seen))"
exec 5>&- 6<&-

mkdir full empty
echo x > full/x
expect_failure "a directory over a full one" "" mv -T empty full
mv -T full empty
expect "directory over an empty one" x "$(cat empty/x)"
expect_failure "a directory into itself" "" mv back back/inside

# Many renames over a name that is being read: a reader sees a whole file or another, never none.
echo 0 > swapped
i=1
while [ $i -le 200 ]; do
    echo $i > swapped.new
    exec 7< swapped
    mv -f swapped.new swapped
    read -r seen <&7
    expect "round $i, through the old descriptor" $((i - 1)) "$seen"
    read -r seen < swapped
    expect "round $i, through the name" $i "$seen"
    i=$((i + 1))
done
exec 7<&-
"""


def verify_rename(outcome: Outcome) -> None:
    share = outcome.share
    expect("target", "new-content\nappended-through-descriptor\n", (share / "target").read_text())
    expect("back/child/file", "one\ntwo\nthree\n", (share / "back/child/file").read_text())
    expect("swapped", "200\n", (share / "swapped").read_text())
    expect("names in the share", ["back", "elsewhere", "empty", "swapped", "target"],
           sorted(path.name for path in share.iterdir()))


# The share is a filesystem of its own: what others do on the host's disk must not count as space freed or held.
UNLINKED_SCRIPT = """
free_kib() { sync; df -k . | tail -n 1 | awk '{ print $(NF - 2) }'; }

echo first > plain
exec 3<> plain
rm plain
expect "name after unlink" no "$([ -e plain ] && echo yes || echo no)"
read -r line <&3
expect "reading an unlinked file" first "$line"
echo second >&3
expect "whole content through /proc" "first second" "$(echo $(cat /proc/self/fd/3))"
exec 3>&-

before=$(free_kib)
exec 4<> big
dd if=/dev/zero bs=1M count=32 >&4 2>/dev/null
rm big
held=$(free_kib)
[ $((before - held)) -ge 30000 ] ||
    fail "space held by the open file: expected 30000 KiB or more, saw $((before - held))"
expect "size of the unlinked file" 33554432 "$(stat -L -c %s /proc/self/fd/4)"
# A new file of the same name is another file.
echo new > big
expect "size of the unlinked file beside a new one" 33554432 "$(stat -L -c %s /proc/self/fd/4)"
expect "new file" new "$(cat big)"
exec 4>&-
tries=0
until [ $((before - $(free_kib))) -lt 2000 ]; do # release is asynchronous
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "space after close: expected $before KiB free again, saw $(free_kib)"
    usleep 50000
done

mkdir directory && cd directory && rmdir ../directory
expect_failure "creating in a removed directory" "No such file" touch file
expect "listing of a removed directory" "" "$(ls)"
cd /mnt

# Many at once: each keeps its own content.
i=10
while [ $i -lt 60 ]; do
    (exec 5<> many; echo "content $i" >&5; rm many; expect "file $i" "content $i" "$(cat /proc/self/fd/5)")
    i=$((i + 1))
done
rm big
expect "names left" "" "$(ls -A | grep -v lost+found)"
"""


def verify_unlinked(outcome: Outcome) -> None:
    expect("names in the share", [], sorted(path.name for path in outcome.share.iterdir()))


RENAME_OPEN = Case(name="rename-open", summary="renames over open files, and directories with open files in them",
                   script=RENAME_SCRIPT, verify=verify_rename)
UNLINKED_OPEN = Case(name="unlinked-open",
                     summary="unlinked open files stay readable and writable, their space comes back",
                     script=UNLINKED_SCRIPT, verify=verify_unlinked, own_filesystem=True)
