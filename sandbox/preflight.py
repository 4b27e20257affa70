"""What must hold before the sandbox touches the machine; one clear sentence when it does not."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import UserError

MEMORY_NEEDED = 3 * 1024**3
"""Bytes available to start the idle node (1.5 GiB budget) and have room for one small pod."""
DISK_NEEDED = 15 * 1024**3
"""Bytes free: 12 GB while every tool is built, and a few for the stores of images."""


@dataclass(frozen=True)
class Machine:
    """The facts that are judged, so that the judgement can be tested without such a machine."""

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
    """MemAvailable in bytes; 0 where there is no /proc (judged as not Linux before)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:")), 0)


OWN = "To use a cluster of your own instead, see the README: 'Your own cluster'."


def judge_user(machine: Machine) -> None:
    """Raise `UserError` where no verb of the sandbox can work, not even its end."""
    if machine.system != "Linux":
        raise UserError(f"The sandbox runs on Linux; this is {machine.system}.", OWN)
    if machine.user_id != 0:
        raise UserError(
            "The sandbox needs root: it makes namespaces, mounts and a network link.",
            f"Run it with sudo. {OWN}",
        )


def judge(machine: Machine) -> None:
    """Raise `UserError` for the first thing that rules out starting the sandbox."""
    judge_user(machine)
    if machine.machine not in {"x86_64", "aarch64"}:
        raise UserError(f"The sandbox runs on x86_64 and aarch64; this is {machine.machine}.", OWN)
    if machine.memory_available < MEMORY_NEEDED:
        raise UserError(
            f"The sandbox needs {_gib(MEMORY_NEEDED)} of available memory; "
            f"this machine has {_gib(machine.memory_available)}.",
            "Close something, or take a larger machine.",
        )
    if machine.disk_free < DISK_NEEDED:
        raise UserError(
            f"The sandbox needs {_gib(DISK_NEEDED)} of free disk for {machine.disk_path}; "
            f"there are {_gib(machine.disk_free)}.",
            "Free some, or set RAYLINE_CACHE to a folder on a larger disk.",
        )


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
