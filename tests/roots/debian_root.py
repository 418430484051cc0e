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
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
CLONE = "/srv/postern"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
HOST_NAME = "postern-test"
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

    def __init__(self, suite: str, say: Callable[[str], None] | None = None) -> None:
        """What the tools and commands print goes line by line to `say`, or where this process prints."""
        self.suite = suite
        self.cpu_seconds = 0.0  # of all that has run so far
        self._say = say

    def __enter__(self) -> "DebianRoot":
        # Not /tmp, which may be memory: a root with all that is built in it takes some 6 GB.
        self.path = Path(tempfile.mkdtemp(prefix=f"postern-{self.suite}-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)

    def make(self, include: Sequence[str] = ()) -> None:
        """The suite's minimal system with, where asked for, some packages more; and the clone."""
        self.path.chmod(0o755)
        script = [] if (SCRIPTS / self.suite).exists() else ["sid"]  # a suite younger than this debootstrap
        packages = [f"--include={','.join(include)}"] if include else []
        self._must(*BOUND, *NAMESPACES, "--mount-proc", "debootstrap", "--variant=minbase", *packages,
                   self.suite, str(self.path), system_mirror(), *script)
        # What lies in a root that lasts for minutes needs no fsync, and a mirror that is behind is good enough for it.
        (self.path / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
        (self.path / "etc/apt/apt.conf.d/late-mirror").write_text('Acquire::Check-Valid-Until "false";\n')
        shutil.copyfile("/etc/resolv.conf", self.path / "etc/resolv.conf")
        (self.path / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {HOST_NAME}\n")
        self._must("git", "clone", "--quiet", "--no-hardlinks", str(SOURCE), f"{self.path}{CLONE}")

    def run(self, *command: str, directory: str = CLONE) -> int:
        """Runs a command there as root, with an environment as after a login; returns its exit status."""
        environment = {"PATH": PATH, "HOME": "/root", **{name: os.environ[name] for name in PASSED_ON
                                                         if name in os.environ}}
        return self._start(*BOUND, *NAMESPACES, "--uts", "--ipc", "--cgroup", str(HERE / "enter"), str(self.path),
                           HOST_NAME, directory, *command, env=environment)

    def _must(self, *command: str) -> None:
        status = self._start(*command)
        if status != 0:
            raise RootError(f"{self.suite}: expected '{' '.join(command)}' to succeed, it ended with status {status}")

    def _start(self, *command: str, env: dict[str, str] | None = None) -> int:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if self._say else {}
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, text=True, errors="replace",
                                   **output)
        try:
            for line in process.stdout or ():
                self._say(line.rstrip("\n"))
            self._wait(process)
        except BaseException:
            if process.returncode is None:
                end(process)
                self._wait(process)
            raise
        return process.returncode

    def _wait(self, process: subprocess.Popen[str]) -> None:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds += usage.ru_utime + usage.ru_stime


def end(process: subprocess.Popen[str]) -> None:
    """Kills a process that holds namespaces, by their first process: it ends only when all of theirs have."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in map(int, children or [process.pid]):
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):  # it has just ended by itself
        pass
