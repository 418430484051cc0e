"""git at work on a share: clones, checks, builds, commits and pushes, as a user."""

import os
import shutil
import subprocess
from pathlib import Path

from guestlib.case import Case, Device, Part
from guestlib.failure import expect
from guestlib.report import Report
from guestlib.shares import Shares

ALICE = 1001
IDENTITY = {"GIT_AUTHOR_NAME": "Host", "GIT_AUTHOR_EMAIL": "host@example.org", "GIT_COMMITTER_NAME": "Host",
            "GIT_COMMITTER_EMAIL": "host@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
IGNORED = "*.o\n*.a\nanswer\n"
COMMITS = 5


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", directory, "-c", "safe.directory=*", *arguments], check=True,
                          capture_output=True, text=True, env={**os.environ, **IDENTITY}).stdout


def setup_for(tag: str):
    def setup(shares: Shares) -> None:
        """The source of Lua as a repository with some history, bare, owned by the guest's user."""
        share = shares[tag]
        work = shares.directory / f"lua-{tag}"
        work.mkdir()
        subprocess.run(["tar", "--extract", "--file", shares.assets / "rootfs/lua.tar.gz", "--directory", work],
                       check=True)
        source = next(work.iterdir())
        git(source, "init", "--quiet", "--initial-branch=main")
        (source / ".gitignore").write_text(IGNORED)
        (source / "src/answer.c").write_text(PROGRAM)
        git(source, "add", ".")
        git(source, "commit", "--quiet", "--message=Lua")
        for number in range(COMMITS):
            (source / f"note-{number}").write_text(f"note {number}\n" * 200)
            git(source, "add", ".")
            git(source, "commit", "--quiet", f"--message=Note {number}")
        git(source, "clone", "--quiet", "--bare", ".", str(share / "lua.git"))
        git(source, "bundle", "create", "--quiet", str(share / "lua.bundle"), "HEAD", "main")
        shutil.rmtree(work)
        share.chmod(0o755)
        for path in (share, *share.rglob("*")):
            os.chown(path, ALICE, ALICE)

    return setup


SCRIPT = f"""
cd /srv/TAG
git() {{ # in a repository: DIRECTORY ARGUMENTS...
    local directory="$1"
    shift
    as alice git -C "$directory" -c user.name=Alice -c user.email=alice@example.org "$@"
}}
git . clone --quiet lua.git linked             # hard links to the repository's objects
git . clone --quiet file:///srv/TAG/lua.git packed # through a pack of its own
git . clone --quiet lua.bundle bundled
for clone in linked packed bundled; do
    git $clone fsck --full --strict > /tmp/said 2>&1 || {{ cat /tmp/said; fail "$clone: fsck: expected status 0"; }}
    expect "$clone: status" "" "$(git $clone status --porcelain)"
    expect "$clone: commits" {COMMITS + 1} "$(git $clone rev-list --count HEAD)"
done
expect "trees of the clones" 1 "$(for clone in linked packed bundled; do git $clone rev-parse HEAD^{{tree}}; done |
    sort -u | wc -l)"

BUILD

git packed checkout --quiet -b topic HEAD~3
expect "note that the older commit lacks" no "$([ -e packed/note-4 ] && echo yes || echo no)"
as alice sh -c 'echo from the guest > packed/guest-file; echo changed >> packed/note-0; rm packed/note-1'
expect "status after the changes" "M:note-0 D:note-1 ??:guest-file" \\
    "$(echo $(git packed status --porcelain | sed 's/^ *//; s/ /:/'))"
git packed add --all
git packed commit --quiet --message=Guest
git packed rebase --quiet main > /tmp/said 2>&1 || {{ cat /tmp/said; fail "rebase: expected status 0"; }}
git packed push --quiet origin topic
git lua.git repack --quiet -a -d
git lua.git prune-packed
git linked fetch --quiet origin
git linked checkout --quiet --detach origin/topic
expect "content pushed from the one clone, seen in the other" "from the guest" "$(cat linked/guest-file)"
git linked gc --quiet
git linked fsck --full --strict > /tmp/said 2>&1 || {{ cat /tmp/said; fail "fsck after gc: expected status 0"; }}
echo 3 > /proc/sys/vm/drop_caches
expect "status of all, read again" "" "$(git linked status --porcelain; git packed status --porcelain)"
echo "head=$(git packed rev-parse HEAD)"
"""

# A few of the sources, unoptimized, for the sake of an emulated processor; rootfs-build compiles all of them.
OBJECTS = "lctype.o lmem.o lopcodes.o lzio.o"
BUILD = f"""
run_make() {{ as alice make -C linked/src MYCFLAGS=-O0 CORE_O='{OBJECTS}' LIB_O= "$@" liblua.a answer > /tmp/said 2>&1; }}
run_make -j2 || {{ cat /tmp/said; fail "make: expected status 0"; }}
expect "what the library holds" "{OBJECTS}" "$(echo $(as alice ar t linked/src/liblua.a))"
expect "what the program says" 42 "$(as alice linked/src/answer)"
expect "status after the build" "" "$(git linked status --porcelain)"
run_make
expect "what a second make compiles" 0 "$(grep -c '[.]c' /tmp/said || true)"
"""
PROGRAM = '#include <stdio.h>\nint main(void) { return puts("42") < 0; }\n'


def verify_for(tag: str):
    def verify(shares: Shares, report: Report) -> None:
        share = shares[tag]
        for name in ("lua.git", "linked", "packed", "bundled"):
            git(share / name, "fsck", "--full", "--strict")
        head = git(share / "packed", "rev-parse", "HEAD").strip()
        expect(f"{tag}: head of the guest's branch", report.value("head"), head)
        expect(f"{tag}: the branch as pushed", head, git(share / "lua.git", "rev-parse", "topic").strip())
        expect(f"{tag}: the host's status of the guest's clone", "", git(share / "packed", "status", "--porcelain"))
        owners = {path.lstat().st_uid for path in share.rglob("*")}
        expect(f"{tag}: owners", {ALICE}, owners)

    return verify


def part(tag: str, options: tuple[str, ...]) -> Part:
    return Part(tag, SCRIPT.replace("BUILD", BUILD).replace("TAG", tag), (Device(tag, options),), setup_for(tag),
                verify_for(tag))


CASE = Case(name="git", summary="git clones, checks, builds, commits, pushes and collects on a share, as a user",
            kernel="debian13", cpus=2, memory_mib=1024, time_limit=600,
            parts=(part("git-default", ()), part("git-always", ("--cache=always",))))
