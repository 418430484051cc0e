"""The share is the guest's root filesystem, in which a real program is compiled and run."""

import subprocess
from pathlib import Path

from guestlib.case import Case, Outcome
from guestlib.failure import CaseFailure, expect

# Runs under the shared Debian's own shell and tools. Unoptimized, for the sake of an emulated processor.
SCRIPT = """
grep -q '^[^ ]* / virtiofs ' /proc/mounts || fail "root: expected virtiofs at /, saw $(cat /proc/mounts)"
. /etc/os-release
echo "root is $PRETTY_NAME"
mkdir /build && cd /build
tar -xf /lua.tar.gz --strip-components=1
make -j2 -C src linux MYCFLAGS=-O0 > /build/make.log 2>&1 || { tail -n 30 /build/make.log; fail "make ended with $?"; }
said=$(src/lua -e 'print(_VERSION, 6 * 7, string.rep("x", 3))')
expect "what the compiled program says" "Lua 5.4	42	xxx" "$said"
echo "$said" > /build/result
src/luac -v
"""


def setup(share: Path, assets: Path) -> None:
    subprocess.run(["tar", "--extract", "--zstd", "--file", assets / "rootfs/debian12.tar.zst", "--numeric-owner",
                    "--directory", share], check=True)
    (share / "lua.tar.gz").write_bytes((assets / "rootfs/lua.tar.gz").read_bytes())


def verify(outcome: Outcome) -> None:
    build = outcome.share / "build"
    expect("result", "Lua 5.4\t42\txxx\n", (build / "result").read_text())
    for name in ("lua", "luac"):
        program = build / "src" / name
        if program.read_bytes()[:4] != b"\x7fELF":
            raise CaseFailure(f"{name}: expected an ELF file, saw {program.read_bytes()[:4]!r}")
    # Built against Debian 12's C library on a Debian 12 or later host, the product must run here too.
    run = subprocess.run([build / "src/lua", "-e", "print(6 * 7)"], capture_output=True, text=True)
    expect("what the compiled program says on the host", (0, "42\n"), (run.returncode, run.stdout))


CASE = Case(name="rootfs-build", summary="the share is the root filesystem (Debian 12): unpacks and compiles Lua in it",
            script=SCRIPT, setup=setup, verify=verify, share_is_root=True, cpus=2,
            # Nobody else changes a guest's root; otherwise each step of the compiler looks up every path again.
            daemon_options=("--cache=always",), memory_mib=1024, time_limit=600)
