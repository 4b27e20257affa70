"""Reads a folder of small text files, of which any may be damaged.

A damaged file is one whose text cannot be had: it is not UTF-8, too large, a folder, a pipe, or it
cannot be opened. It never hides the other files.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import ConfigurationError

MAX_BYTES = 1024 * 1024
Signature = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a file has no text, and those of its bytes that could be read. Log only the first."""

    problem: str
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """The texts and the damages of a folder, by the names of its files."""

    texts: dict[str, str] = field(default_factory=dict, repr=False)
    damages: dict[str, Damage] = field(default_factory=dict)


def read(folder: Path) -> Contents:
    """Every file whose name does not begin with a dot. OSError if the folder cannot be listed."""
    contents = Contents()
    for name in _names(folder):
        found = _read_one(folder / name)
        if isinstance(found, str):
            contents.texts[name] = found
        else:
            contents.damages[name] = found
    return contents


def read_whole(folder: Path) -> dict[str, str]:
    """The text of each file by its name; ConfigurationError if one is damaged, or OSError."""
    contents = read(folder)
    if contents.damages:
        problems = [f"{name} {damage.problem}" for name, damage in contents.damages.items()]
        raise ConfigurationError("; ".join(problems))
    return contents.texts


def signature(folder: Path) -> Signature:
    """A value that changes whenever a file is added, removed, replaced, rewritten, or given other
    permissions. OSError if the folder cannot be listed."""
    return tuple((name, _state(folder / name)) for name in _names(folder))


def _names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _read_one(path: Path) -> str | Damage:
    try:
        # Without waiting, because a pipe would never open.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Damage("is not a file")
            content = file.read(MAX_BYTES + 1)
    except IsADirectoryError:  # of `open`, which looks before fstat does
        return Damage("is not a file")
    except OSError as error:
        return Damage(f"cannot be read ({type(error).__name__})")
    if len(content) > MAX_BYTES:
        return Damage(f"is larger than {MAX_BYTES} bytes", content[:MAX_BYTES])
    try:
        return content.decode()
    except UnicodeDecodeError:
        return Damage("is not UTF-8 text", content)
