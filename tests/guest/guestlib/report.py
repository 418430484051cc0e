"""What the guest said on its report port."""

import re
from dataclasses import dataclass, field
from pathlib import Path


# What a terminal would do: colours and places of the cursor, from firmware.
ESCAPES = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]")


@dataclass
class Report:
    boots: int = 0
    status: int | None = None
    seconds: float = 0  # of a part
    lines: list[str] = field(default_factory=list)
    parts: dict[str, "Report"] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def value(self, name: str) -> str | None:
        """The rest of the last line `name=…`."""
        found = None
        for line in self.lines:
            if line.startswith(name + "="):
                found = line.removeprefix(name + "=")
        return found

    def last_line(self) -> str:
        return next((line for line in reversed(self.lines) if line.strip()), "nothing")


def parse(path: Path, nonce: str) -> Report:
    """Reads the report as far as it has come: only whole lines count."""
    report = Report()
    if not path.exists():
        return report
    text = ESCAPES.sub("", path.read_bytes().decode("utf-8", errors="replace").replace("\r", ""))
    part: Report | None = None
    for line in text.split("\n")[:-1]:
        # A firmware that probes the port, or a reset in the middle of a line, can leave something before a marker.
        marker = re.search(rf"@@{nonce} (begin|exit|part|end)(?: (\S+))?(?: (\d+))?$", line)
        if marker is None:
            report.lines.append(line)
            if part is not None:
                part.lines.append(line)
            continue
        kind, first, second = marker.groups()
        if kind == "begin":
            report.boots += 1
        elif kind == "exit":
            report.status = int(first)
        elif kind == "part":
            part = report.parts[first] = Report()
        elif part is not None:  # the end of the part that began last
            part.status, part.seconds, part = int(first), int(second) / 100, None
    return report
