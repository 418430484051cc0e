"""Hard links and symbolic links."""

import os
from pathlib import Path

from guestlib.case import Case, Outcome
from guestlib.failure import expect

LONG_TARGET = "/".join(["directory-of-a-long-path"] * 160)  # 3999 bytes; the limit of a path is 4095

SCRIPT = f"""
echo original > file
ln file hard
expect "inode of the hard link" "$(stat -c %i file)" "$(stat -c %i hard)"
expect "link count of the file" 2 "$(stat -c %h file)"
expect "link count of the link" 2 "$(stat -c %h hard)"
mkdir sub && ln hard sub/third
expect "link count after a third link" 3 "$(stat -c %h file)"
echo changed > sub/third
expect "content through the first name" changed "$(cat file)"
rm file
expect "link count after removing the first name" 2 "$(stat -c %h hard)"
expect "content after removing the first name" changed "$(cat hard)"
expect_failure "a link over an existing name" "exists" ln hard sub/third
expect_failure "a hard link to a directory" "" ln sub hard-to-directory
expect_failure "a hard link to nothing" "No such file" ln nothing hard-to-nothing

ln -s hard relative
expect "target of the relative symlink" hard "$(readlink relative)"
expect "content through the relative symlink" changed "$(cat relative)"
ln -s ../hard sub/up
expect "content through a symlink upwards" changed "$(cat sub/up)"
ln -s /mnt/hard absolute
expect "content through the absolute symlink" changed "$(cat absolute)"
# An absolute link means the guest's own root, never the host's.
echo guest-only > /tmp/only-here
ln -s /tmp/only-here to-guest
expect "content through a symlink to the guest's own file" guest-only "$(cat to-guest)"
ln -s nowhere dangling
expect_failure "reading a dangling symlink" "No such file" cat dangling
expect "target of the dangling symlink" nowhere "$(readlink dangling)"
expect "type of the dangling symlink" "symbolic link" "$(stat -c %F dangling)"
ln -s {LONG_TARGET} long
expect "target of the long symlink" {LONG_TARGET} "$(readlink long)"
expect "size of the long symlink" {len(LONG_TARGET)} "$(stat -c %s long)"
ln -s loop loop
expect_failure "a symlink to itself" "symbolic link" cat loop
ln -s sub to-directory
expect "listing through a symlink" "third up" "$(echo $(ls to-directory))"
echo through > to-directory/new
expect "file created through a symlink" through "$(cat sub/new)"
mv relative renamed
expect "target of the renamed symlink" hard "$(readlink renamed)"
rm dangling
expect "removed symlink" no "$([ -L dangling ] && echo yes || echo no)"

# A link to a file that is open, by a second name, keeps it when the first name goes.
exec 3<> opened
echo before >&3
ln opened kept
rm opened
echo after >&3
exec 3>&-
expect "content by the name linked while open" "before after" "$(echo $(cat kept))"
echo 2 > /proc/sys/vm/drop_caches
expect "target of the long symlink, read again" {LONG_TARGET} "$(readlink long)"
expect "link count, read again" 2 "$(stat -c %h hard)"
"""


def setup(share: Path, _assets: Path) -> None:
    (share / "host-target").write_text("from the host\n")
    os.symlink("host-target", share / "host-link")


def verify(outcome: Outcome) -> None:
    share = outcome.share
    expect("inode of hard and sub/third", (share / "hard").stat().st_ino, (share / "sub/third").stat().st_ino)
    expect("link count of hard", 2, (share / "hard").stat().st_nlink)
    for name, target in (("renamed", "hard"), ("absolute", "/mnt/hard"), ("long", LONG_TARGET), ("sub/up", "../hard"),
                         ("loop", "loop"), ("to-guest", "/tmp/only-here")):
        expect(f"target of {name}", target, os.readlink(share / name))
    expect("content of kept", "before\nafter\n", (share / "kept").read_text())
    expect("opened, dangling", [False, False], [os.path.lexists(share / name) for name in ("opened", "dangling")])


CASE = Case(name="links", summary="hard links and symlinks: relative, absolute, dangling, long, to open files",
            script=SCRIPT, setup=setup, verify=verify)
