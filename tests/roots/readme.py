"""The commands of README.md, taken from the text itself, so that what is tested is what stands there."""

from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks() -> list[str]:
    """The text of every block of shell commands."""
    found: list[str] = []
    block: list[str] | None = None
    for line in README.read_text(encoding="utf-8").splitlines():
        if block is None:
            block = [] if line == "```sh" else None
        elif line == "```":
            found.append("\n".join(block))
            block = None
        else:
            block.append(line)
    return found


def block(start: str) -> str:
    """The one block that begins so."""
    found = [text for text in blocks() if text.startswith(start)]
    if len(found) != 1:
        raise LookupError(f"expected one block of README.md to begin with {start!r}, saw {len(found)}")
    return found[0]
