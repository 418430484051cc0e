"""README's way to build and to install, taken by a plain user with sudo; then what is installed, at work."""

import shlex

import readme

PACKAGES = ("adduser", "sudo")  # what README's commands call and every installed Debian has
USER = "builder"
HOME = f"/home/{USER}/postern"

PREPARE = f"""
useradd --create-home {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
cp -r . {HOME}
chown -R {USER}: {HOME}
"""


def as_user(commands: str) -> str:
    return f"cd {HOME}; su {USER} -s /bin/sh -c {shlex.quote('set -e; ' + commands)}"


def from_readme(start: str) -> tuple[str, str]:
    return f"README: {start}", as_user(readme.block(start))


STEPS = (
    ("a plain user with sudo", PREPARE),
    from_readme("tests/install-packages cmake/PACKAGES"),
    from_readme("sudo adduser"),
    ("guests on what is installed", f"cd {HOME}; tests/roots/serve_installed"),
    from_readme("tests/install-packages cmake/packages"),
    ("packages", f"cd {HOME}; tests/packages/check build/packages; tests/packages/rpm build/release"),
    ("the same, built elsewhere", f"cd {HOME}; tests/packages/elsewhere build/release"),
)
