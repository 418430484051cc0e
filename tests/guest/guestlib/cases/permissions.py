"""Several users in the guest: what they may do, and who owns what they make."""

import os
import stat
from pathlib import Path

from guestlib.case import Case, Outcome
from guestlib.failure import expect

# uid = gid for each; "staff" (2000) has alice and bob as further members.
ALICE, BOB, STAFF = 1001, 1002, 2000

SCRIPT = f"""
as() {{ # USER COMMAND-LINE
    su -s /bin/sh "$1" -c "cd /mnt && umask 022 && $2"
}}
denied() {{ # WHAT USER COMMAND-LINE
    expect_failure "$1" "ermi" as "$2" "$3" # "Permission denied" or "Operation not permitted"
}}
expect "who alice is" "uid={ALICE}(alice) gid={ALICE}(alice) groups={ALICE}(alice),{STAFF}(staff)" "$(as alice id)"

mkdir home-alice home-bob shared
chown alice:alice home-alice; chmod 700 home-alice
chown {BOB}:{BOB} home-bob; chmod 755 home-bob
chmod 1777 shared

as alice 'echo secret > home-alice/secret; echo public > shared/by-alice'
as alice 'mkdir shared/dir-alice; ln -s x shared/link-alice'
as bob 'echo public > shared/by-bob; chmod 666 shared/by-bob'
expect "owner of alice's file" "{ALICE}:{ALICE} 644" "$(stat -c '%u:%g %a' shared/by-alice)"
expect "owner of alice's directory" "{ALICE}:{ALICE} 755" "$(stat -c '%u:%g %a' shared/dir-alice)"
expect "owner of alice's symlink" "{ALICE}:{ALICE}" "$(stat -c '%u:%g' shared/link-alice)"
expect "owner of bob's file" "{BOB}:{BOB} 666" "$(stat -c '%u:%g %a' shared/by-bob)"
as root 'echo x > shared/by-root'
expect "owner of root's file" "0:0 644" "$(stat -c '%u:%g %a' shared/by-root)"

denied "bob reads in alice's closed directory" bob 'cat home-alice/secret'
denied "bob lists alice's closed directory" bob 'ls home-alice'
denied "bob writes alice's file" bob 'echo x >> shared/by-alice'
denied "bob creates in alice's directory" bob 'touch shared/dir-alice/x'
denied "alice creates in bob's open directory" alice 'touch home-bob/x'
denied "alice makes a directory in bob's" alice 'mkdir home-bob/x'
denied "bob chmods alice's file" bob 'chmod 777 shared/by-alice'
denied "bob chowns alice's file" bob 'chown bob shared/by-alice'
denied "alice gives her file away" alice 'chown bob shared/by-alice'
as alice 'echo more >> shared/by-bob'
expect "bob's file after alice's write" "public more" "$(echo $(cat shared/by-bob))"

# Sticky: everybody may create, only the owner may remove or rename.
denied "bob removes alice's file from the sticky directory" bob 'rm -f shared/by-alice'
denied "bob renames alice's file in the sticky directory" bob 'mv -f shared/by-alice shared/mine'
denied "bob replaces alice's file in the sticky directory" bob 'mv -f shared/by-bob shared/by-alice'
as alice 'mv shared/by-alice shared/renamed-by-alice'
as alice 'touch shared/short-lived; rm shared/short-lived'

# Set-gid: what is made inside has the directory's group, and directories pass the bit on.
mkdir team && chown root:staff team && chmod 2777 team
as carol 'touch team/file; mkdir team/dir; touch team/dir/deeper'
expect "group of a file in a set-gid directory" {STAFF} "$(stat -c %g team/file)"
expect "group and mode of a directory in a set-gid directory" "{STAFF} 2755" "$(stat -c '%g %a' team/dir)"
expect "group of a file below it" {STAFF} "$(stat -c %g team/dir/deeper)"

# Access by a group that isn't the process's first one.
mkdir staff-only && chown root:staff staff-only && chmod 770 staff-only
echo for-staff > staff-only/file && chown root:staff staff-only/file && chmod 660 staff-only/file
expect "bob reads as a member of staff" for-staff "$(as bob 'cat staff-only/file')"
as bob 'echo more >> staff-only/file'
denied "carol reads without being a member" carol 'cat staff-only/file'

echo x > modes
for mode in 0 400 640 777 1755 2755 4755 6711; do
    chmod $mode modes
    expect "mode after chmod $mode" $mode "$(stat -c %a modes)"
done
chown alice modes
expect "mode after a chown (set-uid and set-gid go)" 711 "$(stat -c %a modes)"
chown :staff modes
expect "owner after chown :staff" "{ALICE}:{STAFF}" "$(stat -c '%u:%g' modes)"
as alice 'chgrp alice modes && chgrp staff modes && chmod 4750 modes && echo x >> modes'
expect "set-uid after the owner's write" 750 "$(stat -c %a modes)"
denied "alice gives a group that she isn't in" alice 'chgrp carol modes'
chmod 444 modes
denied "alice writes her read-only file" alice 'echo x >> modes'
echo root >> modes

as alice 'umask 077; touch home-alice/private; mkdir home-alice/private-dir'
expect "modes under umask 077" "600 700" "$(echo $(stat -c %a home-alice/private home-alice/private-dir))"
touch -d '2001-01-01 00:00:00' shared/by-root
denied "alice sets the times of root's file" alice 'touch -d "2002-02-02 00:00:00" shared/by-root'
mknod shared/null c 1 3
denied "alice makes a device" alice 'mknod shared/x c 1 3'
"""


def setup(share: Path, _assets: Path) -> None:
    share.chmod(0o755)


def verify(outcome: Outcome) -> None:
    def facts(name: str) -> tuple[int, int, int]:
        info = os.lstat(outcome.share / name)
        return info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)

    for name, owner in {
        "home-alice": (ALICE, ALICE, 0o700),
        "home-alice/secret": (ALICE, ALICE, 0o644),
        "home-alice/private": (ALICE, ALICE, 0o600),
        "home-bob": (BOB, BOB, 0o755),
        "shared": (0, 0, 0o1777),
        "shared/renamed-by-alice": (ALICE, ALICE, 0o644),
        "shared/link-alice": (ALICE, ALICE, 0o777),
        "shared/by-bob": (BOB, BOB, 0o666),
        "shared/by-root": (0, 0, 0o644),
        "team": (0, STAFF, 0o2777),
        "team/dir": (1003, STAFF, 0o2755),
        "modes": (ALICE, STAFF, 0o444),
        "shared/null": (0, 0, 0o644),
    }.items():
        expect(f"uid, gid and mode of {name}", owner, facts(name))
    expect("device number of shared/null", os.makedev(1, 3), os.lstat(outcome.share / "shared/null").st_rdev)


CASE = Case(name="permissions", summary="several users: modes, owners, denials, sticky and set-gid directories, chown",
            script=SCRIPT, setup=setup, verify=verify)
