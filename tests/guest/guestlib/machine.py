"""The kinds of guest: a QEMU machine with Linux or with firmware alone, and a User-Mode Linux process. Each ends when the
guest powers off."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from guestlib import accel
from guestlib.process import Supervised
from guestlib.qmp import Qmp


@dataclass(frozen=True)
class MachineSettings:
    kernel: Path  # its folder in the assets
    initrd: Path | None  # None where there is no kernel to have one
    sockets: dict[str, Path]  # by tag
    memory_mib: int
    cpus: int
    queues: int
    reboots: bool
    kernel_options: str
    directory: Path  # for sockets and logs


class QemuMachine:
    report_device = "ttyS1"

    def __init__(self, program: str, acceleration: str, settings: MachineSettings) -> None:
        directory = settings.directory
        self.console = directory / "console.log"
        self.report = directory / "report.log"
        self._qmp_path = directory / "qmp.sock"
        accelerator = "kvm" if acceleration == "kvm" else "tcg,thread=multi"
        command = [
            program, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,memory-backend=ram", "-accel", accelerator, "-cpu", accel.cpu_model(acceleration),
            "-smp", str(settings.cpus), "-m", f"{settings.memory_mib}M",
            "-object", f"memory-backend-memfd,id=ram,share=on,size={settings.memory_mib}M",
            "-serial", f"file:{self.console}", "-serial", f"file:{self.report}",
            "-qmp", f"unix:{self._qmp_path},server=on,wait=off",
            *self._boot(settings),
        ]
        for tag, socket in settings.sockets.items():
            command += ["-chardev", f"socket,id={tag},path={socket}", "-device",
                        f"vhost-user-fs-pci,chardev={tag},tag={tag},num-request-queues={settings.queues}"]
        if not settings.reboots:
            command.append("-no-reboot")
        self.process = Supervised(command, directory / "qemu.log")

    def _boot(self, settings: MachineSettings) -> list[str]:
        return ["-kernel", str(settings.kernel / "vmlinuz"), "-initrd", str(settings.initrd),
                "-append", f"console=ttyS0 {'' if settings.reboots else 'panic=-1'} loglevel=5 mitigations=off "
                           + settings.kernel_options]

    def qmp(self) -> Qmp:
        return Qmp(self._qmp_path)


class FirmwareMachine(QemuMachine):
    """EDK II's UEFI firmware, whose shell runs startup.nsh from the share. It says everything on its console."""

    def __init__(self, program: str, acceleration: str, settings: MachineSettings) -> None:
        super().__init__(program, acceleration, settings)
        self.report = self.console

    def _boot(self, settings: MachineSettings) -> list[str]:
        variables = settings.directory / "variables.fd"
        shutil.copyfile(settings.kernel / "variables.fd", variables)
        return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={settings.kernel / 'code.fd'}",
                "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]


class UmlMachine:
    report_device = "ttyS0"

    def __init__(self, settings: MachineSettings) -> None:
        directory = settings.directory
        self.console = directory / "console.log"
        self.report = directory / "report.log"
        # Its memory is a file that the daemon maps too; only a tmpfs makes that memory rather than disk. It makes
        # the file in TMPDIR and unlinks it at once.
        self._memory = tempfile.TemporaryDirectory(prefix="postern-uml-", dir="/dev/shm")
        report = os.open(self.report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        command = [
            str(settings.kernel / "linux"), f"mem={settings.memory_mib}M", f"initrd={settings.initrd}",
            *(f"virtio_uml.device={socket}:26" for socket in settings.sockets.values()), f"uml_dir={directory}",
            "umid=guest", "con=null", "con0=null,fd:1", f"ssl0=null,fd:{report}", "panic=-1", "loglevel=5",
        ]
        try:
            self.process = Supervised(command, self.console, env={**os.environ, "TMPDIR": self._memory.name},
                                      pass_fds=(report,))
        finally:
            os.close(report)

    def close(self) -> None:
        self._memory.cleanup()
