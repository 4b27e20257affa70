"""Finds and installs the Debian packages that the sandbox needs."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import CommandError, UserError

LIST = Path(__file__).with_name("debian-packages.txt")

SERVICES = ("containerd", "docker-registry")
"""Packages that start a system service of the same name when they are installed."""


@dataclass(frozen=True)
class Package:
    """A package, and the program (or absolute path) whose presence makes it unnecessary."""

    name: str
    program: str


def parse(text: str) -> list[Package]:
    """The packages of a list: per line a package and a program, with `#` before comments."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [Package(*words) for words in lines if words]


def _is_present(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    return shutil.which(program, path=path) is not None


def missing(packages: list[Package]) -> list[Package]:
    """The packages whose programs are missing."""
    return [package for package in packages if not _is_present(package.program)]


def install(packages: list[Package], log: Path, note: Callable[[str], None]) -> None:
    """Install with apt-get, as root, and stop the services that come with the packages.

    Raises `UserError` where there is no apt-get, and `CommandError` with the log when it fails.
    """
    names = [package.name for package in packages]
    if shutil.which("apt-get") is None:
        programs = ", ".join(package.program for package in packages)
        raise UserError(
            f"These programs are missing: {programs}. The sandbox can install them only with "
            "apt-get, which this system does not have.",
            f"Install your system's equivalents of these Debian packages: {' '.join(names)}",
        )
    note(f"installing {' '.join(names)}")
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with log.open("ab") as stream:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *names]):
            command = ["apt-get", "--quiet", *arguments]
            done = subprocess.run(
                command, stdout=stream, stderr=stream, env=environment, check=False
            )
            if done.returncode:
                raise CommandError(
                    f"`{' '.join(command)}` failed (exit code {done.returncode}).", f"Log: {log}"
                )
    _stop_services([name for name in names if name in SERVICES])


def _stop_services(names: list[str]) -> None:
    """The node runs its own processes; a package's service would occupy port 5000 and memory."""
    if not names or not Path("/run/systemd/system").exists():
        return
    subprocess.run(
        ["systemctl", "disable", "--quiet", "--now", *names], capture_output=True, check=False
    )


def ensure(log: Path, note: Callable[[str], None]) -> None:
    """Install the packages of `LIST` whose programs are missing."""
    packages = missing(parse(LIST.read_text()))
    if packages:
        install(packages, log, note)
        if absent := missing(packages):
            programs = ", ".join(package.program for package in absent)
            raise CommandError(
                f"The packages were installed, but these programs are still missing: {programs}.",
                f"Log: {log}",
            )
