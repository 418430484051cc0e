"""Packages of a Debian suite, fetched through apt without installing anything.

Each suite gets an apt of its own: own lists, own cache, own (empty) package status. The archives are those that the
system's own configuration names, whatever its suite is: each archive has them all. So no host name is written here.
"""

import os
import subprocess
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MAIN, SECURITY = "Debian", "Debian-Security"  # as the archives label themselves
UNSTABLE = "sid"  # has no security archive beside it
SCHEMES_OF_DEBOOTSTRAP = ("http://", "https://", "file:/", "copy:/", "ssh:/")


class AptError(RuntimeError):
    """An apt command failed, or the system's apt configuration names no Debian archive."""


def run(command: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a command, returns its standard output; its standard error goes into the exception."""
    result = subprocess.run(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        tail = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise AptError(f"expected '{' '.join(command[:4])} …' to succeed, it ended with {result.returncode}:\n{tail}")
    return result.stdout


def named_archives(env: dict[str, str] | None = None) -> dict[str, str]:
    """URIs by label of the Debian archives that apt has lists of."""
    lines = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"], env)
    found: dict[str, str] = {}
    for line in lines.splitlines():
        origin, _, rest = line.partition(" ")
        label, _, uri = rest.rpartition(" ")
        if origin == "Debian" and label in (MAIN, SECURITY):
            found.setdefault(label, uri)
    return found


class PrivateApt:
    """apt with all of its state in one directory, and the system's way to the network."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()

    def env(self) -> dict[str, str]:
        return {**os.environ, "APT_CONFIG": str(self.directory / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def update(self, sources: dict[str, Path | str]) -> None:
        """Writes the configuration and fetches the lists of these sources."""
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        # The system's Acquire settings (proxies and the like) hold here too. Its hooks must not: images for
        # containers delete the system's package cache after each update.
        acquire = [line for line in run(["apt-config", "dump"]).splitlines()
                   if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets")]
        own = {
            "Dir::Etc::parts": self.directory / "parts",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": self.directory / "parts",
            **sources,
            "Dir::State::lists": self.directory / "lists",
            "Dir::State::status": self.directory / "status",
            "Dir::State::extended_states": self.directory / "extended_states",
            "Dir::Cache": self.directory / "cache",
            "Dir::Log": self.directory,
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        }
        text = acquire + [f'{key} "{value}";' for key, value in own.items()]
        (self.directory / "apt.conf").write_text("\n".join(text) + "\n")
        run(["apt-get", "-q", "update"], env=self.env())


def system_archives(directory: Path) -> dict[str, str]:
    """URIs by label of the Debian archives that the system is configured with; the main one is among them."""
    found = named_archives()
    if MAIN not in found:  # a system whose lists were never fetched, or were deleted
        apt = PrivateApt(directory)
        apt.update({})
        found = named_archives(apt.env())
    if MAIN not in found:
        raise AptError(f"expected a Debian archive in the system's apt configuration, saw {found or 'none'}")
    return found


class Apt(PrivateApt):
    """apt for one suite, in a directory of its own."""

    def __init__(self, suite: str, directory: Path, archives: dict[str, str]) -> None:
        super().__init__(directory)
        self.suite = suite
        self._archives = archives
        self._prepared: tuple[str, ...] = ()

    def mirror(self) -> str:
        """URI of the main archive for debootstrap, or nothing where it wouldn't understand it and must choose itself."""
        uri = self._archives[MAIN]
        return uri if uri.startswith(SCHEMES_OF_DEBOOTSTRAP) else ""

    def _prepare(self, *kinds: str) -> None:
        """Fetches the lists, once for what is asked: of packages, or of sources, too."""
        kinds = ("deb", *kinds)
        if set(kinds) <= set(self._prepared):
            return
        lines = [f"{kind} [signed-by={KEYRING}] {uri} {self.suite}{'-security' if label == SECURITY else ''} main"
                 for label, uri in self._archives.items() if label != SECURITY or self.suite != UNSTABLE
                 for kind in kinds]
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "sources.list").write_text("\n".join(lines) + "\n")
        self.update({"Dir::Etc::sourcelist": self.directory / "sources.list", "Dir::Etc::sourceparts": "-"})
        self._prepared = kinds

    def depends(self, package: str, beginning: str) -> list[str]:
        """The packages of such names that a package depends on."""
        self._prepare()
        lines = run(["apt-cache", "depends", package], env=self.env()).splitlines()
        pairs = (line.strip().partition(": ") for line in lines)
        return [name for kind, _, name in pairs if kind == "Depends" and name.startswith(beginning)]

    def versions(self, packages: list[str]) -> dict[str, str]:
        """Candidate version of each package."""
        self._prepare()
        text = run(["apt-cache", "show", "--no-all-versions", *packages], env=self.env())
        found: dict[str, str] = {}
        name = ""
        for line in text.splitlines():
            if line.startswith("Package: "):
                name = line.split()[1]
            elif line.startswith("Version: "):
                found[name] = line.split()[1]
        return found

    def closure(self, packages: list[str]) -> list[str]:
        """The packages and all that they depend on, as an installation on an empty system would choose them."""
        self._prepare()
        out = run(["apt-get", "-s", "-y", "install", *packages], env=self.env())
        return [line.split()[1] for line in out.splitlines() if line.startswith("Inst ")]

    def download(self, packages: list[str], into: Path) -> list[Path]:
        """Downloads the packages (not what they depend on); returns their files."""
        self._prepare()
        into.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "-q", "download", *packages], env=self.env(), cwd=into)
        return sorted(into.glob("*.deb"))

    def download_source(self, package: str, into: Path) -> Path:
        """Downloads a source package; returns its upstream tarball."""
        self._prepare("deb-src")
        into.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "-q", "source", "--download-only", package], env=self.env(), cwd=into)
        for path in sorted(into.iterdir()):
            if ".orig.tar." in path.name and not path.name.endswith(".asc"):
                return path
        raise AptError(f"expected an .orig.tar file in source package {package}, saw {sorted(into.iterdir())}")


def extract(debs: list[Path], into: Path) -> None:
    """Unpacks package files over one another, without their maintainer scripts."""
    into.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        run(["dpkg-deb", "-x", str(deb), str(into)])
