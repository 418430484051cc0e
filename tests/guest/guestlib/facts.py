"""What the kernel says of a process's rights."""

from pathlib import Path

SECCOMP_MODES = {"0": "off", "1": "strict", "2": "filter"}


def of_process(pid: int) -> dict[str, str] | None:
    """Name, ids, capabilities and filter of a process; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return {
        "pid": str(pid),
        "name": fields["Name"],
        "uid": fields["Uid"].split()[1],
        "gid": fields["Gid"].split()[1],
        "CapEff": fields["CapEff"],
        "NoNewPrivs": fields["NoNewPrivs"],
        "Seccomp": SECCOMP_MODES.get(fields["Seccomp"], fields["Seccomp"]),
    }


def table(rows: list[dict[str, str]]) -> list[str]:
    """The rows in columns, with a heading."""
    if not rows:
        return []
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
