"""Requirements that are checked before the sandbox touches the machine."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import UserError

MEMORY_NEEDED = 3 * 1024**3
"""Available bytes: the idle node has a budget of 1.5 GiB, and small pods need room."""
DISK_NEEDED = 15 * 1024**3
"""Free bytes: building every tool takes 12 GB, and the image stores take a few more."""


@dataclass(frozen=True)
class Machine:
    """The facts that are checked, separate from `inspect` so that tests can invent a machine."""

    system: str
    machine: str
    user_id: int
    memory_available: int
    disk_free: int
    disk_path: str


def inspect(disk_path: Path) -> Machine:
    """Read the facts; `disk_path` need not exist yet."""
    existing = disk_path
    while not existing.exists():
        existing = existing.parent
    return Machine(
        system=platform.system(),
        machine=platform.machine(),
        user_id=os.geteuid() if sys.platform != "win32" else 0,
        memory_available=_memory_available(),
        disk_free=shutil.disk_usage(existing).free,
        disk_path=str(disk_path),
    )


def _memory_available() -> int:
    """MemAvailable in bytes; 0 where there is no /proc, which `check_host` refuses anyway."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:")), 0)


OWN_CLUSTER = "To use your own cluster instead, see 'Your own cluster' in the README."


def check_host(machine: Machine) -> None:
    """Raise `UserError` where no command of the sandbox can work, not even `make sandbox-down`."""
    if machine.system != "Linux":
        raise UserError(
            f"The sandbox runs on Linux only; this machine runs {machine.system}.", OWN_CLUSTER
        )
    if machine.user_id != 0:
        raise UserError(
            "The sandbox needs root, because it creates namespaces, mounts and a network link; "
            f"you are user {machine.user_id}.",
            f"Run it with sudo. {OWN_CLUSTER}",
        )


def check(machine: Machine) -> None:
    """Raise `UserError` for the first requirement of the sandbox that the machine does not meet."""
    check_host(machine)
    if machine.machine not in {"x86_64", "aarch64"}:
        raise UserError(
            f"The sandbox runs on x86_64 and aarch64 only; this machine is {machine.machine}.",
            OWN_CLUSTER,
        )
    if machine.memory_available < MEMORY_NEEDED:
        raise UserError(
            f"The sandbox needs {_gib(MEMORY_NEEDED)} of available memory; "
            f"this machine has {_gib(machine.memory_available)}.",
            "Close some programs, or use a machine with more memory.",
        )
    if machine.disk_free < DISK_NEEDED:
        raise UserError(
            f"The sandbox needs {_gib(DISK_NEEDED)} of free disk space for {machine.disk_path}; "
            f"its disk has {_gib(machine.disk_free)}.",
            "Free some space, or use a folder on a larger disk: make sandbox RAYLINE_CACHE=FOLDER",
        )


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
