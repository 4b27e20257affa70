"""Files of the machine that runs the program. The rules check them before."""

from pathlib import Path


def text(path: str | None) -> str | None:
    """The content of a file; None if none is configured."""
    return None if path is None else Path(path).expanduser().read_text(encoding="utf-8")
