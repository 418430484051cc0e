"""A root filesystem of a Debian suite, made from nothing, and commands that run in it as on a machine of its own.

Nothing of this machine comes in but the kernel, its network, the nodes of /dev/kvm and the like, and a clone of what is
committed here. Nothing is kept: root, mounts and processes are gone at the end, however that comes.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
CLONE = "/root/postern"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("CI", "TERM", "http_proxy", "https_proxy", "no_proxy")  # of this environment, where they are set

# What is started goes with whoever started it, even if that one is killed, and its descendants with it.
BOUND = ("setpriv", "--pdeathsig", "KILL")
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


class RootError(RuntimeError):
    """A root couldn't be made; says what failed and how."""


def prepare() -> None:
    """Installs on this machine what making a root needs, and lets SIGTERM end this process as an exception does."""
    if os.geteuid() != 0:
        raise RootError("making and entering a root needs root")
    subprocess.run([SOURCE / "tests/install-packages", HERE / "PACKAGES"], check=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def system_mirror() -> str:
    """The Debian archive that this machine's apt uses, or nothing: debootstrap then has one of its own."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN)/$(LABEL) $(REPO_URI)",
                             "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        label, _, uri = line.partition(" ")
        if label == "Debian/Debian" and uri.startswith("http"):
            return uri
    return ""


class DebianRoot:
    """`with DebianRoot(suite) as root:` has an empty directory for it; `make` fills that."""

    def __init__(self, suite: str, log: IO[str] | int | None = None) -> None:
        """What the tools and commands print goes to `log`, or where this process prints."""
        self.suite = suite
        self._log = log

    def __enter__(self) -> "DebianRoot":
        # Not /tmp, which may be memory: a root with all that is built in it takes some 6 GB.
        self.path = Path(tempfile.mkdtemp(prefix=f"postern-{self.suite}-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)

    def make(self, include: Iterable[str] = ()) -> None:
        """The suite's minimal system and, where asked for, some packages more; and the clone."""
        self.path.chmod(0o755)
        script = [] if (SCRIPTS / self.suite).exists() else ["sid"]  # a suite younger than this debootstrap
        packages = [f"--include={','.join(include)}"] if include else []
        self._must("debootstrap", *BOUND, *NAMESPACES, "--mount-proc", "debootstrap", "--variant=minbase", *packages,
                   self.suite, str(self.path), system_mirror(), *script)
        # What lies in a root that lasts for minutes needs no fsync.
        (self.path / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
        shutil.copyfile("/etc/resolv.conf", self.path / "etc/resolv.conf")
        self._must("git clone", "git", "clone", "--quiet", "--no-hardlinks", str(SOURCE), f"{self.path}{CLONE}")

    def run(self, *command: str, directory: str = CLONE) -> int:
        """Runs a command there as root, with an environment as after a login; returns its exit status."""
        environment = {"PATH": PATH, "HOME": "/root", **{name: os.environ[name] for name in PASSED_ON
                                                         if name in os.environ}}
        process = subprocess.Popen([*BOUND, *NAMESPACES, "--uts", "--ipc", "--cgroup", str(HERE / "enter"),
                                    str(self.path), directory, *command],
                                   env=environment, stdin=subprocess.DEVNULL, stdout=self._log,
                                   stderr=subprocess.STDOUT if self._log is not None else None)
        try:
            return process.wait()
        finally:
            process.kill()
            process.wait()

    def _must(self, what: str, *command: str) -> None:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=self._log,
                                stderr=subprocess.STDOUT if self._log is not None else None)
        if result.returncode != 0:
            raise RootError(f"{self.suite}: {what} ended with status {result.returncode}")
