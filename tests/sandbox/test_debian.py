"""Packages are installed only for programs that are missing."""

from pathlib import Path

import pytest

from sandbox import debian
from sandbox.debian import Package
from toolchain.errors import CommandError, UserError


def program(folder: Path, name: str, text: str = "exit 0") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_list_parses_and_every_line_names_a_program() -> None:
    packages = debian.parse(debian.LIST.read_text())
    assert {"containerd", "runc", "docker-registry"} <= {p.name for p in packages}
    assert all(p.program for p in packages)


def test_a_program_from_elsewhere_makes_its_package_unneeded(path: Path) -> None:
    program(path, "zz-engine")
    wanted = [Package("engine", "zz-engine"), Package("other", "zz-other")]
    assert debian.missing(wanted) == [Package("other", "zz-other")]


def test_install_calls_apt_and_keeps_its_output_in_the_log(path: Path, tmp_path: Path) -> None:
    program(path, "apt-get", 'echo "called: $*"')
    notes: list[str] = []
    log = tmp_path / "logs" / "debian.log"
    debian.install([Package("a", "x"), Package("b", "y")], log, notes.append)
    assert notes == ["installing a b"]
    assert "install --yes --no-install-recommends a b" in log.read_text()


def test_a_failed_install_names_command_and_log(path: Path, tmp_path: Path) -> None:
    program(path, "apt-get", "exit 100")
    with pytest.raises(CommandError, match=r"apt-get --quiet update.*exit code 100") as failed:
        debian.install([Package("a", "x")], tmp_path / "log", lambda _: None)
    assert str(tmp_path / "log") in failed.value.hint


def test_without_apt_the_message_names_what_to_install(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="These programs are missing: x") as refused:
        debian.install([Package("a", "x")], tmp_path / "log", lambda _: None)
    assert "a" in refused.value.hint
