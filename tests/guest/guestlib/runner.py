"""Runs one case: shares, daemons, guest, verdict, and proof that nothing is left behind."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guestlib import accel, initramfs
from guestlib.case import Case, Outcome
from guestlib.daemon import END_LIMIT, Daemon
from guestlib.failure import CaseFailure, CaseSkipped, expect
from guestlib.machine import FirmwareMachine, MachineSettings, QemuMachine, UmlMachine
from guestlib.process import kill_leftovers, living_children, wait_until
from guestlib.report import Report, parse
from guestlib.shares import Shares, environment

LEFTOVER_LIMIT = 5
LOG_TAIL = 60
REPORT_TAIL = 400  # of what the guest said itself


@dataclass(frozen=True)
class Options:
    daemon: str
    daemon_options: tuple[str, ...]
    assets: Path
    qemu: str
    keep: bool
    conformance: Path | None  # the conformance program, for the parts that run it
    leaves_files: bool  # a peer that leaves its socket and pid file behind


class Run:
    """The state of one case while it runs; `directory` holds all of it."""

    def __init__(self, case: Case, options: Options, share: Path | None = None) -> None:
        self.case = case
        self.options = options
        self.acceleration = ""
        self.nonce = secrets.token_hex(8)
        self.directory = Path(tempfile.mkdtemp(prefix=f"postern-guest-{case.name}-"))
        # The daemon's processes may run as other users, who must be able to reach the share.
        self.directory.chmod(0o755)
        self.scratch = self.directory / "scratch"
        self.scratch.mkdir()
        self.shares = Shares(case.devices, self.directory, options.assets, share)
        self.machine: QemuMachine | UmlMachine | None = None
        self.said = Report()

    @property
    def share(self) -> Path:
        """The first device's directory: that of a case without parts."""
        return self.shares[self.case.devices[0].tag]

    @property
    def daemon(self) -> Daemon:
        return self.shares.daemons[self.case.devices[0].tag]

    def report(self) -> Report:
        assert self.machine is not None
        return parse(self.machine.report, self.nonce)

    def wait_for(self, condition: Callable[[], bool], what: str, limit: float) -> None:
        """Waits for something that the guest brings about; fails at once when the guest or the daemon has ended."""
        wait_until(lambda: condition() or self._has_ended(), limit)
        if not condition():
            ended = self.machine.process.status(), self.daemon.process.status()
            raise CaseFailure(f"expected {what} within {limit} s, saw no such thing "
                              f"(exit status of machine and daemon: {ended[0]}, {ended[1]})")

    def wait_for_line(self, line: str, limit: float) -> None:
        """Waits until the guest's script has said this line."""
        self.wait_for(lambda: line in self.report().lines, f"the guest to say {line!r}", limit)

    def _has_ended(self) -> bool:
        daemons = self.shares.daemons.values()
        return any(part.process.status() is not None for part in (self.machine, *daemons))

    def execute(self) -> None:
        case = self.case
        if case.own_filesystem:
            self.shares.mount_tmpfs(self.share, "mode=755,size=128m")
        if case.setup:
            case.setup(self.share, self.options.assets)
        for part in case.parts:
            if part.setup:
                part.setup(self.shares)
        self.shares.start_daemons(self.options.daemon, self.options.daemon_options, environment(self.scratch))
        self._start_machine()
        if case.during:
            case.during(self)
        seen = self._finish_guest()
        self.shares.expect_daemons_end()
        self._expect_nothing_left()
        if case.verify:
            case.verify(Outcome(self.share, seen))
        for part in case.parts:
            if part.verify:
                part.verify(self.shares, seen.parts[part.name])

    def _start_machine(self) -> None:
        case, assets = self.case, self.options.assets
        if case.kernel == "firmware":
            self._start_firmware()
            return
        kernel = assets / ("uml" if case.kernel == "uml" else f"kernel-{case.kernel}")
        kind = UmlMachine if case.kernel == "uml" else QemuMachine
        files = {}
        if any(part.needs_conformance for part in case.parts):
            files["conformance"] = self.options.conformance.read_bytes()
        settings = initramfs.GuestSettings(self.nonce, kind.report_device, case.devices, case.share_is_root,
                                           case.script, {part.name: part.script for part in case.parts}, files)
        initrd = self.directory / "initrd"
        initrd.write_bytes(initramfs.build(kernel, assets / "busybox/busybox", settings))
        sockets = {tag: daemon.socket for tag, daemon in self.shares.daemons.items()}
        machine = MachineSettings(kernel, initrd, sockets, case.memory_mib, case.cpus, case.queues, case.boots > 1,
                                  case.kernel_options, self.directory)
        if case.kernel == "uml":
            self.acceleration = "uml"
            self.machine = UmlMachine(machine)
            return
        program = self.options.qemu if case.qemu == "system" else str(assets / "peers" / case.qemu)
        self.acceleration = accel.choose(program, assets)
        self.machine = QemuMachine(program, self.acceleration, machine)

    def _start_firmware(self) -> None:
        case, assets = self.case, self.options.assets
        # What the harness wants to hear, in the shell's language.
        script = f"@echo -off\nfs0:\necho @@{self.nonce} begin\n{case.script}\necho @@{self.nonce} exit 0\nreset -s\n"
        (self.share / "startup.nsh").write_text(script.replace("\n", "\r\n"))
        sockets = {tag: daemon.socket for tag, daemon in self.shares.daemons.items()}
        settings = MachineSettings(assets / "firmware", None, sockets, case.memory_mib, case.cpus, case.queues,
                                   False, "", self.directory)
        self.acceleration = accel.choose(self.options.qemu, assets)
        self.machine = FirmwareMachine(self.options.qemu, self.acceleration, settings)

    def _finish_guest(self) -> Report:
        limit = self.case.time_limit
        wait_until(self._has_ended, limit)
        if self._has_ended():  # the one that ends first is followed by the other at once, unless something is wrong
            limit = END_LIMIT
            self.machine.process.wait(limit)
        status = self.machine.process.status()
        seen = self.said = self.report()
        if status is None:
            ended = [f", and the daemon of {tag} has ended with status {daemon.process.status()}"
                     for tag, daemon in self.shares.daemons.items() if daemon.process.status() is not None]
            raise CaseFailure(f"guest: expected it to power off within {limit} s, it still runs{''.join(ended)}")
        if status != 0:
            raise CaseFailure(f"{self.case.qemu} machine: expected exit status 0, saw {status}")
        if seen.status is None:
            raise CaseFailure(f"guest: expected an exit marker in its report, saw none after {seen.boots} boot(s)")
        if seen.status != 0:
            failed = {f"part {name}": part for name, part in seen.parts.items() if part.status != 0}
            raise CaseFailure("; ".join(
                f"{name}: expected its script to end with status 0, saw {part.status}; it said last: {part.last_line()}"
                for name, part in (failed or {"guest": seen}).items()))
        expect("guest: number of boots", self.case.boots, seen.boots)
        return seen

    def _expect_nothing_left(self) -> None:
        if not wait_until(lambda: not living_children(), LEFTOVER_LIMIT):
            left = [f"{process.pid} ({process.name})" for process in living_children()]
            raise CaseFailure(f"processes: expected none after the daemon's end, saw {', '.join(left)}")
        if not self.options.leaves_files:
            self.shares.expect_no_sockets()
        expect("temporary files after the daemon's end", [], sorted(path.name for path in self.scratch.iterdir()))
        self.shares.expect_only_own_mounts()

    def show_logs(self) -> None:
        """Prints the end of every log of the run."""
        for path in sorted(self.directory.glob("*.log")):
            lines = path.read_bytes().decode("utf-8", errors="replace").replace("\r", "").splitlines()
            if lines:
                tail = REPORT_TAIL if path.name == "report.log" else LOG_TAIL
                print(f"--- {path.name}{f' (last {tail} lines)' if len(lines) > tail else ''}")
                print("\n".join(lines[-tail:]))

    def end(self) -> None:
        """Ends what still runs and removes the run's directory."""
        if self.machine is not None:
            self.machine.process.kill()
        self.shares.end()
        kill_leftovers()
        if isinstance(self.machine, UmlMachine):
            self.machine.close()
        if self.options.keep:
            print(f"kept: {self.directory}")
        else:
            self.shares.remove()


def lacking(case: Case, options: Options) -> str | None:
    """What this case would need and this system doesn't have."""
    if os.geteuid() != 0:
        return "needs root: the share gets files of several users"
    if any(part.needs_conformance for part in case.parts) and options.conformance is None:
        return "needs the conformance program (--conformance)"
    if case.kernel != "uml" and case.qemu == "system" and shutil.which(options.qemu) is None:
        return f"{options.qemu} is not installed"
    return None


def run_case(case: Case, options: Options, share: Path | None = None) -> Run:
    """Runs the case to its end, on a share of its own or a given one; raises CaseFailure or CaseSkipped."""
    reason = lacking(case, options)
    if reason:
        raise CaseSkipped(reason)
    run = Run(case, options, share)
    try:
        run.execute()
        return run
    except CaseFailure:
        run.show_logs()
        raise
    finally:
        run.end()
