"""Processes of a run: started in groups of their own, waited for with a limit, never left behind."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_INTERVAL = 0.02


_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: int) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _end_with_parent() -> None:
    """In the child before exec: a test runner that loses patience kills the harness, and this goes with it."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def become_subreaper() -> None:
    """Whatever outlives its parent becomes this process's child, where `children` sees it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def wait_until(condition: Callable[[], bool], limit: float) -> bool:
    """Polls the condition until it holds (True) or the limit in seconds is over (False)."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_INTERVAL)
    return True


@dataclass(frozen=True)
class ProcessInfo:
    pid: int
    parent: int
    group: int
    state: str
    name: str


def all_processes() -> list[ProcessInfo]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:  # ended meanwhile
            continue
        # The name stands in parentheses and may contain any character, parentheses included.
        name = text[text.index("(") + 1:text.rindex(")")]
        state, parent, group = text[text.rindex(")") + 2:].split()[:3]
        found.append(ProcessInfo(int(entry.name), int(parent), int(group), state, name))
    return found


def descendants(pid: int) -> list[ProcessInfo]:
    processes = all_processes()
    found: list[ProcessInfo] = []
    parents = {pid}
    while parents:
        level = [process for process in processes if process.parent in parents]
        found += level
        parents = {process.pid for process in level}
    return found


def living_children() -> list[ProcessInfo]:
    """Children of this process that run; those that have ended are reaped on the way."""
    living = []
    for process in descendants(os.getpid()):
        if process.state == "Z":
            if process.parent == os.getpid():
                try:
                    os.waitpid(process.pid, os.WNOHANG)
                except ChildProcessError:
                    pass
        else:
            living.append(process)
    return living


class Supervised:
    """A process in its own group and session, with its output in a file."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None,
                 pass_fds: tuple[int, ...] = (), cwd: Path | None = None) -> None:
        self.log = log
        self.command = command
        with open(log, "ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env,
                                             pass_fds=pass_fds, cwd=cwd, start_new_session=True,
                                             preexec_fn=_end_with_parent)

    @property
    def pid(self) -> int:
        return self._process.pid

    def status(self) -> int | None:
        """Exit status (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    def wait(self, limit: float) -> int | None:
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self.status() is None:
            self._process.send_signal(sig)

    def kill(self) -> None:
        """Ends the whole group, whatever state it is in."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()


def kill_leftovers() -> None:
    """Ends every process that descends from this one."""
    for _ in range(10):
        living = living_children()
        for process in living:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if wait_until(lambda: not living_children(), 1):
            return
