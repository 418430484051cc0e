"""Packages of a Debian suite, fetched through apt without installing anything.

Each suite gets an apt of its own: own lists, own cache, own (empty) package status. The mirror is the one that the
system's own configuration names, so that no host name is written here.
"""

import os
import subprocess
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HOST_SUITE = "bookworm"


class AptError(RuntimeError):
    """An apt command failed, or the system's apt configuration is not a Debian 12 one."""


def run(command: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a command, returns its standard output; its standard error goes into the exception."""
    result = subprocess.run(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        tail = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise AptError(f"expected '{' '.join(command[:4])} …' to succeed, it ended with {result.returncode}:\n{tail}")
    return result.stdout


def system_repositories() -> list[tuple[str, str]]:
    """(URI, release) of every Debian 12 repository that the system itself is configured with."""
    lines = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]).splitlines()
    pairs = []
    for line in lines:
        uri, _, release = line.rpartition(" ")
        if release.split("-")[0] == HOST_SUITE and (uri, release) not in pairs:
            pairs.append((uri, release))
    if not pairs:
        raise AptError(f"expected a {HOST_SUITE} repository in the system's apt configuration, saw: {lines}")
    return pairs


class Apt:
    """apt for one suite, in a directory of its own."""

    def __init__(self, suite: str, directory: Path) -> None:
        self.suite = suite
        self.directory = directory.resolve()
        self._updated = False

    def mirror(self) -> str:
        """URI of the suite's main archive, for tools that take one (debootstrap)."""
        for uri, release in system_repositories():
            if release == HOST_SUITE:
                return uri
        return system_repositories()[0][0]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "APT_CONFIG": str(self.directory / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def _prepare(self) -> None:
        """Writes the private configuration and fetches the lists, once per object."""
        if self._updated:
            return
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        sources = []
        for uri, release in system_repositories():
            release = release.replace(HOST_SUITE, self.suite, 1)
            for kind in ("deb", "deb-src"):
                sources.append(f"{kind} [signed-by={KEYRING}] {uri} {release} main")
        (self.directory / "sources.list").write_text("\n".join(sources) + "\n")
        # The system's Acquire settings (proxies and the like) hold here too. Its hooks must not: images for
        # containers delete the system's package cache after each update.
        acquire = [line for line in run(["apt-config", "dump"]).splitlines()
                   if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets")]
        own = {
            "Dir::Etc::parts": self.directory / "parts",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": self.directory / "parts",
            "Dir::Etc::sourcelist": self.directory / "sources.list",
            "Dir::Etc::sourceparts": "-",
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
        run(["apt-get", "-q", "update"], env=self._env())
        self._updated = True

    def depends(self, package: str) -> str:
        """The one package that a meta package stands for."""
        self._prepare()
        for line in run(["apt-cache", "depends", package], env=self._env()).splitlines():
            kind, _, name = line.strip().partition(": ")
            if kind == "Depends":
                return name
        raise AptError(f"expected {package} of {self.suite} to depend on a package, it depends on none")

    def versions(self, packages: list[str]) -> dict[str, str]:
        """Candidate version of each package."""
        self._prepare()
        text = run(["apt-cache", "show", "--no-all-versions", *packages], env=self._env())
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
        out = run(["apt-get", "-s", "-y", "install", *packages], env=self._env())
        return [line.split()[1] for line in out.splitlines() if line.startswith("Inst ")]

    def download(self, packages: list[str], into: Path) -> list[Path]:
        """Downloads the packages (not what they depend on); returns their files."""
        self._prepare()
        into.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "-q", "download", *packages], env=self._env(), cwd=into)
        return sorted(into.glob("*.deb"))

    def download_source(self, package: str, into: Path) -> Path:
        """Downloads a source package; returns its upstream tarball."""
        self._prepare()
        into.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "-q", "source", "--download-only", package], env=self._env(), cwd=into)
        for path in sorted(into.iterdir()):
            if ".orig.tar." in path.name and not path.name.endswith(".asc"):
                return path
        raise AptError(f"expected an .orig.tar file in source package {package}, saw {sorted(into.iterdir())}")


def extract(debs: list[Path], into: Path) -> None:
    """Unpacks package files over one another, without their maintainer scripts."""
    into.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        run(["dpkg-deb", "-x", str(deb), str(into)])
