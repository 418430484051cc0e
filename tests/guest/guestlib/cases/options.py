"""Each way to run the daemon that a guest notices: the conformance suite on it, and what only the host sees."""

import os
from pathlib import Path

from guestlib.case import Case, Device, Part
from guestlib.failure import expect
from guestlib.report import Report
from guestlib.shares import Shares

ALICE, BOB = 1001, 1002


def on_memory(*tags: str):
    """A tmpfs, as what the suite compares with in the guest."""

    def setup(shares: Shares) -> None:
        for tag in tags:
            shares.mount_tmpfs(shares[tag], "mode=1777,size=256m")

    return setup


# A shared mapping for writing needs the guest's page cache, which --cache=never and metadata switch off.
MAP_PROGRAM = r"""
cat > /tmp/map.c <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int file = open(argv[1], O_RDWR | O_CREAT, 0644);
  if (file < 0 || ftruncate(file, 8192) != 0) return 2;
  char* memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  strcpy(memory + 4090, "over the border");
  return msync(memory, 8192, MS_SYNC) == 0 ? 0 : 2;
}
END
[ -e /tmp/map ] || gcc -o /tmp/map /tmp/map.c
"""


def mapped(tag: str) -> str:
    return MAP_PROGRAM + f"""
/tmp/map /srv/{tag}/mapped
echo 3 > /proc/sys/vm/drop_caches
expect "what was written through the mapping" "over the border" "$(tail -c +4091 /srv/{tag}/mapped | head -c 15)"
"""


def not_mapped(tag: str) -> str:
    return MAP_PROGRAM + f"""
expect_failure "a shared mapping without a page cache" "No such device" /tmp/map /srv/{tag}/mapped
"""


def conformance(tag: str, options: tuple[str, ...], checks: str, without: str = "", knowing: str = "",
                more: str = "") -> Part:
    """The suite's checks on the guest's own tmpfs and on the share, as root and as users; then the script `more`."""
    choice = f"--without {without} " * bool(without) + f"--knowing {knowing} " * bool(knowing)
    script = f"""
chmod 1777 /srv/{tag}
$CONFORMANCE --local /dev/shm --against /srv/{tag} --filter '{checks}' {choice} > /tmp/said 2>&1 || {{
    cat /tmp/said
    fail "conformance of {tag}: expected no unexplained difference"
}}
tail -n 1 /tmp/said
"""
    return Part(tag, script + more, (Device(tag, options),), on_memory(tag), needs_conformance=True)


READONLY_SCRIPT = """
chmod 777 /srv/writable
cd /srv/writable
mkdir dir
echo text > file
chmod 666 file
chmod 777 dir
ln -s file link
cd /srv/readonly
expect "content" text "$(cat file)"
expect "content, for a user, through a link" text "$(as alice cat link)"
expect "names" "dir file link" "$(echo $(ls))"
for who in "" "as alice"; do
    for change in "touch new" "mkdir new" "ln -s file new" "ln file new" "mkfifo new" "mv file new" "rm -f file" "rmdir dir" \\
        "rm link" "cp /etc/passwd file" "chmod 644 file" "chown alice file" "touch file" "truncate -s 1 file" \\
        "truncate -s 0 file" "touch dir/new" "fallocate -l 4096 file"; do
        # A user may be refused for want of a right before it comes to that.
        case "$who:$change" in "as alice:chmod"* | "as alice:chown"*) continue ;; esac
        expect_failure "$who $change" "ead-only file system" $who $change
    done
done
echo more >> /srv/writable/file
expect "content, after a change by another way" "text more" "$(sleep 1.1; echo $(cat file))"
"""


def verify_readonly(shares: Shares, _report: Report) -> None:
    share = shares["readonly"]
    expect("names in the read-only share", ["dir", "file", "link"], sorted(path.name for path in share.iterdir()))
    expect("content", "text\nmore\n", (share / "file").read_text())


def owner(path: Path) -> str:
    status = os.lstat(path)
    return f"{status.st_uid}:{status.st_gid}"


# The host's file of each share belongs to root.
TRANSLATION_SCRIPT = f"""
owner() {{ stat -c %u:%g "$1"; }}
# touch would set the times, too, as the owner that the file then has.
printf '#!/bin/sh\n: > "$1"\n' > /tmp/make
chmod 755 /tmp/make

# guest: one way only. What alice makes is 7001's on the host, and the guest sees what the host has.
as alice /tmp/make /srv/guest/new
expect "guest: the owner seen" "7001:7001" "$(owner /srv/guest/new)"
chown bob:bob /srv/guest/new
expect "guest: an id that no rule names" "{BOB}:{BOB}" "$(owner /srv/guest/new)"
# host: the other way only.
expect "host: root's file seen" "{ALICE}:{ALICE}" "$(owner /srv/host/of-root)"
as bob /tmp/make /srv/host/new
expect "host: an id that no rule names" "{BOB}:{BOB}" "$(owner /srv/host/new)"
# squash-guest: whoever makes it.
for user in alice bob; do as $user /tmp/make /srv/squash-guest/$user; done
touch /srv/squash-guest/root
for user in alice bob root; do
    expect "squash-guest: what $user made, seen" "5000:5000" "$(owner /srv/squash-guest/$user)"
done
# squash-host: whoever owns it.
expect "squash-host: root's file seen" "{ALICE}:{ALICE}" "$(owner /srv/squash-host/of-root)"
as bob /tmp/make /srv/squash-host/new
expect "squash-host: bob's file seen" "{ALICE}:{ALICE}" "$(owner /srv/squash-host/new)"
# forbid-guest: alice can't have files here, and bob can.
expect_failure "forbid-guest: alice's file" "nput/output error" as alice /tmp/make /srv/forbid-guest/alice
expect_failure "forbid-guest: a file given to alice" "nput/output error" chown alice /srv/forbid-guest/of-root
as bob /tmp/make /srv/forbid-guest/bob
expect "forbid-guest: bob's file seen" "{BOB}:{BOB}" "$(owner /srv/forbid-guest/bob)"
# map: both ways.
as alice /tmp/make /srv/map/alice
expect "map: alice's file seen" "{ALICE}:{ALICE}" "$(owner /srv/map/alice)"
chown bob:bob /srv/map/alice
expect "map: given to bob" "{BOB}:{BOB}" "$(owner /srv/map/alice)"
"""
TRANSLATIONS = {
    "guest": f"guest:{ALICE}:7001:1", "host": f"host:0:{ALICE}:1", "squash-guest": "squash-guest:0:5000:65536",
    "squash-host": f"squash-host:0:{ALICE}:65536", "forbid-guest": f"forbid-guest:{ALICE}:1", "map": "map:0:300000:10000",
}


def setup_translations(shares: Shares) -> None:
    for tag in TRANSLATIONS:
        shares[tag].chmod(0o1777)
        (shares[tag] / "of-root").touch()


def verify_translations(shares: Shares, _report: Report) -> None:
    owners = {
        "guest/new": BOB, "host/new": BOB, "squash-guest/alice": 5000, "squash-guest/bob": 5000, "squash-guest/root": 5000,
        "squash-host/new": BOB, "forbid-guest/bob": BOB, "forbid-guest/of-root": 0, "map/alice": 300000 + BOB,
    }
    for name, user in owners.items():
        tag, file = name.split("/")
        expect(f"owner of {name} on the host", f"{user}:{user}", owner(shares[tag] / file))
    expect("alice's file where she is forbidden", False, (shares["forbid-guest"] / "alice").exists())


# Without --killpriv-v2 a Linux guest lets a user's O_TRUNC keep set-id bits, whatever the daemon.
WITHOUT_XATTR = "xattr,acl,trusted-xattr,set-id-on-open"
CASE = Case(
    name="options", summary="the conformance suite with each option that a guest notices; --readonly; translated ids",
    kernel="debian13", cpus=2, memory_mib=1024, time_limit=1500,
    parts=(
        # All of them take three minutes under emulation: those that need a kernel and users here, the rest below.
        conformance("default", (), "@(attribute|creation|permission|rename|set-id|unlinked)/*", WITHOUT_XATTR),
        conformance("acl", ("--posix-acl",), "acl/*", "trusted-xattr"),
        conformance("xattr", ("--xattr", "--modcaps=+sys_admin"), "xattr/*", "acl"),
        conformance("killpriv-v2", ("--xattr", "--killpriv-v2"), "set-id/*", "acl,trusted-xattr", "killpriv-v2"),
        conformance("never", ("--cache=never", "--allow-mmap", "--inode-file-handles=never"), "@(data|directory|unlinked)/*",
                    WITHOUT_XATTR, more=mapped("never")),
        conformance("metadata", ("--cache=metadata", "--inode-file-handles=mandatory"), "@(data|directory|unlinked)/*",
                    WITHOUT_XATTR, more=not_mapped("metadata")),
        conformance("always", ("--cache=always", "--no-readdirplus"), "@(data|directory|time)/*", WITHOUT_XATTR,
                    more=mapped("always")),
        conformance("writeback", ("--writeback",), "@(data|space|time)/*", WITHOUT_XATTR, "writeback"),
        conformance("translated", ("--translate-uid=map:0:300000:100000", "--translate-gid=map:0:300000:100000"),
                    "@(creation|set-id)/*", WITHOUT_XATTR, "translated-ids"),
        Part("readonly", READONLY_SCRIPT, (Device("writable"), Device("readonly", ("--readonly",), same_as="writable")),
             verify=verify_readonly),
        Part("translations", TRANSLATION_SCRIPT,
             tuple(Device(tag, (f"--translate-uid={rule}", f"--translate-gid={rule}")) for tag, rule in TRANSLATIONS.items()),
             setup_translations, verify_translations),
    ))
