"""libvirt's daemons and its client, the system's or a user's own; what is started here ends with this process."""

import os
import pwd
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from guestlib.failure import CaseFailure, expect
from guestlib.process import ProcessInfo, Supervised, all_processes, descendants, wait_until

START_LIMIT = 20
COMMAND_LIMIT = 60
CGROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory")  # of version 1, as libvirt looks for them


def mount_control_groups() -> None:
    """Where version 2 has no controllers (a machine that gives them to version 1), libvirt gets those of version 1:
    without any it makes no group, and nothing is seen of what it moves there."""
    if set(CONTROLLERS) & set((CGROUPS / "cgroup.controllers").read_text().split()):
        return
    subprocess.run(["mount", "-t", "tmpfs", "cgroup", CGROUPS], check=True)
    for controller in CONTROLLERS:
        (CGROUPS / controller).mkdir()
        subprocess.run(["mount", "-t", "cgroup", "-o", controller, controller, CGROUPS / controller], check=True)


def hide_kvm() -> None:
    """Of a root (tests/roots). Where KVM opens and runs no guest, libvirt asks QEMU anew what it can do before whatever it
    does, each time for seconds; the guests here do without."""
    device = Path("/dev/kvm")
    if os.path.ismount(device) and subprocess.run(["umount", device], check=False).returncode == 0 and device.is_file():
        device.unlink()


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int
    home: Path

    @staticmethod
    def make(name: str) -> "User":
        """A plain user with subordinate ids."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            subprocess.run(["useradd", "--create-home", name], check=True)
            entry = pwd.getpwnam(name)
        return User(name, entry.pw_uid, entry.pw_gid, Path(entry.pw_dir))

    def first_subordinate_uid(self) -> int:
        found = re.search(rf"^{self.name}:(\d+):", Path("/etc/subuid").read_text(), re.MULTILINE)
        if found is None:
            raise CaseFailure(f"/etc/subuid: expected ids of {self.name}, saw none")
        return int(found[1])


class Libvirt:
    """The system's libvirt, or that of one user (its session mode)."""

    def __init__(self, logs: Path, user: User | None = None) -> None:
        self.user = user
        self.daemon_logs: list[Path] = []
        self._environment = dict(os.environ, LC_ALL="C")
        self._as_user: list[str] = []
        self.uri = "qemu:///system"
        self.state, self.logs = Path("/run/libvirt"), Path("/var/log/libvirt/qemu")
        if user is not None:
            runtime = Path(f"/run/user/{user.uid}")
            runtime.mkdir(parents=True, exist_ok=True)
            os.chown(runtime, user.uid, user.gid)
            runtime.chmod(0o700)
            self.uri = "qemu:///session"
            self.state, self.logs = runtime / "libvirt", user.home / ".cache/libvirt/qemu/log"
            self._environment |= {"HOME": str(user.home), "XDG_RUNTIME_DIR": str(runtime), "USER": user.name}
            self._as_user = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--init-groups", "--"]
        self._started = [self._start(program, logs) for program in ("virtlogd", "libvirtd")]
        if not wait_until(lambda: self.run("version").returncode == 0, START_LIMIT):
            raise CaseFailure(f"libvirtd: expected an answer within {START_LIMIT} s, saw {self.run('version').stderr}")
        found = re.search(r"Using library: libvirt (\d+)\.(\d+)", self.virsh("version"))
        self.version = (int(found[1]), int(found[2])) if found else (0, 0)

    def _start(self, program: str, logs: Path) -> Supervised:
        # The programs belong to the packages, and lie where no plain user's PATH leads.
        log = logs / f"{self.uri.rsplit('/', 1)[-1]}-{program}.log"
        self.daemon_logs.append(log)
        return Supervised([*self._as_user, f"/usr/sbin/{program}"], log, env=self._environment, cwd=Path("/"))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._as_user, "virsh", "--connect", self.uri, "--quiet", *words], env=self._environment,
                              capture_output=True, text=True, timeout=COMMAND_LIMIT, check=False, cwd="/")

    def virsh(self, *words: str) -> str:
        done = self.run(*words)
        if done.returncode != 0:
            raise CaseFailure(f"virsh {' '.join(words)}: expected it to succeed, it said: {done.stderr.strip()}")
        return done.stdout

    def close(self) -> None:
        for daemon in reversed(self._started):
            daemon.terminate()
            if daemon.wait(START_LIMIT) is None:
                daemon.kill()


class Backend:
    """The daemon that libvirt has started for one of a domain's filesystems, found by what it shares."""

    def __init__(self, share: Path) -> None:
        self._share = share
        self.pid = 0
        if not wait_until(self._find, START_LIMIT):
            raise CaseFailure(f"{share}: expected a posternd that shares it, saw none")
        self.command = Path(f"/proc/{self.pid}/cmdline").read_text().rstrip("\0").split("\0")

    def _find(self) -> bool:
        for process in all_processes():
            if process.name == "posternd" and process.state != "Z" and self._shares(process):
                self.pid = process.pid
        return self.pid != 0

    def _shares(self, process: ProcessInfo) -> bool:
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        except OSError:  # ended meanwhile
            return False
        return str(self._share) in words or any(word.startswith(f"source={self._share}") for word in words)

    def processes(self) -> list[ProcessInfo]:
        """With its children; none of those that have ended."""
        own = [process for process in all_processes() if process.pid == self.pid]
        return [process for process in own + descendants(self.pid) if process.state != "Z"]

    def expect_whole(self) -> None:
        seen = sorted(process.name for process in self.processes())
        expect(f"{self._share}: the processes of its daemon", ["postern-broker", "postern-worker", "posternd"], seen)

    def groups(self) -> set[tuple[int, str]]:
        """The process group and the control groups of each of its processes: one of these, if all are in the same."""
        return {(process.group, Path(f"/proc/{process.pid}/cgroup").read_text()) for process in self.processes()}

    def holds_lock(self, file: Path) -> bool:
        """Whether posternd itself holds a POSIX lock on that file, as libvirt asks before it ends it."""
        inode = file.stat().st_ino
        return any(re.search(rf" POSIX +ADVISORY +WRITE {self.pid} \S+:{inode} 0 ", f" {line}")
                   for line in Path("/proc/locks").read_text().splitlines())

    def descriptor_limit(self) -> int:
        found = re.search(r"^Max open files +(\d+) ", Path(f"/proc/{self.pid}/limits").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0

    def ends(self, limit: float) -> bool:
        return wait_until(lambda: not any(process.pid == self.pid and process.state != "Z"
                                          for process in all_processes()), limit)
