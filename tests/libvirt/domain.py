"""A domain as libvirt's users write it: a small guest with filesystems."""

from dataclasses import dataclass
from pathlib import Path

MEMORY_MIB = 256


@dataclass(frozen=True)
class Filesystem:
    tag: str
    share: Path
    binary: Path | None = None  # None: libvirt's own search
    attributes: str = ""  # of <binary>
    inside: str = ""  # of <binary>
    more: str = ""  # of <filesystem>
    socket: Path | None = None  # where a daemon listens that libvirt doesn't start

    @property
    def alias(self) -> str:
        return f"ua-{self.tag}"

    def xml(self) -> str:
        if self.socket:
            return (f"<filesystem type='mount'><driver type='virtiofs' queue='1024'/><source socket='{self.socket}'/>"
                    f"<target dir='{self.tag}'/><alias name='{self.alias}'/></filesystem>")
        path = f" path='{self.binary}'" if self.binary else ""
        binary = f"<binary{path}{self.attributes and ' ' + self.attributes}>{self.inside}</binary>"
        if not path and not self.attributes and not self.inside:
            binary = ""
        return (f"<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs' queue='1024'/>{binary}"
                f"<source dir='{self.share}'/><target dir='{self.tag}'/>{self.more}<alias name='{self.alias}'/></filesystem>")


@dataclass(frozen=True)
class Domain:
    name: str
    kernel: Path
    initrd: Path
    console: Path
    report: Path
    filesystems: tuple[Filesystem, ...]
    qemu_option: str = ""

    def xml(self) -> str:
        broken = (f"<qemu:commandline><qemu:arg value='{self.qemu_option}'/></qemu:commandline>" if self.qemu_option
                  else "")
        # What QEMU may plug in later needs a port that is empty.
        return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
<name>{self.name}</name>
<memory unit='MiB'>{MEMORY_MIB}</memory>
<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
<vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{self.kernel}</kernel><initrd>{self.initrd}</initrd>
<cmdline>console=ttyS0 panic=-1 loglevel=5 mitigations=off</cmdline></os>
<features><acpi/></features>
<cpu mode='custom' match='exact'><model>Nehalem</model></cpu>
<on_reboot>destroy</on_reboot>
<devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<controller type='usb' model='none'/>
{"".join(f"<controller type='pci' model='pcie-root-port' index='{n}'/>" for n in range(1, 7))}
{"".join(one.xml() for one in self.filesystems)}
<serial type='file'><source path='{self.console}'/></serial>
<serial type='file'><source path='{self.report}'/></serial>
<memballoon model='none'/>
</devices>
{broken}
</domain>
"""
