"""What the guests need, and how each piece is made from Debian packages.

A piece is one folder of the cache. It is made beside its place and renamed into it, with a stamp that names its recipe,
so that a half-made piece is never mistaken for a whole one and a changed recipe makes only its own piece again.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guestlib.assets.apt import KEYRING, Apt, AptError, extract, run, system_archives

STAMP = ".complete"
VIRTIOFS_MODULES = ("virtio_pci", "virtiofs")


@dataclass(frozen=True)
class Piece:
    """One folder of the cache. Raise `recipe` when `make` changes what it makes."""

    name: str
    recipe: int
    make: Callable[["Sources", Path], None]

    def is_complete(self, cache: Path) -> bool:
        stamp = cache / self.name / STAMP
        return stamp.is_file() and stamp.read_text() == f"{self.recipe}\n"


class Sources:
    """The suites' apt, made when first asked for, all in one scratch directory."""

    def __init__(self, scratch: Path, cache: Path) -> None:
        self.scratch = scratch
        self.cache = cache  # with the pieces that are made already
        self._apts: dict[str, Apt] = {}
        self._archives: dict[str, str] = {}

    def apt(self, suite: str) -> Apt:
        self._archives = self._archives or system_archives(self.scratch / "apt-system")
        if suite not in self._apts:
            self._apts[suite] = Apt(suite, self.scratch / f"apt-{suite}", self._archives)
        return self._apts[suite]

    def unpacked(self, suite: str, packages: list[str], name: str, with_depends: bool = False) -> Path:
        """A directory with the packages' files, and with those of all that they depend on if asked."""
        apt = self.apt(suite)
        into = self.scratch / name
        extract(apt.download(apt.closure(packages) if with_depends else packages, into / "debs"), into / "tree")
        return into / "tree"


def copy_modules(module_root: Path, version: str, wanted: tuple[str, ...], into: Path) -> None:
    """Copies the modules and what they depend on, uncompressed, and lists them in loading order in `order`."""
    if not (module_root / "lib/modules" / version / "modules.dep.bin").exists():
        run(["depmod", "-b", str(module_root), version])
    order: list[str] = []
    into.mkdir(parents=True)
    for module in wanted:
        shown = run(["modprobe", "-C", "/dev/null", "-d", str(module_root), "-S", version, "--show-depends", module])
        for line in shown.splitlines():
            kind, _, rest = line.partition(" ")
            if kind != "insmod":  # "builtin": nothing to load
                continue
            source = Path(rest.split()[0])
            name = source.name.removesuffix(".xz")
            if name in order:
                continue
            order.append(name)
            if source.suffix == ".xz":  # xz is a format that not every busybox' insmod reads
                with open(into / name, "wb") as target:
                    subprocess.run(["xz", "-dc", str(source)], stdout=target, check=True)
            else:
                shutil.copyfile(source, into / name)
    (into / "order").write_text("".join(f"{name}\n" for name in order))


def make_kernel(suite: str) -> Callable[[Sources, Path], None]:
    """The cloud flavour: the smaller of the two, and it has virtio_pci, fuse and virtiofs."""

    def make(sources: Sources, into: Path) -> None:
        apt = sources.apt(suite)
        (package,) = apt.depends("linux-image-cloud-amd64", "linux-image-")
        version = package.removeprefix("linux-image-")
        # One package, or since Debian 14 one for each part.
        parts = [part for kind in ("base", "binary", "modules") for part in apt.depends(package, f"linux-{kind}-")]
        tree = sources.unpacked(suite, [package, *parts], f"kernel-{suite}")
        if not (tree / "lib").exists():  # Debian 13 ships the modules below /usr/lib only; kmod looks in /lib
            (tree / "lib").symlink_to("usr/lib")
        copy_modules(tree, version, VIRTIOFS_MODULES, into / "modules")
        places = (tree / f"boot/vmlinuz-{version}", tree / f"lib/modules/{version}/vmlinuz")
        shutil.copyfile(next(place for place in places if place.exists()), into / "vmlinuz")
        (into / "version").write_text(version + "\n")

    return make


def make_uml(sources: Sources, into: Path) -> None:
    tree = sources.unpacked("bookworm", ["user-mode-linux"], "uml")
    # Its modules lie in /usr/lib/uml/modules; kmod insists on /lib/modules below the root that it is given.
    (tree / "lib").mkdir(exist_ok=True)
    (tree / "lib/modules").symlink_to("../usr/lib/uml/modules")
    version = next((tree / "usr/lib/uml/modules").iterdir()).name
    copy_modules(tree, version, ("virtiofs",), into / "modules")
    shutil.copy2(tree / "usr/bin/linux.uml", into / "linux")
    (into / "version").write_text(version + "\n")


def make_firmware(sources: Sources, into: Path) -> None:
    """UEFI firmware for a guest without an operating system: EDK II's, which has a driver for virtio-fs and a shell."""
    tree = sources.unpacked("bookworm", ["ovmf"], "firmware") / "usr/share/OVMF"
    shutil.copyfile(tree / "OVMF_CODE_4M.fd", into / "code.fd")
    shutil.copyfile(tree / "OVMF_VARS_4M.fd", into / "variables.fd")


def make_busybox(sources: Sources, into: Path) -> None:
    tree = sources.unpacked("bookworm", ["busybox-static"], "busybox")
    shutil.copy2(next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists()),
                 into / "busybox")


WRAPPER = """#!/bin/sh
# Runs {program} with the libraries of the release that it was built for.
here=$(dirname -- "$(readlink -f -- "$0")")
root=$here/{root}
exec "$root/{loader}" --argv0 "$0" \\
    --library-path "$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu" \\
    "$root/{program}" {options}"$@"
"""


def write_wrapper(path: Path, root: str, loader: str, program: str, options: str = "") -> None:
    path.write_text(WRAPPER.format(root=root, loader=loader, program=program, options=options))
    path.chmod(0o755)


def drop_documentation(tree: Path) -> None:
    for name in ("doc", "man", "locale", "info", "lintian", "bug"):
        shutil.rmtree(tree / "usr/share" / name, ignore_errors=True)


def make_peers(sources: Sources, into: Path) -> None:
    """The daemons and the newer QEMU that postern is tested against and compared with."""
    new = sources.unpacked("trixie", ["qemu-system-x86", "virtiofsd"], "peers-trixie", with_depends=True)
    drop_documentation(new)
    os.rename(new, into / "root-trixie")
    loader = "usr/lib64/ld-linux-x86-64.so.2"
    write_wrapper(into / "virtiofsd", "root-trixie", loader, "usr/libexec/virtiofsd")
    write_wrapper(into / "qemu-10", "root-trixie", loader, "usr/bin/qemu-system-x86_64",
                  '-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" ')
    # The C daemon needs a handful of libraries, the package that it lies in half a desktop.
    old = sources.unpacked("bookworm", ["libglib2.0-0", "libseccomp2", "libcap-ng0", "libgnutls30", "liburing2",
                                        "libnuma1", "libselinux1", "libaio1"], "peers-c", with_depends=True)
    common = sources.unpacked("bookworm", ["qemu-system-common"], "qemu-common")
    daemon = common / "usr/lib/qemu/virtiofsd"
    if not daemon.exists():
        return
    drop_documentation(old)
    shutil.copy2(daemon, old / "virtiofsd-c")
    os.rename(old, into / "root-bookworm")
    write_wrapper(into / "virtiofsd-c", "root-bookworm", "lib64/ld-linux-x86-64.so.2", "virtiofsd-c")


def make_rootfs(sources: Sources, into: Path) -> None:
    """A Debian 12 that can compile, as a tarball, and the source of a real program to compile in it."""
    apt = sources.apt("bookworm")
    tree = sources.scratch / "rootfs"
    run(["debootstrap", "--variant=minbase", "--include=make,gcc,libc6-dev", f"--keyring={KEYRING}",
         "bookworm", str(tree), apt.mirror()])
    drop_documentation(tree)
    for name in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir()
    # A device node would be the guest's own business, and sharing one needs more than this test wants.
    shutil.rmtree(tree / "dev")
    (tree / "dev").mkdir()
    run(["tar", "--create", "--numeric-owner", "--use-compress-program=zstd -3 -T2", "--file",
         str(into / "debian12.tar.zst"), "--directory", str(tree), "."])
    source = apt.download_source("lua5.4", sources.scratch / "source")
    shutil.copyfile(source, into / "lua.tar.gz")


# What the cases run in the guest, and what their packages depend on but these programs don't need for it.
TOOLS = ("acl", "attr", "e2fsprogs", "fio", "git", "libcap2-bin", "stress-ng")
TOOLS_NEEDLESS = ("git-man", "init-system-helpers", "libfile-find", "libgdbm", "libnumber", "libperl", "libpython3",
                  "libreadline", "libsqlite3", "libtext-glob", "libx11-data", "media-types", "perl", "python3",
                  "readline-common", "usrmerge")
TOOLS_PROGRAMS = ("fio", "gcc", "getfacl", "getfattr", "git", "lsattr", "make", "perl", "setcap", "setpriv",
                  "stress-ng")
TOOLS_USERS = (("alice", 1001), ("bob", 1002), ("carol", 1003))
TOOLS_STAFF = 2000  # a group of alice and bob, as in the small guests


def make_tools(sources: Sources, into: Path) -> None:
    """A Debian 12 with the programs that cases run, as a tree that a guest mounts read-only and changes its root to."""
    tree = into / "root"
    tree.mkdir()
    run(["tar", "--extract", "--zstd", "--file", str(sources.cache / "rootfs/debian12.tar.zst"), "--numeric-owner",
         "--directory", str(tree)])
    status = (tree / "var/lib/dpkg/status").read_text(encoding="utf-8")
    installed = {line.split()[1] for line in status.splitlines() if line.startswith("Package: ")}
    apt = sources.apt("bookworm")
    wanted = [name for name in apt.closure(list(TOOLS))
              if name not in installed and not name.startswith(TOOLS_NEEDLESS)]
    for deb in apt.download(wanted, sources.scratch / "tools"):
        # dpkg-deb -x would put a directory in the place of the tree's link /lib.
        archive = sources.scratch / "tools.tar"
        with open(archive, "wb") as output:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=output, check=True)
        run(["tar", "--extract", "--keep-directory-symlink", "--file", str(archive), "--directory", str(tree)])
    drop_documentation(tree)
    run(["ldconfig", "-r", str(tree)])
    with open(tree / "etc/passwd", "a", encoding="utf-8") as passwd, \
            open(tree / "etc/group", "a", encoding="utf-8") as group:
        for name, number in TOOLS_USERS:
            passwd.write(f"{name}:x:{number}:{number}::/tmp:/bin/sh\n")
            group.write(f"{name}:x:{number}:\n")
        group.write(f"guests:x:{TOOLS_STAFF}:alice,bob\n")
    for path in tree.rglob("*"):  # nobody gains rights through a program in a cache
        if not path.is_symlink() and path.stat().st_mode & 0o6000:
            path.chmod(path.stat().st_mode & 0o1777)
    for program in TOOLS_PROGRAMS:
        found = shutil.which(program, path=f"{tree}/usr/bin:{tree}/usr/sbin")
        if found is None:
            raise AptError(f"expected {program} among the tools, saw no such program")
        listed = run(["chroot", str(tree), "/lib64/ld-linux-x86-64.so.2", "--list", found.removeprefix(str(tree))])
        if "not found" in listed:
            raise AptError(f"expected every library of {program} among the tools, saw {listed}")


PIECES = (
    Piece("kernel-debian11", 1, make_kernel("bullseye")),
    Piece("kernel-debian12", 1, make_kernel("bookworm")),
    Piece("kernel-debian13", 1, make_kernel("trixie")),
    Piece("kernel-unstable", 1, make_kernel("sid")),
    Piece("firmware", 1, make_firmware),
    Piece("busybox", 1, make_busybox),
    Piece("uml", 1, make_uml),
    Piece("peers", 1, make_peers),
    Piece("rootfs", 1, make_rootfs),
    Piece("tools", 1, make_tools),  # made from the one before
)


def fill(cache: Path, say: Callable[[str], None], only: list[str]) -> None:
    """Makes every piece that is not there yet, or of these pieces."""
    missing = [piece for piece in PIECES if (not only or piece.name in only) and not piece.is_complete(cache)]
    if not missing:
        return
    scratch = cache / f".scratch-{os.getpid()}"
    for stale in cache.glob(".scratch-*"):
        shutil.rmtree(stale)
    scratch.mkdir(parents=True)
    try:
        sources = Sources(scratch, cache)
        for piece in missing:
            say(f"{piece.name}: fetching")
            made = scratch / f"new-{piece.name}"
            made.mkdir()
            piece.make(sources, made)
            (made / STAMP).write_text(f"{piece.recipe}\n")
            shutil.rmtree(cache / piece.name, ignore_errors=True)
            os.rename(made, cache / piece.name)
            say(f"{piece.name}: done")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
