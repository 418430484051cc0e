"""What the guest said on its report port."""

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    boots: int = 0
    status: int | None = None
    lines: list[str] = field(default_factory=list)

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


def parse(path: Path, nonce: str) -> Report:
    """Reads the report as far as it has come: only whole lines count."""
    report = Report()
    if not path.exists():
        return report
    text = path.read_bytes().decode("utf-8", errors="replace").replace("\r", "")
    for line in text.split("\n")[:-1]:
        # A firmware that probes the port, or a reset in the middle of a line, can leave something before a marker.
        marker = re.search(rf"@@{nonce} (begin|exit (\d+))$", line)
        if marker is None:
            report.lines.append(line)
        elif marker.group(1) == "begin":
            report.boots += 1
        else:
            report.status = int(marker.group(2))
    return report
