"""What options bring: ACLs, extended attributes and their map, file capabilities, many files on few descriptors,
submounts; and an idmapped mount, for which the guest needs the daemon's consent only."""

import os
import subprocess
from pathlib import Path

from guestlib.case import Case, Device, Part
from guestlib.failure import expect
from guestlib.report import Report
from guestlib.shares import Shares

ALICE, BOB, GUESTS = 1001, 1002, 2000


def names_of_attributes(path: Path) -> list[str]:
    return sorted(os.listxattr(path, follow_symlinks=False))


# Each path's list as the guest has it is said, and must be the one that the host has.
ACL_PATHS = ("dir", "dir/by-alice", "dir/sub", "dir/sub/deeper", "file", "dir/no-umask")
ACL_SCRIPT = f"""
cd /srv/acl
acl() {{ echo $(getfacl --omit-header --numeric --no-effective "$1"); }}
mkdir dir && chown alice:alice dir
setfacl --modify user:bob:r-x dir
setfacl --default --modify user::rwx,group::r-x,other::---,user:bob:rwx,mask::rwx dir
as alice sh -c 'umask 077; touch dir/by-alice; mkdir dir/sub; touch dir/sub/deeper'
# Where a directory has a default list, the list decides and the umask doesn't count.
expect "inherited list of a file" "user::rw- user:{BOB}:rwx group::r-x mask::rw- other::---" "$(acl dir/by-alice)"
expect "mode of the file" 660 "$(stat -c %a dir/by-alice)"
expect "inherited list of a directory" "$(acl dir | sed 's/.*default:user::/default:user::/')" \\
    "$(acl dir/sub | sed 's/.*default:user::/default:user::/')"
as bob sh -c 'echo from bob >> dir/by-alice'
expect "content after bob's write, whom only the list admits" "from bob" "$(cat dir/by-alice)"
expect_failure "carol, whom nothing admits" "ermission denied" as carol cat dir/by-alice
expect_failure "bob creates where the list lets him only look" "ermission denied" as bob touch dir/new
chmod 640 dir/by-alice
expect "list after chmod, which sets the mask" "user::rw- user:{BOB}:rwx group::r-x mask::r-- other::---" \\
    "$(acl dir/by-alice)"
expect_failure "bob's write against the mask" "ermission denied" as bob sh -c 'echo x >> dir/by-alice'

umask 027
touch file
umask 022
expect "mode where no default list is: the umask counts" 640 "$(stat -c %a file)"
setfacl --modify group:guests:rw file
expect "mode shows the mask as the group's bits" 660 "$(stat -c %a file)"
as bob sh -c 'echo by group > file'
expect_failure "alice changes the list of root's file" "not permitted" as alice setfacl --modify user:alice:rw file
setfacl --default --modify user::rw-,group::---,other::rw- dir
as alice sh -c 'umask 0; touch dir/no-umask'
setfacl --remove-all dir/sub/deeper
expect "list after its removal" "user::rw- group::r-- other::---" "$(acl dir/sub/deeper)"
echo 2 > /proc/sys/vm/drop_caches
for path in {' '.join(ACL_PATHS)}; do echo "$path=$(acl $path)"; done
"""


def verify_acl(shares: Shares, report: Report) -> None:
    for path in ACL_PATHS:
        shown = subprocess.run(["getfacl", "--omit-header", "--numeric", "--no-effective", shares["acl"] / path],
                               check=True, capture_output=True, text=True).stdout
        expect(f"host's list of {path}", " ".join(shown.split()), report.value(path))


XATTR_SCRIPT = """
attributes() { echo $(getfattr --no-dereference --match=- "$1" | sed '/^#/d'); }
cd /srv/xattr
touch file && chown alice file
as alice setfattr --name=user.greeting --value=hello file
as alice setfattr --name=user.binary --value=0x00ff00 file
expect "names" "user.binary user.greeting" "$(attributes file)"
expect "value" hello "$(getfattr --only-values --name=user.greeting file)"
expect "binary value" 0x00ff00 "$(getfattr --encoding=hex --name=user.binary file | sed -n 's/.*=//p')"
as alice setfattr --remove=user.binary file
expect_failure "a name that isn't there" "No such attribute" getfattr --name=user.binary file
expect_failure "bob sets one on alice's file" "ermission denied" as bob setfattr --name=user.x --value=y file
expect_failure "trusted.*, for which the daemon lacks the capability" "not permitted" \\
    setfattr --name=trusted.t --value=1 file
expect "the host's attribute" "from the host" "$(getfattr --only-values --name=user.host host-file)"
big=$(head -c 3000 /dev/zero | tr '\\0' b)
setfattr --name=user.big --value="$big" file
echo 2 > /proc/sys/vm/drop_caches
expect "big value" "$big" "$(getfattr --only-values --name=user.big file)"
setfattr --remove=user.big file

cp /usr/bin/true program
setcap cap_net_raw+ep program
expect "file capability" "program cap_net_raw=ep" "$(getcap program)"
echo x >> program
expect "file capability after a write" "" "$(getcap program)"
setcap cap_net_raw+ep program
chown alice program
expect "file capability after a chown" "" "$(getcap program)"
setcap cap_net_raw+ep program
truncate --size=100 program
expect "file capability after a truncation" "" "$(getcap program)"

cd /srv/trusted
touch file
setfattr --name=trusted.t --value=1 file
expect "trusted.*, with the daemon's capability" "trusted.t" "$(attributes file)"
expect_failure "a user reads trusted.*" "No such attribute" as alice getfattr --name=trusted.t file

cd /srv/mapped
touch file && chown alice file
expect "the host's own attributes stay the host's" "" "$(attributes host-file)"
as alice setfattr --name=user.a --value=1 file
setfattr --name=trusted.t --value=2 file
expect "names" "trusted.t user.a" "$(attributes file)"
expect "value" 2 "$(getfattr --only-values --name=trusted.t file)"
setfattr --name=user.gone --value=x file
setfattr --remove=user.gone file
cp /usr/bin/true program
cp /usr/bin/true kept
setcap cap_net_raw+ep program
setcap cap_net_raw+ep kept
expect "file capability" "program cap_net_raw=ep" "$(getcap program)"
echo x >> program
expect "file capability after a write" "" "$(getcap program)"
"""


def setup_xattr(shares: Shares) -> None:
    for tag in ("xattr", "mapped"):
        (shares[tag] / "host-file").touch()
        os.setxattr(shares[tag] / "host-file", "user.host", b"from the host")


def verify_xattr(shares: Shares, _report: Report) -> None:
    xattr, mapped = shares["xattr"], shares["mapped"]
    expect("host's names", ["user.greeting"], names_of_attributes(xattr / "file"))
    expect("host's value", b"hello", os.getxattr(xattr / "file", "user.greeting"))
    expect("host's names of the program that has lost its capability", [], names_of_attributes(xattr / "program"))
    expect("host's names of a mapped file", ["user.virtiofs.trusted.t", "user.virtiofs.user.a"],
           names_of_attributes(mapped / "file"))
    expect("host's names of a mapped program", ["user.virtiofs.security.capability"],
           names_of_attributes(mapped / "kept"))
    expect("host's names of the mapped program that has lost its capability", [],
           names_of_attributes(mapped / "program"))


DIRECTORIES, FILES = 200, 100
MANY_SCRIPT = f"""
expect "files found" {DIRECTORIES * FILES} "$(find /srv/many -type f -size 1c 2> /tmp/said | wc -l)"
expect "complaints" "" "$(cat /tmp/said)"
expect "files found again" {12 * FILES} "$(find /srv/many/dir-10* /srv/many/dir-1 -type f -size 1c | wc -l)"
expect "content of {DIRECTORIES} of them" {DIRECTORIES} "$(cat /srv/many/*/file-7 | wc -c)"
touch /srv/many/dir-0/new
expect "names in one directory" {FILES + 1} "$(ls /srv/many/dir-0 | wc -l)"
"""


def setup_many(shares: Shares) -> None:
    for directory in range(DIRECTORIES):
        path = shares["many"] / f"dir-{directory}"
        path.mkdir()
        for file in range(FILES):
            (path / f"file-{file}").write_text("x")


INNER_KIB = 8192
SUBMOUNT_SCRIPT = f"""
kib() {{ df -k --output=size "$1" | tail -n 1 | tr -d ' '; }}
device() {{ stat -c %d "$1"; }}
ls /srv/outer/inner/ > /dev/null # the guest mounts it when somebody goes in
grep -q ' /srv/outer/inner virtiofs ' /proc/mounts || fail "submount: expected a mount of its own, saw none"
[ "$(device /srv/outer/file)" != "$(device /srv/outer/inner/file)" ] || fail "devices: expected two, saw one"
expect "size of the submount" {INNER_KIB} "$(kib /srv/outer/inner/file)"
[ "$(kib /srv/outer/file)" != {INNER_KIB} ] || fail "size of the share: expected the host's, saw the submount's"
expect "content" inner "$(cat /srv/outer/inner/file)"
echo new > /srv/outer/inner/new
sync -f /srv/outer/inner/new
sync -f /srv/outer/file
expect "find that stays on one filesystem" 1 "$(find /srv/outer -xdev -type f | wc -l)"
expect_failure "a link over the border" "cross-device" ln /srv/outer/file /srv/outer/inner/link
mv /srv/outer/inner/moved /srv/outer/moved
expect "content of a file moved over the border" moved "$(cat /srv/outer/moved)"

ls /srv/flat/inner/ > /dev/null
expect "mounts below a share that doesn't announce them" 0 "$(grep -c ' /srv/flat/' /proc/mounts || true)"
expect "device of all" "$(device /srv/flat/file)" "$(device /srv/flat/inner/file)"
expect "size of the submount, not announced" {INNER_KIB} "$(kib /srv/flat/inner/file)"
expect_failure "a link over the border, not announced" "cross-device" ln /srv/flat/file /srv/flat/inner/link
expect "content, not announced" "inner new" "$(echo $(cat /srv/flat/inner/file /srv/flat/inner/new))"
"""


def setup_submounts(shares: Shares) -> None:
    outer = shares["outer"]
    (outer / "file").write_text("outer\n")
    shares.mount_tmpfs(outer / "inner", f"mode=755,size={INNER_KIB}k")
    (outer / "inner/file").write_text("inner\n")
    (outer / "inner/moved").write_text("moved\n")


def verify_submounts(shares: Shares, _report: Report) -> None:
    outer = shares["outer"]
    expect("names in the submount", ["file", "new"], sorted(path.name for path in (outer / "inner").iterdir()))
    expect("names in the share", ["file", "inner", "moved"], sorted(path.name for path in outer.iterdir()))


# What the guest's kernel allows by things that it doesn't tell: the broker mustn't know better.
RIGHTS_SCRIPT = """
cd /srv/rights
mkdir named && chmod 700 named && setfacl --modify group:guests:rwx named
as alice sh -c 'cd named; mkdir dir; touch file; ln -s target link; mkfifo fifo'
expect "what the group of a list has made" "alice alice alice alice" "$(cd named && echo $(stat -c %U dir file link fifo))"
expect_failure "carol, who isn't in that group" "ermission denied" as carol touch named/other

mkdir home && chown alice:alice home
as alice unshare --user --map-root-user sh -c 'cd home; mkdir own; chmod 555 own; touch own/file; mkdir own/dir'
expect "what root of a user namespace has made in its own directory" "alice alice" \
    "$(cd home/own && echo $(stat -c %U file dir))"
expect_failure "alice herself there" "ermission denied" as alice touch home/own/other

cd /srv/uncached
echo content > tool && chmod 6777 tool
as bob sh -c 'echo more >> tool'
expect "mode after a write by who may not keep the bits" 777 "$(stat -c %a tool)"
chmod 6777 tool
echo more >> tool
expect "mode after root's write" 6777 "$(stat -c %a tool)"
"""


FIRST = 5000  # on the host, what is ALICE in the idmapped mount; BOB is the next
IDMAP_MOUNT = (Path(__file__).resolve().parents[1] / "inside/idmap_mount.pl").read_text()
IDMAP_SCRIPT = f"""
cat > /tmp/idmap_mount.pl <<'END'
{IDMAP_MOUNT}
END
mkdir /tmp/shifted
perl /tmp/idmap_mount.pl /srv/idmap /tmp/shifted {FIRST} {ALICE} 2
expect "owner in the share" "{FIRST}:{FIRST}" "$(stat -c %u:%g /srv/idmap/home)"
expect "owner in the shifted mount" "alice:alice" "$(stat -c %U:%G /tmp/shifted/home)"
expect "owner that the shift doesn't name" "nobody:nogroup" "$(stat -c %U:%G /tmp/shifted/of-root)"
cd /tmp/shifted/home
as alice sh -c 'echo hers > file; mkdir dir; ln -s file link; ln file hard; echo more >> file; mkfifo fifo'
expect "owners in the shifted mount" "alice alice alice alice" "$(echo $(stat -c %U file dir link fifo))"
expect "owners in the share" "{FIRST} {FIRST} {FIRST} {FIRST}" \\
    "$(cd /srv/idmap/home && echo $(stat -c %u file dir link fifo))"
expect_failure "bob in alice's directory" "ermission denied" as bob touch other
chown bob:bob file
expect "owner after chown in the shifted mount" "{FIRST + 1}:{FIRST + 1}" "$(stat -c %u:%g /srv/idmap/home/file)"
expect_failure "root, whom the shift doesn't name, creates" "too large" touch of-root
as alice mv dir renamed
as alice rm fifo
as alice sh -c 'umask 0; touch -d @1000000000 dated; chmod 640 dated; truncate --size=10 dated'
expect "attributes set through the shifted mount" "640 10" "$(stat -c '%a %s' /srv/idmap/home/dated)"
cd /
umount /tmp/shifted
"""


def setup_idmap(shares: Shares) -> None:
    (shares["idmap"] / "home").mkdir()
    (shares["idmap"] / "of-root").touch()
    os.chown(shares["idmap"] / "home", FIRST, FIRST)


def verify_idmap(shares: Shares, _report: Report) -> None:
    home = shares["idmap"] / "home"
    owners = {path.name: path.lstat().st_uid for path in home.iterdir()}
    expect("owners on the host", {"file": FIRST + 1, "hard": FIRST + 1, "renamed": FIRST, "link": FIRST,
                                  "dated": FIRST}, owners)


# Without a policy the guest's SELinux permits everything and calls everything by its initial contexts.
LABEL_SCRIPT = """
cd /srv/label
echo x > file
mkdir dir
ln -s file link
mkfifo fifo
for name in file dir link fifo; do
    echo "$name=$(getfattr --no-dereference --only-values --name=security.selinux $name | tr -d '\\0')"
done
"""


def verify_label(shares: Shares, report: Report) -> None:
    for name in ("file", "dir", "link", "fifo"):
        path = shares["label"] / name
        expect(f"host's attributes of {name}", ["security.selinux"], names_of_attributes(path))
        seen = os.getxattr(path, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()
        expect(f"label of {name} in the guest", seen, report.value(name))


CASE = Case(
    name="features", summary="ACLs, extended attributes, labels, 20,000 files on 1,024 descriptors, submounts, idmapped",
    kernel="debian13", memory_mib=1024, time_limit=400,
    parts=(
        Part("acl", ACL_SCRIPT, (Device("acl", ("--posix-acl",)),), verify=verify_acl),
        Part("xattr", XATTR_SCRIPT, (
            Device("xattr", ("--xattr",)),
            Device("trusted", ("--xattr", "--modcaps=+sys_admin")),
            Device("mapped", ("--xattrmap=:map::user.virtiofs.:",)),
        ), setup_xattr, verify_xattr),
        Part("many-files", MANY_SCRIPT, (Device("many", ("--rlimit-nofile=1024",)),), setup_many),
        Part("submounts", SUBMOUNT_SCRIPT, (
            Device("outer"),
            Device("flat", ("--no-announce-submounts",), same_as="outer"),
        ), setup_submounts, verify_submounts),
        Part("rights", RIGHTS_SCRIPT, (Device("rights", ("--posix-acl",)), Device("uncached", ("--cache=never",)))),
        Part("idmapped", IDMAP_SCRIPT, (Device("idmap"),), setup_idmap, verify_idmap),
        Part("label", LABEL_SCRIPT, (Device("label", ("--security-label", "--modcaps=+sys_admin")),), verify=verify_label),
    ), kernel_options="security=selinux selinux=1")
