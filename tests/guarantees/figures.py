"""Figures that tests measure, in docs/reference/measured.json: the last value of each.

The standard library only, because the tests of the engine run in the service's environment.
"""

import fcntl
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "reference" / "measured.json"
VARIABLE = "RAYLINE_RECORD"
"""Environment variable; `1` asks tests to write what they measure."""
NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")


@dataclass(frozen=True)
class Figure:
    """One measured value. `of` is the number of tries of which `value` are counted, if it is a
    count; `at_most` and `at_least` are its goal; `note` says what else was seen; `load` is the
    machine's load average over the last minute."""

    value: float
    unit: str
    test: str
    date: str
    machine: str
    load: float
    of: int | None = None
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the value reaches its goal; one without a goal does."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def read(file: Path = FILE) -> dict[str, Figure]:
    """Name -> figure, in the order of names."""
    if not file.exists():
        return {}
    return {name: Figure(**fields) for name, fields in json.loads(file.read_text()).items()}


def write(new: Mapping[str, Figure], file: Path = FILE) -> None:
    """Add the figures, or replace those of the same names. Several processes may write at once."""
    # The lock is on the folder, so no file of it remains.
    lock = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        merged = dict(sorted({**read(file), **new}.items()))
        content = {
            name: {key: value for key, value in asdict(figure).items() if value not in (None, "")}
            for name, figure in merged.items()
        }
        temporary = file.with_name(".measured.new")
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        temporary.replace(file)
    finally:
        os.close(lock)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def machine() -> str:
    """The machine in words; neither its name nor an address."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    system = f"{release.get('NAME', platform.system())} {release.get('VERSION_ID', '')}".strip()
    system = system.replace(" GNU/Linux", "")
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}, {platform.machine()}"
